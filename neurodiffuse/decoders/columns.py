"""Mean and standard deviation of columns, and standardising with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import DataError

ROWS = 1024
"""Rows that are converted to float64 at a time."""

FEW = 64
"""Rows of a block of targets on which float64 arithmetic stays in a processor's cache."""

CONSTANT = 1e-6
"""A column whose standard deviation is below this part of its mean counts as constant.

It is a few roundings of float32: what varies less is the rounding itself.
"""


@dataclass(frozen=True, eq=False)
class Columns:
    """Statistics of columns: ``mean`` and ``sd`` float64 (p,), ``constant`` bool (p,).

    ``sd`` is 0 where the column is constant.
    """

    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray


def column_stats(x: np.ndarray, *, ddof: int = 1) -> Columns:
    """Return mean and standard deviation of each column of ``x`` (n, p), summed in float64.

    The array is read twice in stretches of rows, so it may be mapped from disk. A single row
    has no deviation: all its columns are constant.

    Raises
    ------
    DataError
        If ``x`` is not two-dimensional or has no row.
    """
    if x.ndim != 2 or not len(x):
        raise DataError(
            f"column_stats: x has the shape {x.shape}; it needs (rows, columns), one row at least."
        )
    n, mean = len(x), column_mean(x)
    square = sum(((part - mean) ** 2).sum(axis=0) for part in _stretches(x))
    sd = np.sqrt(square / max(n - ddof, 1))
    constant = sd <= CONSTANT * np.abs(mean)
    return Columns(mean, np.where(constant, 0.0, sd), constant)


def column_mean(x: np.ndarray) -> np.ndarray:
    """Return the mean of each column, float64 (p,)."""
    return np.asarray(sum(part.sum(axis=0) for part in _stretches(x)) / len(x))


def few_rows(n: int) -> list[slice]:
    """Return the rows of a block of targets, few at a time."""
    return [slice(start, start + FEW) for start in range(0, n, FEW)]


def gathered(rows: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the sums over rows of rows - origin and of its squares, float64, in one pass.

    Differences and a few of them are summed in the type of the rows, which costs no precision
    that they have as long as the origin is one of them or as near.
    """
    total, square = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for part in few_rows(len(rows)):
        gap = rows[part] - origin
        total += gap.sum(axis=0)
        square += np.einsum("ij,ij->j", gap, gap)
    return total, square


def standardise(x: np.ndarray, columns: Columns) -> np.ndarray:
    """Return ``(x - mean) / sd`` as float32; constant columns become 0, never NaN."""
    scale = np.where(columns.constant, 0.0, 1.0 / np.where(columns.constant, 1.0, columns.sd))
    out = np.empty(x.shape, np.float32)
    for start in range(0, len(x), ROWS):
        out[start : start + ROWS] = (x[start : start + ROWS] - columns.mean) * scale
    return out


def r_squared(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the coefficient of determination of each target, float64 (t,).

    1 - Σ(true - predicted)² / Σ(true - mean)², as `sklearn.metrics.r2_score`: a target without
    variance among the true values gives 1 when it is predicted exactly, else 0, never NaN.
    """
    if true.shape != predicted.shape or not len(true):
        raise DataError(f"r_squared: {true.shape} true values, {predicted.shape} predicted ones.")
    residual = np.zeros(true.shape[1])
    for part in few_rows(len(true)):
        gap = true[part] - predicted[part]
        residual += np.einsum("ij,ij->j", gap, gap)
    shift, square = gathered(true, true[0])
    total = np.maximum(square - shift**2 / len(true), 0.0)
    share = np.divide(residual, total, out=np.ones_like(total), where=total > 0)
    return np.where((total == 0) & (residual == 0), 1.0, 1.0 - share)


def _stretches(x: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(x), ROWS):
        yield np.asarray(x[start : start + ROWS], np.float64)
