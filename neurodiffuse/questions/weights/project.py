"""From a fitted map to values of voxels: norms of weights, percentiles, Haufe patterns.

The weight matrix is formed block of targets by block of targets and never as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from neurodiffuse import budget, maps, ridge
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.ridge.gram import let_go
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile
from neurodiffuse.work import Site, in_order, spread

COLUMNS = 1024
"""Voxels whose betas are centred at a time."""

WIDTH = 512
"""Targets whose weights are held at a time; wider pieces would be no faster."""


@dataclass(frozen=True, eq=False)
class Projection:
    """A part of a feature on the voxels that it is read from, float64 (n_voxels,) each.

    ``weight``: Σ_j |W_vj| over the part's targets j, or W_vj itself for a component.
    ``pattern``: the same of the Haufe pattern (see `haufe_pattern`), None unless asked for.
    ``explained``: share of the voxel's variance (see `explained`), None unless asked for.
    """

    weight: np.ndarray
    pattern: np.ndarray | None
    explained: np.ndarray | None = None


def check_memory(
    run: Run, subjects: Sequence[str], features: Sequence[str], *, patterns: bool
) -> None:
    """Refuse a budget that `project` would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    budget.check(run, {"weights": memory_needed(run, subjects, features, patterns=patterns)})


def memory_needed(
    run: Run, subjects: Sequence[str], features: Sequence[str], *, patterns: bool
) -> int:
    """Return the peak of `project`, in bytes, of the map that needs most."""
    held = (
        budget.weights(budget.counts_of_map(run, s, f), WIDTH, patterns=patterns)
        for s in subjects
        for f in features
    )
    return int(budget.BASE + budget.MARGIN * max(held))


def project(
    run: Run, subject: str, feature: str, parts: Sequence[Part], *, patterns: bool = False
) -> list[Projection]:
    """Return the projection of each part of a feature, streaming its targets once.

    Blocks of targets are the tasks of the run's executor; blocks outside all parts are left out.

    Parameters
    ----------
    run, subject, feature
        Of a fitted map. Weights belong to the standardised betas: one unit is one standard
        deviation of the voxel over the training rows.
    parts
        Of `parts_of`.
    patterns
        Also compute Haufe patterns, for about three times the work.

    Notes
    -----
    Memory is what `neurodiffuse.budget.weights` says, in each worker: P = Xc' (K + αI)^-1, as
    large as the betas, is formed there, which is a fortieth of the work at full size. Where betas
    were scaled in bands, weights and patterns are those of the betas before.
    """
    blocks = LatentFile.open(run.latents(subject, feature) / "train.npy").columns()
    tasks = [
        (subject, feature, number)
        for number, columns in enumerate(blocks)
        if any(_reaches(part, columns) for part in parts)
    ]
    label = f"sub-{subject} {feature}"
    work = spread(run, project_block, tasks, label, shared=(tuple(parts), patterns))
    total: np.ndarray | None = None
    for found in in_order(work):
        total = found if total is None else total + found
    assert total is not None
    return [Projection(each[0], each[1] if patterns else None) for each in total]


def project_block(site: Site, subject: str, feature: str, number: int) -> np.ndarray:
    """Return a block's share of each part's projection, (n_parts, 1 or 2, n_voxels) float64."""
    parts, patterns = site.shared
    fitted, weigh = site.keep("map", lambda: _opened(site.run, subject, feature))
    columns, block = fitted.targets.block(number)
    if not np.array_equal(fitted.rows, np.arange(len(block))):
        block = block[fitted.rows]
    total = np.zeros((len(parts), 1 + patterns, len(fitted.voxels)))
    for start in range(columns.start, columns.stop, WIDTH):
        piece = slice(start, min(start + WIDTH, columns.stop))
        if not any(_reaches(part, piece) for part in parts):
            continue
        weights = weigh(piece, block[:, start - columns.start : piece.stop - columns.start])
        if patterns:
            found = haufe_pattern(fitted.gram, weights)
            if fitted.scale is not None:
                found /= fitted.scale[:, None]
            _add(total[:, 1], found, piece, parts)
        if fitted.scale is not None:
            weights *= fitted.scale[:, None]
        _add(total[:, 0], weights, piece, parts)
    return total


def _opened(run: Run, subject: str, feature: str) -> tuple[maps.Map, ridge.Weigher]:
    """Return a feature's map and what forms its weights; mapped betas are let go of again."""
    fitted = maps.open_map(run, subject, feature)
    weigh = ridge.Weigher(fitted.weight_map())
    let_go(fitted.gram.x)
    return fitted, weigh


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


def _reaches(part: Part, columns: slice) -> bool:
    return part.start < columns.stop and columns.start < part.stop


def _add(total: np.ndarray, block: np.ndarray, columns: slice, parts: Sequence[Part]) -> None:
    for k, part in enumerate(parts):
        inside = block[:, part.within(columns)]
        if inside.shape[1]:
            values = inside if part.signed else np.abs(inside)
            total[k] += values.sum(axis=1, dtype=np.float64)
