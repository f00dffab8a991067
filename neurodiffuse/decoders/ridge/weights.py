"""Weights on demand, a block of targets at a time: only maps of the brain need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoders.ridge.factor import Factor
from neurodiffuse.decoders.ridge.gram import stretches
from neurodiffuse.decoders.ridge.stream import Blocks, Multiplier


@dataclass(frozen=True, eq=False)
class WeightMap:
    """What turns targets into weights: ``W = outer @ (gain * (inner @ (Y - mean)))``.

    Of one penalty: ``outer`` P (p, n) alone. Of several: ``inner`` (k, n), ``outer`` (p, k),
    ``gains`` (n_alphas, k) and ``choice`` intp (t,), the row of ``gains`` for each target.
    ``algebra`` multiplies.
    """

    outer: np.ndarray
    inner: np.ndarray | None = None
    gains: np.ndarray | None = None
    choice: np.ndarray | None = None
    algebra: Algebra = BLAS


def weight_map(factor: Factor) -> WeightMap:
    """Return P = Xc' (K + αI)^-1 (p, n), once per alpha; it is as large as the betas."""
    n, p = factor.gram.x.shape
    out = np.empty((p, n), factor.dtype)
    for part in stretches(n, p, dual=factor.gram.dual):
        if factor.gram.dual:
            out[part[1]] = factor.solve(factor.gram.centred(part).T)
        else:
            out[:, part[0]] = factor.solve(factor.gram.centred(part)).T
    return WeightMap(out, algebra=factor.gram.algebra)


def weight_map_of_each(factors: tuple[Factor, ...], choice: np.ndarray) -> WeightMap:
    """Return what forms weights where targets have different penalties.

    Parameters
    ----------
    factors
        Of one `Spectrum`, a penalty each.
    choice
        intp (t,), the factor of each target.

    Notes
    -----
    Xc' U (Λ + αI)^-1 U' Yc in the dual form, V (Λ + αI)^-1 V' Xc' Yc in the primal one: two
    products with matrices that all penalties share.
    """
    first = factors[0]
    assert first.spectrum is not None
    values, vectors = first.spectrum
    (n, p), gram = first.gram.x.shape, first.gram
    parts = stretches(n, p, dual=gram.dual)
    if gram.dual:
        inner = vectors.T
        outer = np.concatenate([gram.centred(part).T @ vectors for part in parts])
    else:
        inner = np.concatenate([vectors.T @ gram.centred(part).T for part in parts], axis=1)
        outer = vectors
    alphas = np.array([factor.alpha for factor in factors])
    gains = np.where(values > 0, 1.0 / (values + alphas[:, None]), 0.0)
    return WeightMap(
        np.asarray(outer, first.dtype),
        np.ascontiguousarray(inner, first.dtype),
        gains.astype(first.dtype),
        choice,
        gram.algebra,
    )


class Weigher:
    """Forms the weights of one block of targets after another.

    What it multiplies with is sent to the device once.
    """

    def __init__(self, projection: WeightMap) -> None:
        first = projection.outer if projection.inner is None else projection.inner
        self._of = projection
        self._times = Multiplier(first, projection.algebra)
        self._last = (
            None if projection.inner is None else projection.algebra.product(projection.outer)
        )

    def __call__(self, columns: slice, targets: np.ndarray) -> np.ndarray:
        """Return W (p, width) of a block of targets (n, width)."""
        out, _, _, constant = self._times(targets)
        if self._last is not None:
            assert self._of.gains is not None
            assert self._of.choice is not None
            out *= self._of.gains[self._of.choice[columns]].T
        out[:, constant] = 0.0
        if self._last is None:
            return out
        return self._last(out, np.zeros(out.shape[1], out.dtype))[0]


def weight_blocks(projection: WeightMap, blocks: Blocks) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield ``(columns, W (p, width))``, the ridge weights of each block of targets.

    Weights belong to the betas as they were given to `gram`; those of a constant target are 0.
    """
    weigh = Weigher(projection)
    for columns, targets in blocks:
        yield columns, weigh(columns, targets)
