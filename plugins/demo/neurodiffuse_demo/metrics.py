"""Scores by a network that never guided a picture."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from neurodiffuse.metrics import TableMetric, correlation_table, identification_table
from neurodiffuse_demo.inference import inference
from neurodiffuse_demo.pictures import network_input

Measure = Literal["identification", "correlation", "category"]

MEASURES = {
    "identification": "Two-way identification",
    "correlation": "Correlation of features",
    "category": "Share of pictures whose most likely category is one that was seen",
}
"""What is measured, in words."""


class Evaluator(TableMetric):
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
        if measure not in MEASURES:
            raise ValueError(
                f"measure must be identification, correlation or category, not {measure!r}"
            )
        super().__init__()
        self.measure = measure
        self.chance = 0.5 if measure == "identification" else None
        self.share = measure != "correlation"
        self.bounds = (0.0, 1.0) if self.share else (-1.0, 1.0)
        self._network: Any = None

    def words(self) -> str:
        """Return what is measured, and by which network."""
        return f"{MEASURES[self.measure]}, network trained on drawn scenes"

    def measured(self, seen: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the value of made j if seen i were its own."""
        if self.measure == "category":
            present = self.scores(seen) > 0
            return present[:, self.scores(made).argmax(axis=1)].astype(np.float64)
        correlations = correlation_table(self.features(seen), self.features(made))
        named = self.measure == "identification"
        return identification_table(correlations) if named else correlations

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """Return how likely each category is, as log odds (n, 8), of uint8 pictures."""
        return self._each(pictures, lambda network, x: network(x))

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Return the network's last features (n, 128) of uint8 pictures."""
        return self._each(pictures, lambda network, x: network.features(x))

    def _each(self, pictures: np.ndarray, ask: Any) -> np.ndarray:

        from neurodiffuse_demo.weights import network

        self._network = self._network or network("evaluator")[0]
        with inference():
            rows = [ask(self._network, network_input(x))[0].numpy() for x in pictures]
        return np.stack(rows).astype(np.float64)
