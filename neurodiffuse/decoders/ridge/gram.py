"""The Gram matrix of the training betas: one for every feature and every alpha."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoders.columns import column_mean
from neurodiffuse.errors import DataError
from neurodiffuse.overlap import ahead
from neurodiffuse.reading import release_pages

CHUNK = 1024
"""Columns (dual) or rows (primal) of the betas that are centred at a time."""


@dataclass(frozen=True, eq=False)
class Gram:
    """Inner products of the centred training betas.

    ``x`` (n, p) are the betas as they were given, possibly mapped from disk; ``mean`` float64
    (p,) is their own mean. ``matrix`` is Xc Xc' (n, n) when there are no more rows than voxels
    (``dual``), else Xc' Xc (p, p); symmetric, Fortran order. What was solved already does not
    need it: a map that was stored and opened again has None.

    ``lift`` is a constant that solutions add to every entry of a dual matrix. The rows of a
    centred X sum to 0, so the vector of ones is in the matrix's null space and every solution is
    blind to it. Giving it the mean eigenvalue changes no prediction, but spares the factor an
    eigenvalue as small as alpha.

    ``algebra`` is what formed it, and what its factors are computed and applied with.
    """

    x: np.ndarray
    mean: np.ndarray
    matrix: np.ndarray | None
    dtype: np.dtype[Any]
    lift: float
    algebra: Algebra = BLAS

    @property
    def dual(self) -> bool:
        """Whether the matrix is between rows (images) and not between columns (voxels)."""
        return self.x.shape[0] <= self.x.shape[1]

    def centred(self, part: tuple[slice, slice]) -> np.ndarray:
        """Return a part (rows, columns) of the training betas less the mean, C order."""
        return self.centre(self.x, part)

    def centre(self, x: np.ndarray, part: tuple[slice, slice]) -> np.ndarray:
        """Return a part (rows, columns) of any betas less the training mean, C order."""
        values = x[part]
        out = np.empty(values.shape, self.dtype)
        # subtracted in float64 and rounded once, without a float64 copy of it all
        return np.subtract(values, self.mean[part[1]], out=out, casting="same_kind")


def gram(x: np.ndarray, *, dtype: Any = np.float32, algebra: Algebra = BLAS) -> Gram:
    """Return the Gram matrix of the betas ``x`` (n, p), centred by their own mean.

    Parameters
    ----------
    x
        Any real type; may be mapped from disk, since it is read in stretches.
    dtype
        float32 is enough unless alpha is tiny (`factorise` sees to that by itself).
    algebra
        What computes, here and wherever the matrix is used.

    Raises
    ------
    DataError
        If ``x`` has no row or no column, or a value that is not finite.

    Notes
    -----
    A centred X makes the intercept exact: it is the mean of the targets, unpenalised. The sum
    runs over stretches of columns (rows).
    """
    if x.ndim != 2 or 0 in x.shape:
        raise DataError(f"ridge: betas of shape {x.shape}; they need (images, voxels), none empty.")
    n, p = x.shape
    size = min(n, p)
    mean = column_mean(x)
    if not np.isfinite(mean).all():
        raise DataError(f"ridge: betas of {(~np.isfinite(mean)).sum()} voxels are NaN or infinite.")
    out = Gram(x, mean, None, np.dtype(dtype), 0.0, algebra)
    parts = (out.centred(part) for part in stretches(n, p, dual=out.dual))
    matrix = algebra.gram(ahead(parts), size, out.dtype, dual=out.dual)
    _mirror(matrix)
    release_pages(x)
    lift = float(np.trace(matrix, dtype=np.float64)) / n**2 if out.dual else 0.0
    return replace(out, matrix=matrix, lift=lift)


def cross_gram(gram: Gram, x_new: np.ndarray) -> np.ndarray:
    """Return what `hat` needs of new betas ``x_new`` (m, p), whatever alpha is.

    Inner products with the training betas, (x_new - mean) Xc' (m, n), or in the primal form
    just x_new - mean (m, p).

    Raises
    ------
    DataError
        If the number of voxels is not that of the training betas.
    """
    n, p = gram.x.shape
    if x_new.ndim != 2 or x_new.shape[1] != p:
        raise DataError(f"ridge: new betas of shape {x_new.shape}; they need (rows, {p}) voxels.")
    everything = slice(None)
    new = gram.centre(x_new, (everything, everything))
    if not gram.dual:
        return new
    out = np.empty((len(new), n), gram.dtype)
    times = gram.algebra.multiplier(new)
    size = max(CHUNK * n // p, 1)  # rows of which there are as many values as in `stretches`
    rows = (slice(start, start + size) for start in range(0, n, size))
    for part, trained in ahead((part, gram.centred((part, everything))) for part in rows):
        out[:, part] = times(trained.T, False)
    release_pages(gram.x)
    return out


def stretches(n: int, p: int, *, dual: bool) -> list[tuple[slice, slice]]:
    """Return (rows, columns) of each stretch of (n, p): columns (dual) or rows (primal)."""
    everything = slice(None)
    if dual:
        return [(everything, slice(s, min(s + CHUNK, p))) for s in range(0, p, CHUNK)]
    return [(slice(s, min(s + CHUNK, n)), everything) for s in range(0, n, CHUNK)]


def _mirror(matrix: np.ndarray) -> None:
    """Copy the lower triangle onto the upper one, square by square to stay in the cache."""
    size = len(matrix)
    for start in range(0, size, CHUNK):
        stop = min(start + CHUNK, size)
        corner = matrix[start:stop, start:stop]
        corner[:] = np.tril(corner) + np.tril(corner, -1).T
        matrix[start:stop, stop:] = matrix[stop:, start:stop].T
