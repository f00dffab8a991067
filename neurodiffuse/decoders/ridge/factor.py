"""Solve ridge once per alpha: hat matrices, leave-one-out rows and weights from one factor.

With centred betas Xc (n, p), targets Y (n, t) and penalty α the ridge estimate is::

    W = Xc' (Xc Xc' + αI)^-1 (Y - mean)  =  (Xc' Xc + αI)^-1 Xc' (Y - mean)      (p, t)
    prediction of x = (x - mean_x) W + mean

Hastie, Tibshirani & Friedman 2009, The Elements of Statistical Learning, §3.4.1 and §18.3.5.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.linalg import lapack

from neurodiffuse.decoders.algebra import Multiply
from neurodiffuse.decoders.ridge.gram import Gram, gram, stretches
from neurodiffuse.errors import ConfigError, DataError

CONDITION = {"f": 2e-3, "d": 1e-11}
"""Least reciprocal condition at which a Cholesky factor is trusted, by type.

LAPACK estimates it in the 1-norm; times the root of the matrix's size it is about that of the
2-norm. At the float32 limit predictions are within some 3e-5 of their standard deviation.
"""

LARGEST = 1e30
"""Alpha above which float32 might overflow."""


@dataclass(frozen=True, eq=False)
class Factor:
    """A solved penalty: what `hat`, `leave_out_hat` and `weight_map` need.

    Exactly one of ``triangle`` (lower Cholesky factor, Fortran order) and ``spectrum``
    (eigenvalues of the lifted Gram matrix, 0 where the betas span nothing, and eigenvectors) is
    set. ``dtype`` is the type of the results, which the factor may exceed in precision.
    """

    gram: Gram
    alpha: float
    dtype: np.dtype[Any]
    triangle: np.ndarray | None = None
    spectrum: tuple[np.ndarray, np.ndarray] | None = None

    def solve(self, rows: np.ndarray) -> np.ndarray:
        """Return ``rows`` (m, k) times the inverse of (Gram + αI), along what the betas span."""
        rows = np.ascontiguousarray(rows, self.gram.dtype)
        if self.triangle is not None:
            return self.gram.algebra.solve(self.triangle, rows)
        times = self._times()
        return self._back(times, times(rows.T, True))

    def inverse_rows(self, which: np.ndarray) -> np.ndarray:
        """Return rows ``which`` (m,) of the inverse of (Gram + αI), (m, k).

        Directions that the training betas do not span are kept: their inverse is 1/α.
        """
        if self.triangle is not None:
            one = np.zeros((len(which), len(self.triangle)), self.gram.dtype)
            one[np.arange(len(which)), which] = 1.0
            return self.gram.algebra.solve(self.triangle, one)
        assert self.spectrum is not None
        return self._back(self._times(), self.spectrum[1][which].T, null=True)

    def _times(self) -> Multiply:
        assert self.spectrum is not None
        return self.gram.algebra.multiplier(self.spectrum[1])

    def _back(self, times: Multiply, scores: np.ndarray, *, null: bool = False) -> np.ndarray:
        """Return V (Λ + αI)^-1 times coordinates (k, m) along the eigenvectors, (m, k)."""
        assert self.spectrum is not None
        values = self.spectrum[0]
        inverse = 1.0 / (values + values.dtype.type(self.alpha))
        if not null:
            inverse[values == 0.0] = 0.0
        return np.asarray(times(inverse[:, None] * scores, False).T)


def factorise(gram_: Gram, alpha: float, *, last: bool = False) -> Factor:
    """Solve the ridge problem of a Gram matrix for one penalty.

    Parameters
    ----------
    gram_
        Of `gram`.
    alpha
        The penalty.
    last
        Whether the Gram matrix will not be used again, so that the factor may take its memory.

    Raises
    ------
    ConfigError
        If alpha is not a finite number above 0.

    Notes
    -----
    When the matrix is not positive definite, or too ill-conditioned for the 1e-4 we promise, it
    is formed again in float64; when that does not do either, its eigenvectors are taken.
    """
    alpha = check_alpha(alpha)
    wanted = gram_.dtype
    if wanted.char == "f":
        triangle = _cholesky(gram_, alpha, last=last) if alpha < LARGEST else None
        if triangle is not None:
            return Factor(replace(gram_, matrix=None) if last else gram_, alpha, wanted, triangle)
        gram_ = gram(gram_.x, dtype=np.float64, algebra=gram_.algebra)
    triangle = _cholesky(gram_, alpha)
    if triangle is not None:
        return Factor(gram_, alpha, wanted, triangle)
    return Factor(gram_, alpha, wanted, spectrum=eigenvectors(gram_))


def eigenvectors(gram_: Gram) -> tuple[np.ndarray, np.ndarray]:
    """Return eigenvalues (k,), ascending, and eigenvectors (k, k) of the lifted Gram matrix.

    Eigenvalues that are rounding are 0.
    """
    assert gram_.matrix is not None
    matrix = np.add(gram_.matrix, gram_.dtype.type(gram_.lift), order="F")
    values, vectors = gram_.algebra.eigenvectors(matrix)
    rounding = np.finfo(values.dtype).eps * (len(values) if values.dtype.char == "d" else 4.0)
    return np.where(values > rounding * values.max(initial=0.0), values, 0.0), vectors


def check_alpha(alpha: float) -> float:
    """Return alpha as a float, or raise ConfigError when it is not a finite number above 0."""
    try:
        value = float(alpha) if not isinstance(alpha, bool | str) else math.nan
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"alpha: the ridge penalty must be a number above 0; {alpha!r} is not.")
    return value


def hat(factor: Factor, cross: np.ndarray) -> np.ndarray:
    """Return the hat matrix S (m, n): predictions are ``S @ (Y - mean) + mean``.

    Parameters
    ----------
    factor
        Of `factorise`.
    cross
        Of ``cross_gram(factor.gram, x_new)``: test images, single trials and ROI patterns are
        all rows of ``x_new``. Factors of the same Gram matrix share it; a factor that needed
        more precision has a Gram matrix of its own.

    Raises
    ------
    DataError
        If ``cross`` belongs to a Gram matrix of less precision.

    Notes
    -----
    S = K_new (K + αI)^-1 (dual) or X_new (Xc'Xc + αI)^-1 Xc' (primal), where K_new is X_new Xc'
    and X_new is less the training mean. The rows of S sum to 0.
    """
    return _hat(factor, factor.solve(_checked(factor, cross)))


def hats(factors: Sequence[Factor], cross: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return `hat` of each of several penalties of one `Spectrum`, which share a product.

    Raises
    ------
    DataError
        If ``cross`` belongs to a Gram matrix of less precision.
    """
    first = factors[0]
    times = first._times()
    scores = times(_checked(first, cross).T, True)
    return tuple(_hat(factor, factor._back(times, scores)) for factor in factors)


def _checked(factor: Factor, cross: np.ndarray) -> np.ndarray:
    if cross.dtype != factor.gram.dtype:
        raise DataError(
            f"ridge: alpha {factor.alpha:g} needed {factor.gram.dtype} and the new betas' inner "
            f"products are {cross.dtype}. Form them with cross_gram(factor.gram, x_new)."
        )
    return cross


def _hat(factor: Factor, solution: np.ndarray) -> np.ndarray:
    """Return the hat matrix of ``solution``, new betas' products times the inverse."""
    if factor.gram.dual:
        return np.ascontiguousarray(solution, factor.dtype)
    n, p = factor.gram.x.shape
    out = np.empty((len(solution), n), factor.dtype)
    times = factor.gram.algebra.multiplier(solution)
    for part in stretches(n, p, dual=False):
        out[:, part[0]] = times(factor.gram.centred(part).T, False)
    return out


def _cholesky(gram_: Gram, alpha: float, *, last: bool = False) -> np.ndarray | None:
    """Return the lower factor of Gram + lift + αI, or None where it cannot be trusted."""
    dtype = gram_.dtype
    assert gram_.matrix is not None
    room = gram_.matrix if last else np.empty_like(gram_.matrix)
    matrix = np.add(gram_.matrix, dtype.type(gram_.lift), out=room)
    matrix.ravel(order="K")[:: len(matrix) + 1] += dtype.type(alpha)
    lange, pocon = lapack.get_lapack_funcs(("lange", "pocon"), dtype=dtype)
    norm = lange("1", matrix)
    triangle = gram_.algebra.cholesky(matrix)
    if triangle is None:
        return None
    reciprocal, info = pocon(triangle, norm, uplo="L")
    trusted = info == 0 and reciprocal * math.sqrt(len(matrix)) >= CONDITION[dtype.char]
    return triangle if trusted else None
