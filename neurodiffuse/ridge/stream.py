"""Predict targets block by block: the targets are read once and never all in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.linalg import blas

from neurodiffuse.errors import DataError
from neurodiffuse.ridge.columns import CONSTANT

ROWS = 1024
"""Training rows that are multiplied at a time."""

Blocks = Iterable[tuple[slice, np.ndarray]]
"""``(columns, targets (n, width))`` for each block of target columns, any real type."""


@dataclass(frozen=True, eq=False)
class Hats:
    """Hat matrices of several penalties, and which of them predicts each target.

    ``matrices`` are (m, n) each; ``choice`` intp (t,) are indices into them.
    """

    matrices: tuple[np.ndarray, ...]
    choice: np.ndarray


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of one block of targets.

    ``deviation`` (m, width) is prediction less ``mean``, kept apart because float32 could not
    hold a small one on top of a large mean; ``mean`` and ``sd`` (ddof 0) are those of the
    training targets, float64 (width,); ``constant`` bool (width,) marks targets without
    variance, predicted by their mean exactly.
    """

    columns: slice
    deviation: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray

    @cached_property
    def values(self) -> np.ndarray:
        """The predictions (m, width)."""
        return (self.deviation + self.mean).astype(self.deviation.dtype, copy=False)

    def first(self, rows: int) -> Predicted:
        """Return the first rows alone."""
        return replace(self, deviation=self.deviation[:rows])


def above(rows: np.ndarray | Hats, others: np.ndarray | Hats) -> np.ndarray | Hats:
    """Return rows and, below them, others that predict the same targets."""
    if isinstance(rows, Hats) and isinstance(others, Hats):
        pairs = zip(rows.matrices, others.matrices, strict=True)
        return Hats(tuple(np.vstack(pair) for pair in pairs), rows.choice)
    if isinstance(rows, Hats) or isinstance(others, Hats):
        raise DataError("ridge: rows of one penalty do not fit those of several.")
    return np.vstack([rows, others])


def predict_blocks(hat: np.ndarray | Hats, blocks: Blocks) -> Iterator[Predicted]:
    """Yield the predictions of each block of targets.

    Parameters
    ----------
    hat
        (m, n): rows of `hat` and `leave_out_hat`, stacked as one likes; each predicts with one
        row of the result, ``hat @ (Y - mean) + mean``. Targets of different penalties: `Hats`.
    blocks
        The training targets; float16 is multiplied as float32.

    Raises
    ------
    DataError
        If a block has not n rows.
    """
    for columns, targets in blocks:
        if isinstance(hat, Hats):
            deviation, mean, sd, constant = _multiply_each(hat, columns, targets)
        else:
            deviation, mean, sd, constant = multiply(hat, targets)
        deviation[:, constant] = 0.0
        yield Predicted(columns, deviation, mean, sd, constant)


def r_squared(true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Return the coefficient of determination of each target, float64 (t,).

    1 - Σ(true - predicted)² / Σ(true - mean)², as `sklearn.metrics.r2_score`: a target without
    variance among the true values gives 1 when it is predicted exactly, else 0, never NaN.
    """
    if true.shape != predicted.shape or not len(true):
        raise DataError(f"r_squared: {true.shape} true values, {predicted.shape} predicted ones.")
    true = np.asarray(true, np.float64)
    residual = ((true - predicted) ** 2).sum(axis=0)
    total = ((true - true.mean(axis=0)) ** 2).sum(axis=0)
    share = np.divide(residual, total, out=np.ones_like(total), where=total > 0)
    return np.where((total == 0) & (residual == 0), 1.0, 1.0 - share)


def _multiply_each(
    hats: Hats, columns: slice, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return what `multiply` does, each target's with its own matrix."""
    choice, width = hats.choice[columns], targets.shape[1]
    first = hats.matrices[0]
    out = np.empty((len(first), width), np.result_type(first.dtype, np.float32))
    mean, sd, constant = np.empty(width), np.empty(width), np.empty(width, bool)
    for k in np.unique(choice):
        mine = np.flatnonzero(choice == k)
        out[:, mine], mean[mine], sd[mine], constant[mine] = multiply(
            hats.matrices[k], targets[:, mine]
        )
    return out, mean, sd, constant


def multiply(
    left: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return left @ (targets - mean) and the targets' mean, sd (ddof 0) and constancy.

    One pass: the targets are shifted by their first row, which costs no precision however far
    their mean is from 0, and what the shift leaves over is taken off at the end.
    """
    n, width = targets.shape
    if 0 in (*left.shape, *targets.shape):
        raise DataError(
            f"ridge: {left.shape} rows to predict with for {targets.shape} targets; none is empty."
        )
    if left.shape[1] != n:
        raise DataError(
            f"ridge: targets of {n} rows for betas of {left.shape[1]} images; they must agree."
        )
    dtype: Any = np.result_type(left.dtype, np.float32)
    first = np.asarray(targets[0], dtype)
    out = np.zeros((len(left), width), dtype)
    total, square = np.zeros(width), np.zeros(width)
    gemm = blas.get_blas_funcs("gemm", dtype=out.dtype)
    for start in range(0, n, ROWS):
        rows = slice(start, min(start + ROWS, n))
        shifted = np.subtract(targets[rows], first, dtype=dtype)
        part = np.ascontiguousarray(left[:, rows], dtype)
        # out += part @ shifted, transposed for Fortran so that nothing is copied
        out = gemm(1.0, shifted.T, part.T, beta=1.0, c=out.T, overwrite_c=1).T
        total += shifted.sum(axis=0)
        square += np.einsum("ij,ij->j", shifted, shifted)
    out -= np.outer(left.sum(axis=1, dtype=np.float64).astype(dtype), (total / n).astype(dtype))
    mean = first + total / n
    sd = np.sqrt(np.maximum(square / n - (total / n) ** 2, 0.0))
    constant = sd <= CONSTANT * np.abs(mean)
    return out, mean, np.where(constant, 0.0, sd), constant
