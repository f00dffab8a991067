"""The metrics on features: both pictures encoded by one encoder of the recipe.

They compare ``Latents`` where other metrics compare ``Images`` (`Metric.compares`); a recipe
section that names one says in which feature.
"""

from __future__ import annotations

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.metrics.correlation import correlation_distance, correlation_table
from neurodiffuse.metrics.identification import (
    identification_from_features,
    identification_table,
    permuted_means,
)
from neurodiffuse.metrics.retrieval import check_retrieval, retrieval_table
from neurodiffuse.types import Latents, Metric


class LatentIdentification(Metric):
    """Two-way identification by the correlation of features; chance is 0.5."""

    compares = "latents"
    chance = 0.5
    bounds = (0.0, 1.0)
    permutations = 9999

    def compare(self, seen: Latents, made: Latents) -> np.ndarray:  # type: ignore[override]
        """Return for each made image the share of wrong seen ones that it resembles less."""
        return identification_from_features(*_pair(seen, made))

    def null(  # type: ignore[override]
        self, seen: Latents, made: Latents, rng: np.random.Generator
    ) -> np.ndarray:
        """Return mean scores of shuffled pairs."""
        table = identification_table(correlation_table(*_pair(seen, made)))
        return permuted_means(table, self.permutations, rng)


class LatentRetrieval(Metric):
    """How likely a made picture's features find those of its own seen one.

    Parameters
    ----------
    top
        How many of the most similar count.
    among
        Number of candidates, all sets of which are averaged; 0 is all test images. Chance is
        top / among.
    """

    bounds = (0.0, 1.0)
    compares = "latents"
    permutations = 9999

    def __init__(self, top: int = 1, among: int = 0) -> None:
        check_retrieval(top, among)
        self.top, self.among = top, among
        self.chance = top / among if among else None
        self.share = True

    def compare(self, seen: Latents, made: Latents) -> np.ndarray:  # type: ignore[override]
        """Return for each made image the probability that its own is among the best."""
        return self._table(seen, made).diagonal().copy()

    def null(  # type: ignore[override]
        self, seen: Latents, made: Latents, rng: np.random.Generator
    ) -> np.ndarray:
        """Return mean scores of shuffled pairs."""
        return permuted_means(self._table(seen, made), self.permutations, rng)

    def _table(self, seen: Latents, made: Latents) -> np.ndarray:
        return retrieval_table(correlation_table(*_pair(seen, made)), self.top, self.among)


class LatentDistance(Metric):
    """1 minus the Pearson correlation of the features of a pair; lower is better."""

    compares = "latents"
    higher_is_better = False
    bounds = (0.0, 2.0)
    permutations = 9999

    def compare(self, seen: Latents, made: Latents) -> np.ndarray:  # type: ignore[override]
        """Return one distance for each pair."""
        return correlation_distance(*_pair(seen, made))

    def null(  # type: ignore[override]
        self, seen: Latents, made: Latents, rng: np.random.Generator
    ) -> np.ndarray:
        """Return mean distances of shuffled pairs."""
        table = 1.0 - correlation_table(*_pair(seen, made))
        return permuted_means(table, self.permutations, rng)


def _pair(seen: Latents, made: Latents) -> tuple[np.ndarray, np.ndarray]:
    if seen.ids != made.ids:
        raise DataError(
            f"scores: the features of {len(seen.ids)} seen and {len(made.ids)} made images do "
            "not belong to the same ids."
        )
    return seen.values, made.values
