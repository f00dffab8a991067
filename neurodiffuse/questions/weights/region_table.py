"""Regions of a run's subjects: which voxels they are, what the comparison found, as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import listing
from neurodiffuse.questions.roi_optimal.regions import PRESETS, Region
from neurodiffuse.questions.weights.members import Members
from neurodiffuse.questions.weights.project import percentile
from neurodiffuse.questions.weights.regions import Brain, Comparison, compare, levels_of
from neurodiffuse.store import seed_of

MOST = 24
"""Bars of a figure at most."""

STATS = {
    "weight": "weights",
    "pattern": "Haufe patterns",
    "explained": "explained variance",
}
"""What can be compared, and its words."""

COLUMNS = {
    "stat": (
        "weight: L1 norm of the weights; pattern: L1 norm of the Haufe patterns; explained: "
        "share of the voxel's variance that the feature predicts in left-out images"
    ),
    "subject": "Subject label, or all: mean over the subjects that have the region",
    "region": "Region",
    "voxels": "Voxels of the region that all compared features are read from",
    "feature": "Feature of the recipe",
    "percentile": "Mean percentile of the voxels; 50 is the whole mask's",
    "percentile_sem": "Its standard error over subjects",
    "percentile_p": "Permutation p-value that it differs from 50, two-sided",
    "against": "Reference feature",
    "difference": "Percentile of the feature less that of the reference",
    "difference_sem": "Its standard error over subjects",
    "normalised": "Difference over the percentile of the reference",
    "normalised_sem": "Its standard error over subjects",
    "p": "Permutation p-value that the normalised difference is not 0, two-sided",
    "p_corrected": "The same for all regions together (greatest deviation of any region)",
}


@dataclass(frozen=True, eq=False)
class RegionResult:
    """What was compared, and what was found over all subjects and for each by itself.

    ``stat`` is one of `STATS`. ``voxels`` (subjects, regions) counts those that all features are
    read from; ``each`` lacks subjects without any; ``shown`` are the numbers of the regions in
    the figure; ``left_out`` are those that the user named and that cannot be compared.
    """

    stat: str
    subjects: tuple[str, ...]
    features: tuple[str, ...]
    against: int
    regions: tuple[Region, ...]
    voxels: np.ndarray
    all: Comparison
    each: Mapping[str, Comparison]
    shown: tuple[int, ...]
    left_out: tuple[str, ...] = ()


def compare_regions(
    stat: str,
    norms: Mapping[str, Mapping[str, np.ndarray]],
    against: str,
    members: Members,
    *,
    permutations: int,
    seed: int,
) -> RegionResult | None:
    """Compare features in regions of all subjects; None where no region can be compared.

    Parameters
    ----------
    stat
        One of `STATS`: what the norms are of.
    norms
        Of each subject and feature: values (L1 norms, explained variance) over the whole mask,
        NaN where it is not read.
    against
        The reference feature.
    members
        Regions of the same subjects.
    """
    subjects, features = tuple(norms), tuple(next(iter(norms.values())))
    regions = members.regions
    brains = [_brain(norms[s], members.of[s]) for s in subjects]
    voxels = np.stack([brain.members.sum(axis=1) for brain in brains])
    total = np.array([brain.members.shape[1] for brain in brains])[:, None]
    # A region that is the whole mask differs from nothing.
    keep = np.flatnonzero(((voxels > 0) & (voxels < total)).any(axis=0))
    if not keep.size:
        return None
    brains = [Brain(b.percentiles, b.members[keep]) for b in brains]
    levels = [
        levels_of(brain, permutations=permutations, seed=seed_of(seed, f"weights/sub-{subject}"))
        for subject, brain in zip(subjects, brains, strict=True)
    ]
    number = features.index(against)
    chosen = tuple(regions[k] for k in keep)
    left_out = [region.name for k, region in enumerate(regions) if k not in keep]
    return RegionResult(
        stat,
        subjects,
        features,
        number,
        chosen,
        voxels[:, keep],
        compare(levels, number),
        {
            s: compare([one], number)
            for s, one, brain in zip(subjects, levels, brains, strict=True)
            if brain.members.any()
        },
        tuple(range(min(len(chosen), MOST))) if members.named else _shown(chosen),
        tuple(left_out) if members.named else (),
    )


def why_left_out(result: RegionResult) -> str:
    """Return which regions that the user named are not compared, and why."""
    return (
        f"{listing(result.left_out)} (no voxel that all features are read from, or the whole mask)"
    )


def rows_of(result: RegionResult) -> list[dict[str, str]]:
    """Return the rows of ``regions.tsv``: all subjects first, then one after another."""
    rows = []
    if len(result.subjects) > 1:
        rows += _rows(result, "all", result.voxels.sum(axis=0), result.all)
    for subject, voxels in zip(result.subjects, result.voxels, strict=True):
        if subject in result.each:
            rows += _rows(result, subject, voxels, result.each[subject])
    return rows


def _rows(
    result: RegionResult, subject: str, voxels: np.ndarray, found: Comparison
) -> list[dict[str, str]]:
    rows = []
    for r, region in enumerate(result.regions):
        for f, feature in enumerate(result.features):
            if not voxels[r]:
                continue
            row = dict.fromkeys(COLUMNS, "n/a") | {
                "stat": result.stat,
                "subject": subject,
                "region": region.name,
                "voxels": str(int(voxels[r])),
                "feature": feature,
                "percentile": _cell(found.level.mean[f, r]),
                "percentile_sem": _cell(found.level.sem[f, r]),
                "percentile_p": _cell(found.level.p[f, r]),
            }
            if f != result.against:
                row |= {
                    "against": result.features[result.against],
                    "difference": _cell(found.difference.mean[f, r]),
                    "difference_sem": _cell(found.difference.sem[f, r]),
                    "normalised": _cell(found.normalised.mean[f, r]),
                    "normalised_sem": _cell(found.normalised.sem[f, r]),
                    "p": _cell(found.normalised.p[f, r]),
                    "p_corrected": _cell(found.normalised.p_corrected[f, r]),
                }
            rows.append(row)
    return rows


def _cell(value: float) -> str:
    return f"{value:.6g}" if math.isfinite(value) else "n/a"


def _brain(norms: Mapping[str, np.ndarray], members: np.ndarray) -> Brain:
    """Return percentiles among the voxels that all features are read from."""
    values = np.stack(list(norms.values()))
    common = np.isfinite(values).all(axis=0)
    percentiles = [percentile(v[common]) for v in values] if common.any() else values[:, common]
    return Brain(np.asarray(percentiles), members[:, common])


def _shown(regions: Sequence[Region]) -> tuple[int, ...]:
    paper = tuple(k for k, region in enumerate(regions) if region.group in PRESETS)
    return paper or tuple(range(min(len(regions), MOST)))
