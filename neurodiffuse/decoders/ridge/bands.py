"""Banded ridge: groups of voxels that are shrunk differently.

A penalty α_b for each band b of voxels is one penalty α after scaling the band's betas by
sqrt(α / α_b). Nunez-Elizalde, Huth & Gallant 2019, NeuroImage 197:482-492; the search over random
scales on the simplex is that of Dupré la Tour et al. 2022, NeuroImage 264:119728.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoders.ridge.gram import gram
from neurodiffuse.decoders.ridge.selection import select_alphas, sketch
from neurodiffuse.decoders.ridge.spectrum import decompose, default_alphas
from neurodiffuse.decoders.ridge.stream import Blocks
from neurodiffuse.errors import DataError

CANDIDATES = 16
"""Sets of scales that are tried; each costs an eigendecomposition."""


@dataclass(frozen=True, eq=False)
class Bands:
    """Scales of the bands' betas, and what was tried.

    ``scale`` float32 (p,) is what to multiply each voxel with; ``shares`` (n_candidates, n_bands),
    rows of mean 1, are squared scales and ``r2`` (n_candidates,) the R² of left-out training rows
    at the best penalty of each.
    """

    scale: np.ndarray
    shares: np.ndarray
    r2: np.ndarray


def choose_bands(
    x: np.ndarray,
    bands: np.ndarray,
    blocks: Blocks,
    targets: int,
    *,
    alphas: np.ndarray | None = None,
    method: str = "gcv",
    leave_out: np.ndarray | None = None,
    images: np.ndarray | None = None,
    candidates: int = CANDIDATES,
    seed: int = 0,
    algebra: Algebra = BLAS,
) -> Bands:
    """Return the scales of bands with which left-out training rows are predicted best.

    Parameters
    ----------
    x
        Training betas (n, p).
    bands
        Band of each voxel, intp (p,), counted from 0 without gaps.
    blocks, targets
        The training targets, read once, and how many they are. 32 random combinations stand for
        more than 32 of them.
    alphas
        Penalties to try with each set of scales; None: `default_alphas` of the scaled betas.
    method, leave_out, images
        As in `select_alphas`.
    candidates
        Sets of scales to try: equal ones, then random ones.
    seed
        Of scales and combinations.
    algebra
        What computes.

    Raises
    ------
    DataError
        If bands do not fit the betas.
    """
    n_bands = int(bands.max(initial=-1)) + 1
    if bands.shape != (x.shape[1],) or len(np.unique(bands)) != n_bands:
        raise DataError(
            f"ridge: bands of {len(bands)} voxels for betas of {x.shape[1]}; every voxel needs a "
            "band, counted from 0 without gaps."
        )
    probes = sketch(blocks, targets, seed, standardised=False)
    random = np.random.default_rng(seed).dirichlet(np.ones(n_bands), candidates - 1)
    shares = np.vstack([np.ones((1, n_bands)), n_bands * random])
    r2 = np.empty(len(shares))
    for k, share in enumerate(shares):
        scaled = gram(x * _scale(share, bands), algebra=algebra)
        grid = default_alphas(scaled) if alphas is None else alphas
        found = select_alphas(
            decompose(scaled, float(np.min(grid))),
            grid,
            [(slice(0, probes.shape[1]), probes)],
            method=method,
            groups=np.zeros(probes.shape[1], np.intp),
            leave_out=leave_out,
            images=images,
        )
        r2[k] = np.nanmax(found.curves, initial=-np.inf)
    return Bands(_scale(shares[int(r2.argmax())], bands), shares, r2)


def _scale(share: np.ndarray, bands: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(share)[bands], np.float32)
