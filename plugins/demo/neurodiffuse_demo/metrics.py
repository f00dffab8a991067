"""Scores by a network that never guided a picture."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from neurodiffuse.metrics.identification import identification_from_features
from neurodiffuse.types import Images, Metric
from neurodiffuse_demo.pictures import network_input

Measure = Literal["identification", "correlation", "category"]


class Evaluator(Metric):
    """Compare pictures by a small network that was trained apart.

    It has another architecture and saw other scenes than the networks that encode and paint, and
    it never conditions anything. It knows eight categories.

    Parameters
    ----------
    measure
        ``"identification"``: two-way identification by the correlation of its 128 features.
        ``"correlation"``: that correlation itself. ``"category"``: 1 where the most likely
        category of what was made is among those seen, else 0.
    """

    def __init__(self, measure: Measure = "identification") -> None:
        if measure not in ("identification", "correlation", "category"):
            raise ValueError(
                f"measure must be identification, correlation or category, not {measure!r}"
            )
        self.measure = measure
        self.chance = 0.5 if measure == "identification" else None
        self._network: Any = None

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return one value for each pair."""
        if self.measure == "category":
            present = self.scores(seen.values) > 0
            best = self.scores(made.values).argmax(axis=1)
            return present[np.arange(len(best)), best].astype(np.float64)
        one, two = self.features(seen.values), self.features(made.values)
        if self.measure == "identification":
            return identification_from_features(one, two)
        return _correlations(one, two)

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """Return how likely each category is, as log odds (n, 8), of uint8 pictures."""
        return self._each(pictures, lambda network, x: network(x))

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Return the network's last features (n, 128) of uint8 pictures."""
        return self._each(pictures, lambda network, x: network.features(x))

    def _each(self, pictures: np.ndarray, ask: Any) -> np.ndarray:
        import torch

        from neurodiffuse_demo.weights import network

        self._network = self._network or network("evaluator")[0]
        with torch.inference_mode():
            rows = [ask(self._network, network_input(x))[0].numpy() for x in pictures]
        return np.stack(rows).astype(np.float64)


def _correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of one with that row of two; 0 where constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (one, two))
    length = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), length, out=np.zeros(len(a)), where=length > 0)
