"""Correlations of more features than fit in memory."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.metrics.correlation import norms

TIE = 1e-6
"""Correlations that differ by less may be equal but for float32's rounding."""


@dataclass(eq=False)
class RunningCorrelation:
    """`correlation_table` of features that pass by once, a block of columns at a time.

    Products are formed in float32, twice as fast, and summed in float64: correlations agree
    with `correlation_table` to about 1e-6.
    """

    products: np.ndarray | None = None
    sums: list[np.ndarray] = field(default_factory=list)
    squares: list[np.ndarray] = field(default_factory=list)
    shifts: list[np.ndarray] = field(default_factory=list)
    size: int = 0

    def add(self, seen: np.ndarray, made: np.ndarray) -> None:
        """Take in the same columns of both, (n_seen, width) and (n_made, width)."""
        pair = (seen, made)
        if self.products is None:
            # rows less their first mean: sums of squares then lose nothing to a far mean
            self.shifts = [rows.mean(axis=1, dtype=np.float64) for rows in pair]
            self.products = np.zeros((len(seen), len(made)))
            self.sums = [np.zeros(len(rows)) for rows in pair]
            self.squares = [np.zeros(len(rows)) for rows in pair]
        near = [
            # in the rows' own type: what it rounds off, the rows have lost already
            np.subtract(rows, shift[:, None].astype(rows.dtype)).astype(np.float32, copy=False)
            for rows, shift in zip(pair, self.shifts, strict=True)
        ]
        for k, rows in enumerate(near):
            self.sums[k] += rows.sum(axis=1, dtype=np.float64)
            self.squares[k] += np.einsum("ij,ij->i", rows, rows)
        self.products += near[0] @ near[1].T
        self.size += seen.shape[1]

    def table(self) -> np.ndarray:
        """Return the correlation of every seen row with every made row, float64."""
        if self.products is None:
            raise DataError("scores: there is nothing to compare.")
        means = [total / self.size for total in self.sums]
        products = self.products - self.size * np.outer(*means)
        for k, (mean, square) in enumerate(zip(means, self.squares, strict=True)):
            left = np.maximum(square - self.size * mean**2, 0.0)
            # what is left of float32 squares after their mean is taken off may be rounding
            left[left <= 1e-7 * square] = 0.0
            scale = norms(left, mean + self.shifts[k], self.size)
            products /= scale[:, None] if k == 0 else scale
        np.nan_to_num(products, copy=False, nan=0.0)
        return np.clip(products, -1.0, 1.0, out=products)
