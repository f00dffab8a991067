"""Correlation of many features, a batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.metrics.correlation import norms

TIE = 1e-6
"""Correlations that differ by less may be equal but for single precision's rounding."""

COLUMNS = 16_384
"""Features that are multiplied at a time; the products of each are added in double precision."""


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Return rows less their mean and of length one, float32; constant rows become zero.

    Raises
    ------
    DataError
        If a feature is not finite.
    """
    rows = features.astype(np.float64)
    mean = rows.mean(axis=1)
    if not np.isfinite(mean).all():
        raise DataError(
            "scores: a network gave features that are not finite; its weights are damaged or the "
            "device computes wrongly. Try --device cpu."
        )
    rows -= mean[:, None]
    rows /= norms(np.einsum("ij,ij->i", rows, rows), mean, rows.shape[1])[:, None]
    return rows.astype(np.float32)


def table(seen: np.ndarray, made: Iterable[np.ndarray]) -> np.ndarray:
    """Return the correlation of every seen row with every made row, float64 (n_seen, n_made).

    Parameters
    ----------
    seen
        `unit_rows` of all, float32 (n_seen, d), memory-mapped if you like.
    made
        `unit_rows` in batches: no more than one is in memory beside the table.

    Notes
    -----
    Agrees with `neurodiffuse.metrics.correlation_table` to about 1e-7. Undefined correlations
    are 0.
    """
    parts = []
    for rows in made:
        part = np.zeros((len(seen), len(rows)))
        for start in range(0, seen.shape[1], COLUMNS):
            columns = slice(start, start + COLUMNS)
            part += seen[:, columns] @ rows[:, columns].T
        parts.append(part)
    return np.clip(np.concatenate(parts, axis=1), -1.0, 1.0)
