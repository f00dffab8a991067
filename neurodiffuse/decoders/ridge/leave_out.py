"""Predict training rows from the others without refitting."""

from __future__ import annotations

import numpy as np

from neurodiffuse.decoders.ridge.factor import Factor, factorise, hat
from neurodiffuse.decoders.ridge.folds import folds, whole_folds
from neurodiffuse.decoders.ridge.gram import cross_gram, gram
from neurodiffuse.errors import DataError

CANCELLED = 1e-9
"""1 - h below which nothing is left of it in the primal form, where it is a difference."""


def held_out_rows(
    n: int,
    most: int = 1000,
    groups: np.ndarray | None = None,
    images: np.ndarray | None = None,
) -> np.ndarray:
    """Return at most ``most`` of n row numbers, evenly spaced.

    With ``groups`` (and ``images``), as `leave_out_hat` takes them, these are the rows of evenly
    spaced whole groups, ascending, or some of a single larger one: predicting a row costs as much
    as predicting all that are left out with it.
    """
    if groups is not None:
        chosen = whole_folds(folds(groups, images), most)
        rows = np.sort(np.concatenate([fold.rows for fold in chosen]))
        return np.asarray(rows[held_out_rows(len(rows), most)])
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))


def leave_out_hat(
    factor: Factor,
    rows: np.ndarray,
    groups: np.ndarray | None = None,
    images: np.ndarray | None = None,
) -> np.ndarray:
    """Return rows L (r, n) that predict training rows from all the others, exactly.

    Predictions are ``L @ (Y - mean) + mean`` with the mean over all training rows. L is 0 on
    the rows left out, so they play no part in their own prediction.

    Parameters
    ----------
    factor
        Of `factorise`, on all training rows.
    rows
        Numbers (r,) of the training rows to predict.
    groups
        One label for each of the n training rows (the image of a single trial): all rows of
        the same group are left out together. Without it each row is left out alone.
    images
        The image of each training row, where groups are wider than images and one image is in
        several: its other rows are left out too.

    Raises
    ------
    DataError
        If nothing remains to learn from, or alpha is so small that a row's own weight is 1.

    Notes
    -----
    With M = I - H, H the hat matrix of the training rows including the unpenalised intercept
    (1/n in every entry), and G the rows left out: L_G = I_G - (M_GG)^-1 M_G. For a single row
    these are the leave-one-out residuals y_i - ŷ_i over 1 - h_ii (ESL §7.10).
    """
    n = len(factor.gram.x)
    rows = np.asarray(rows, np.intp)
    labels = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    if len(labels) != n:
        raise DataError(f"ridge: {len(labels)} groups for {n} training rows.")
    out = np.zeros((len(rows), n), factor.dtype)
    asked = set(labels[rows].tolist())
    wanted = [fold for fold in folds(labels, images) if labels[fold.rows[0]] in asked]
    residual = _residual_rows(factor, np.concatenate([*(fold.out for fold in wanted), rows[:0]]))
    start = 0
    for fold in wanted:
        member = fold.out
        part = residual[start : start + len(member)]
        start += len(member)
        at = np.flatnonzero(labels[rows] == labels[fold.rows[0]])
        inside = np.searchsorted(member, rows[at])
        out[at] = -_inverse(part[:, member], factor)[inside] @ part
        out[np.ix_(at, member)] = 0.0
    return out


def _residual_rows(factor: Factor, rows: np.ndarray) -> np.ndarray:
    """Return rows of M = I - H (len(rows), n), the intercept included in H."""
    gram_, n = factor.gram, len(factor.gram.x)
    if gram_.dual:
        # I - K (K + αI)^-1 = α (K + αI)^-1, less the vector of ones, which was lifted
        lifted = factor.alpha / (n * (factor.alpha + n * gram_.lift))
        return factor.alpha * factor.inverse_rows(rows) - gram_.dtype.type(lifted)
    double = factor if gram_.dtype.char == "d" else _in_float64(factor)
    out = -np.asarray(hat(double, cross_gram(double.gram, gram_.x[rows])), np.float64) - 1.0 / n
    out[np.arange(len(rows)), rows] += 1.0
    return out


def _in_float64(factor: Factor) -> Factor:
    """Return the factor in float64: 1 - h loses what float32 has where leverages are high."""
    return factorise(
        gram(factor.gram.x, dtype=np.float64, algebra=factor.gram.algebra), factor.alpha
    )


def _inverse(matrix: np.ndarray, factor: Factor) -> np.ndarray:
    matrix = np.asarray(matrix, np.float64)
    least = 0.0 if factor.gram.dual else CANCELLED
    if not (matrix.diagonal() > least).all():
        raise DataError(
            f"ridge: alpha {factor.alpha:g} is too small to leave rows out, since a row's own "
            "weight in its prediction is 1. Choose a larger alpha."
        )
    return np.linalg.inv(matrix)
