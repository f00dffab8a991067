"""The squared error of training rows that are predicted from the others, for every penalty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from neurodiffuse.decoders.algebra import Multiply
from neurodiffuse.decoders.ridge.folds import Fold, batches, folds
from neurodiffuse.decoders.ridge.spectrum import Spectrum

Error = Callable[[np.ndarray], np.ndarray]
"""Takes centred targets (n, k), returns summed squared errors float64 (n_alphas, k)."""

NOTHING = 1e-6
"""1 - leverage below which a row cannot be left out: nothing else says anything about it."""

TOGETHER = 4096
"""Rows that are gathered at a time to be left out in groups."""

STRETCH = 1024
"""Directions of the betas that are summed at a time in float64."""


def left_out_error(
    spectrum: Spectrum,
    alphas: np.ndarray,
    method: str,
    leave_out: np.ndarray | None,
    images: np.ndarray | None = None,
) -> Error:
    """Return the error function of ``gcv`` or ``loo``; infinite where alpha is too small for it.

    ``leave_out`` and ``images`` are those of `neurodiffuse.decoders.ridge.folds.folds`.

    Notes
    -----
    With M = I - H, the intercept's 1/n included in H, and residuals r = M y, a row's left-out
    error is r_i / M_ii, that of rows G left out together (M_GG)^-1 r_G, and GCV's r_i / (tr M / n).
    """
    left, algebra = spectrum.left(), spectrum.gram.algebra
    labels = np.arange(len(left)) if leave_out is None else np.asarray(leave_out)
    found = [] if method == "gcv" else folds(labels, images)
    if any(len(fold.out) > 1 for fold in found):
        return _together(spectrum, alphas, left, algebra.multiplier(left), found)
    own = None if method == "gcv" else _own(spectrum, alphas, left)
    if spectrum.gram.dual:
        # eigenvectors that had to be float64 were so for small eigenvalues' sake: sums of products
        # with them, in which nothing cancels, need no more than the targets have
        left = left.astype(spectrum.dtype, copy=False)
    times = algebra.multiplier(left)
    if own is None:
        return _gcv(spectrum, alphas, left, times)
    return _one_by_one(spectrum, alphas, own, left.dtype, times)


def _gcv(spectrum: Spectrum, alphas: np.ndarray, left: np.ndarray, times: Multiply) -> Error:
    n = len(left)
    lost = 1.0 - spectrum.kept(alphas)
    share = spectrum.freedom(alphas) / n
    gain, blind = 1.0 / np.maximum(share, NOTHING) ** 2, share <= NOTHING
    weight = (lost**2).astype(left.dtype)

    def error(targets: np.ndarray) -> np.ndarray:
        scores = times(targets.astype(left.dtype, copy=False), True)
        scores *= scores
        residual = (weight @ scores).astype(np.float64)
        if not spectrum.gram.dual:  # what no voxel can explain
            total = np.einsum("ij,ij->j", targets, targets, dtype=np.float64)
            residual += np.maximum(total - scores.sum(axis=0, dtype=np.float64), 0.0)
        return np.where(blind[:, None], np.inf, residual * gain[:, None])

    return error


def _one_by_one(
    spectrum: Spectrum, alphas: np.ndarray, own: np.ndarray, dtype: np.dtype[Any], times: Multiply
) -> Error:
    gain, blind = 1.0 / np.maximum(own, NOTHING), own.min(axis=1) <= NOTHING

    def error(targets: np.ndarray) -> np.ndarray:
        targets = targets.astype(dtype, copy=False)
        out = np.full((len(alphas), targets.shape[1]), np.inf)
        scores, rest = _parts(spectrum, times, targets)
        for k, lost in enumerate(1.0 - spectrum.kept(alphas)):
            if not blind[k]:
                residual = times(lost.astype(dtype)[:, None] * scores, False) + rest
                residual *= gain[k].astype(dtype)[:, None]
                out[k] = np.einsum("ij,ij->j", residual, residual)
        return out

    return error


def _own(spectrum: Spectrum, alphas: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Return M_ii, 1 less a row's leverage, float64 (n_alphas, n)."""
    n = len(left)
    out = np.empty((len(alphas), n))
    for start in range(0, n, TOGETHER):
        rows = slice(start, start + TOGETHER)
        square = left[rows].astype(np.float64) ** 2
        kept = spectrum.kept(alphas)
        out[:, rows] = (1.0 - kept) @ square.T if spectrum.gram.dual else 1.0 - kept @ square.T
    return np.asarray(out - spectrum.ones_left(alphas)[:, None] / n)


def _together(
    spectrum: Spectrum, alphas: np.ndarray, left: np.ndarray, times: Multiply, found: list[Fold]
) -> Error:
    parts = list(batches(found, TOGETHER))
    lost, ones = 1.0 - spectrum.kept(alphas), spectrum.ones_left(alphas) / len(left)

    def error(targets: np.ndarray) -> np.ndarray:
        targets = targets.astype(left.dtype, copy=False)
        out = np.zeros((len(alphas), targets.shape[1]))
        scores, rest = _parts(spectrum, times, targets)
        for k, shrunk in enumerate(lost):
            weighted = shrunk.astype(left.dtype)[:, None] * scores
            for rows, counted in parts:
                part = left[rows.ravel()]
                residual = part @ weighted
                if isinstance(rest, np.ndarray):
                    residual += rest[rows.ravel()]
                matrix = _own_matrices(spectrum, part.reshape(*rows.shape, -1), shrunk) - ones[k]
                if np.einsum("gii->gi", matrix).min() <= NOTHING:
                    out[k] = np.inf
                    break
                shape = (*rows.shape, targets.shape[1])
                solved = np.linalg.solve(matrix, residual.reshape(shape).astype(np.float64))
                asked = solved[counted]
                out[k] += np.einsum("ij,ij->j", asked, asked)
        return out

    return error


def _own_matrices(spectrum: Spectrum, part: np.ndarray, shrunk: np.ndarray) -> np.ndarray:
    """Return M_GG but for the vector of ones, float64 (groups, size, size)."""
    folds_, size, k = part.shape
    gains = shrunk if spectrum.gram.dual else 1.0 - shrunk
    total = np.zeros((folds_, size, size))
    for start in range(0, k, STRETCH):
        double = part[:, :, start : start + STRETCH].astype(np.float64)
        total += double * gains[start : start + STRETCH] @ double.transpose(0, 2, 1)
    return total if spectrum.gram.dual else np.eye(size) - total


def _parts(
    spectrum: Spectrum, times: Multiply, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray | float]:
    """Return U' y (k, n_targets), and what no voxel can explain: y - U U' y."""
    scores = times(targets, True)
    return scores, 0.0 if spectrum.gram.dual else targets - times(scores, False)
