"""One eigendecomposition for every alpha: what choosing a penalty rests on.

With Xc = U √Λ V', the hat matrix of the training rows is U diag(λ / (λ + α)) U' + 1/n, so that any
number of penalties costs little more than one (ESL §3.4.1, §7.10).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodiffuse.decoders.ridge.factor import Factor, check_alpha, eigenvectors
from neurodiffuse.decoders.ridge.gram import Gram, gram, stretches

PREDICTS = 5e-4
"""Least alpha over the largest eigenvalue for which float32 eigenvectors predict well.

There predictions are within some 4e-4 of their standard deviation, far below what choosing alpha
leaves open; at 2e-3 within 1e-4.
"""

RANKS = 1e-5
"""Least alpha over the largest eigenvalue for which float32 eigenvectors rank penalties.

There the generalised cross-validation error is within some 0.2 % of the exact one.
"""

SMALL = 1500
"""Size up to which float64 costs no time that anyone would notice."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Eigenvalues (k,), ascending, and eigenvectors (k, k) of a lifted Gram matrix.

    ``dtype`` is the type of results, which the eigenvectors may exceed in precision.
    """

    gram: Gram
    values: np.ndarray
    vectors: np.ndarray
    dtype: np.dtype[Any]

    def factor(self, alpha: float) -> Factor:
        """Return the factor of one penalty, at no cost."""
        spectrum = (self.values, self.vectors)
        return Factor(self.gram, check_alpha(alpha), self.dtype, spectrum=spectrum)

    def left(self) -> np.ndarray:
        """Return U (n, k), left singular vectors of the centred betas; 0 where they have none."""
        if self.gram.dual:
            return self.vectors
        (n, p), root = self.gram.x.shape, np.sqrt(self.values)
        scaled = self.vectors * np.divide(1.0, root, out=np.zeros_like(root), where=root > 0)
        parts, turn = stretches(n, p, dual=False), self.gram.algebra.multiplier
        return np.concatenate([turn(self.gram.centred(part))(scaled, False) for part in parts])

    def kept(self, alphas: np.ndarray) -> np.ndarray:
        """Return λ / (λ + α), float64 (n_alphas, k)."""
        values = self.values.astype(np.float64)
        return values / (values + alphas[:, None])

    def ones_left(self, alphas: np.ndarray) -> np.ndarray:
        """Return what the lift leaves of the vector of ones, to be taken off, (n_alphas,)."""
        if not self.gram.dual:
            return np.ones(len(alphas))
        return alphas / (alphas + len(self.gram.x) * self.gram.lift)

    def freedom(self, alphas: np.ndarray) -> np.ndarray:
        """Return n less the degrees of freedom, the intercept's included, float64 (n_alphas,)."""
        lost = (1.0 - self.kept(alphas)).sum(axis=1) - self.ones_left(alphas)
        n, p = self.gram.x.shape
        return np.asarray(lost if self.gram.dual else lost + n - p)


def decompose(gram_: Gram, smallest: float, *, predict: bool = False) -> Spectrum:
    """Return the spectrum of a Gram matrix, precise enough for penalties from ``smallest`` up.

    Parameters
    ----------
    gram_
        Of `gram`.
    smallest
        The smallest penalty that will be used.
    predict
        Whether predictions will be made with it, and not only penalties ranked.

    Notes
    -----
    A float32 matrix is decomposed in float32 first, half the time of float64, and again in
    float64 when the penalty is too small a part of the largest eigenvalue.
    """
    wanted = gram_.dtype
    if wanted.char == "f" and len(_matrix(gram_)) > SMALL:
        values, vectors = eigenvectors(gram_)
        if smallest >= (PREDICTS if predict else RANKS) * values[-1]:
            return Spectrum(gram_, values, vectors, wanted)
        del vectors
    if wanted.char == "f":
        gram_ = gram(gram_.x, dtype=np.float64, algebra=gram_.algebra)
    return Spectrum(gram_, *eigenvectors(gram_), wanted)


def predicts(spectrum: Spectrum, smallest: float) -> bool:
    """Return whether a spectrum is precise enough to predict with this penalty."""
    double = spectrum.gram.dtype.char == "d"
    return double or bool(smallest >= PREDICTS * spectrum.values[-1])


def default_alphas(gram_: Gram) -> np.ndarray:
    """Return 25 penalties from 0.01 to 10,000 times the mean eigenvalue, evenly in logarithms.

    The eigenvalues are those of Xc Xc', so that the grid fits whatever the number of images and
    voxels. Betas that do not vary have no eigenvalues: the mean is then taken as 1.
    """
    n, _ = gram_.x.shape
    mean = float(np.trace(_matrix(gram_), dtype=np.float64)) / n
    return (mean if mean > 0 else 1.0) * np.logspace(-2, 4, 25)


def _matrix(gram_: Gram) -> np.ndarray:
    assert gram_.matrix is not None
    return gram_.matrix
