"""Metrics that know the value of every pair: what a network's features give cheaply."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np

from neurodiffuse.metrics.identification import permuted_means
from neurodiffuse.metrics.pictures import check_pair
from neurodiffuse.types import Images, Metric


class TableMetric(Metric):
    """A metric given by its table of all pairs, from which the permutations are drawn.

    A subclass gives `measured` and calls ``super().__init__()``; each picture is looked at once
    however many permutations there are. The table of the last pair of arrays is kept.
    """

    permutations = 9999

    def __init__(self) -> None:
        self._last: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None

    @abstractmethod
    def measured(self, seen: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the value of made j if seen i were its own, float64 (n, n), of uint8 pictures."""

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return the value of each pair."""
        return self._table(seen, made).diagonal().copy()

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return the mean values of shuffled pairs."""
        return permuted_means(self._table(seen, made), self.permutations, rng)

    def _table(self, seen: Images, made: Images) -> np.ndarray:
        check_pair(seen, made)
        if not (self._last and self._last[0] is seen.values and self._last[1] is made.values):
            self._last = (seen.values, made.values, self.measured(seen.values, made.values))
        return self._last[2]
