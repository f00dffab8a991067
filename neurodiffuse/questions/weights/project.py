"""From a fitted map to values of voxels: norms of weights, percentiles, Haufe patterns.

The weight matrix is formed block of targets by block of targets and never as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from neurodiffuse import ridge
from neurodiffuse.maps import Map
from neurodiffuse.progress import progress
from neurodiffuse.questions.weights.parts import Part

COLUMNS = 1024
"""Voxels whose betas are centred at a time."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A part of a feature on the voxels that it is read from, float64 (n_voxels,) each.

    ``weight``: Σ_j |W_vj| over the part's targets j, or W_vj itself for a component.
    ``pattern``: the same of the Haufe pattern (see `haufe_pattern`), None unless asked for.
    """

    weight: np.ndarray
    pattern: np.ndarray | None


def project(
    fitted: Map, parts: Sequence[Part], *, patterns: bool = False, label: str = "", quiet: bool
) -> list[Projection]:
    """Return the projection of each part, streaming the targets once.

    Parameters
    ----------
    fitted
        A feature's map. Weights belong to the standardised betas: one unit is one standard
        deviation of the voxel over the training rows.
    parts
        Of `parts_of`; blocks of targets outside all of them are not multiplied.
    patterns
        Also compute Haufe patterns, for about three times the work.
    label, quiet
        Of the progress bar.

    Notes
    -----
    Memory is P = Xc' (K + αI)^-1, as large as the betas, and one block of weights; where targets
    have penalties of their own, also the betas' singular vectors. Where betas were scaled in bands,
    weights and patterns are those of the betas before.
    """
    projection, scale = fitted.weight_map(), fitted.scale
    shape = (len(parts), len(projection.outer))
    weight, pattern = np.zeros(shape), np.zeros(shape) if patterns else None
    blocks = progress(
        _needed(fitted, parts), label, total=len(fitted.targets.columns()), quiet=quiet
    )
    for columns, weights in ridge.weight_blocks(projection, blocks):
        if pattern is not None:
            found = haufe_pattern(fitted.gram, weights)
            _add(pattern, found if scale is None else found / scale[:, None], columns, parts)
        _add(weight, weights if scale is None else weights * scale[:, None], columns, parts)
    return [
        Projection(weight[k], None if pattern is None else pattern[k]) for k in range(len(parts))
    ]


def haufe_pattern(gram: ridge.Gram, weights: np.ndarray) -> np.ndarray:
    """Return the activation pattern of each target's weights, (n_voxels, n_targets).

    What a voxel does when the decoded latent rises: A = cov(X) W / var(ŷ) with the decoded
    latent ŷ = X W of the training rows in units of its standard deviation, target by target,
    so A_vj = cov(x_v, ŷ_j) / sd(ŷ_j), in standard deviations of the voxel. A target that is
    predicted by its mean has the pattern 0.

    Parameters
    ----------
    gram
        Of the training betas.
    weights
        (n_voxels, n_targets).

    Notes
    -----
    Haufe et al. 2014, NeuroImage 87:96-110, eqs. 6 and 8, each target a backward model of its
    own. A latent's scale is arbitrary; without dividing by it, latents that are hardly decoded
    (small var(ŷ)) would outweigh all others in a sum over targets.
    """
    n, p = gram.x.shape
    stretches = [slice(s, min(s + COLUMNS, p)) for s in range(0, p, COLUMNS)]
    predicted = np.zeros((n, weights.shape[1]), weights.dtype)
    for voxels in stretches:
        predicted += gram.centred((slice(None), voxels)) @ weights[voxels]
    spread = predicted.std(axis=0, ddof=1, dtype=np.float64)
    gain = np.divide(1.0, (n - 1) * spread, out=np.zeros_like(spread), where=spread > 0)
    out = np.empty_like(weights)
    for voxels in stretches:
        out[voxels] = gram.centred((slice(None), voxels)).T @ predicted
    out *= gain.astype(out.dtype)
    return out


def percentile(values: np.ndarray) -> np.ndarray:
    """Return each value's percentile among all, by size without sign, float64 (n,).

    100 (rank - ½) / n with rank 1 for the smallest and the mean rank for equal values: their
    mean is 50 exactly, and none is 0, which stands for "outside the mask" in a volume.
    """
    return 100.0 * (rankdata(np.abs(values)) - 0.5) / len(values)


def _needed(fitted: Map, parts: Sequence[Part]) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of training latents, cut to the columns that any of the parts wants."""
    for columns, block in fitted.blocks():
        wanted = [w for w in (part.within(columns) for part in parts) if w.stop > w.start]
        if wanted:
            inside = slice(min(w.start for w in wanted), max(w.stop for w in wanted))
            first = columns.start
            yield slice(first + inside.start, first + inside.stop), block[:, inside]


def _add(total: np.ndarray, block: np.ndarray, columns: slice, parts: Sequence[Part]) -> None:
    for k, part in enumerate(parts):
        inside = block[:, part.within(columns)]
        if inside.shape[1]:
            values = inside if part.signed else np.abs(inside)
            total[k] += values.sum(axis=1, dtype=np.float64)
