"""Which regions a feature is read from more than another one: Fig 8 of Brain-Diffuser.

Arrays in, arrays out. Percentiles of the L1 norms of weights are averaged over each region's
voxels, compared between features, and tested by permuting the voxels' labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import DataError

CELLS = 2_000_000
"""Permuted voxels that are held at a time."""

ROUNDING = 1e-9
"""Percentiles that differ by less are equal: the same numbers may be added in another order."""


@dataclass(frozen=True, eq=False)
class Brain:
    """One subject's voxels: ``percentiles`` (features, voxels), ``members`` bool (regions, voxels).

    A region that the subject lacks, or that has no voxel here, is a row without any.
    """

    percentiles: np.ndarray
    members: np.ndarray


@dataclass(frozen=True, eq=False)
class Estimate:
    """Values of (features, regions) over subjects; NaN where there is none.

    ``each`` is (subjects, features, regions), ``mean`` its mean over the subjects that have the
    region, ``sem`` the standard error of that (NaN for one subject). ``p`` is two-sided,
    ``p_corrected`` the same for all regions of a feature together (greatest deviation in units
    of each region's null standard deviation).
    """

    each: np.ndarray
    mean: np.ndarray
    sem: np.ndarray
    p: np.ndarray
    p_corrected: np.ndarray


@dataclass(frozen=True, eq=False)
class Levels:
    """Mean percentiles of one subject's regions: as they are, and with voxels shuffled.

    ``observed`` (features, regions), NaN where a region is empty; ``null`` (permutations,
    features, regions).
    """

    observed: np.ndarray
    null: np.ndarray


@dataclass(frozen=True, eq=False)
class Comparison:
    """Three ways to look at the same regions.

    ``level``: mean percentile (50 is the mask's). ``difference``: feature minus reference.
    ``normalised``: the difference over the reference's percentile in the region.
    """

    level: Estimate
    difference: Estimate
    normalised: Estimate


def levels_of(brain: Brain, *, permutations: int, seed: int) -> Levels:
    """Average percentiles over each region's voxels, then again with the labels shuffled.

    Parameters
    ----------
    brain
        One subject.
    permutations
        How often the voxels' labels are shuffled, all features and regions together.
    seed
        Of the shuffling.
    """
    rng = np.random.default_rng(seed)
    observed = _levels(brain.percentiles, brain.members)
    return Levels(observed, _permuted(brain, permutations, rng))


def compare(levels: Sequence[Levels], against: int) -> Comparison:
    """Compare features in regions over subjects.

    Parameters
    ----------
    levels
        One for each subject, features and regions in the same order, as many permutations.
    against
        Number of the reference feature.

    Raises
    ------
    DataError
        If no subject has a voxel in any region.

    Notes
    -----
    With P_f the mean percentile of feature f over a region's voxels and r the reference, the
    figure's caption shows (P_f - P_r) / P_r, averaged over subjects (Ozcelik & VanRullen 2023,
    Fig 8). p = (1 + #{permutations at least as far from what the whole mask has}) /
    (1 + permutations). Shuffling treats voxels as exchangeable: in data that are smooth in
    space p is too small.
    """
    if not any(np.isfinite(one.observed).any() for one in levels):
        raise DataError("regions: no region has a voxel that all compared features are read from.")

    def estimate(name: str, centre: float) -> Estimate:
        each = np.stack([_statistic(one.observed, against, name) for one in levels])
        null = _mean([_statistic(one.null, against, name) for one in levels])
        return _estimate(each, null, centre)

    return Comparison(
        estimate("level", 50.0), estimate("difference", 0.0), estimate("normalised", 0.0)
    )


def _levels(percentiles: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Return the mean percentile of each feature in each region, NaN in an empty one."""
    counts = members.sum(axis=1).astype(float)
    sums = percentiles @ members.T.astype(float)
    return np.asarray(sums / np.where(counts > 0, counts, np.nan))


def _permuted(brain: Brain, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return the levels (permutations, features, regions) of shuffled voxels."""
    features, voxels = brain.percentiles.shape
    out = np.empty((permutations, features, len(brain.members)))
    step = max(1, CELLS // max(voxels, 1))
    for start in range(0, permutations, step):
        count = min(step, permutations - start)
        order = rng.permuted(np.tile(np.arange(voxels), (count, 1)), axis=1)
        for k in range(features):
            out[start : start + count, k] = _levels(brain.percentiles[k][order], brain.members)
    return out


def _statistic(levels: np.ndarray, against: int, name: str) -> np.ndarray:
    """Return levels (…, features, regions), or how they differ from the reference feature's."""
    if name == "level":
        return levels
    reference = levels[..., against : against + 1, :]
    difference = levels - reference
    return difference if name == "difference" else difference / reference


def _estimate(each: np.ndarray, null: np.ndarray, centre: float) -> Estimate:
    mean = _mean(list(each))
    present = np.isfinite(each).sum(axis=0)
    several = np.where(present > 1, present, np.nan)
    squares = np.where(np.isfinite(each), (each - mean) ** 2, 0.0).sum(axis=0)
    sem = np.sqrt(squares / (several - 1) / several)
    far, beyond = np.abs(mean - centre), np.abs(null - centre)
    p = (1 + (beyond >= far - ROUNDING).sum(axis=0)) / (1 + len(null))
    spread = np.sqrt((beyond**2).mean(axis=0))
    scale = np.where(spread > ROUNDING, 1 / np.where(spread > ROUNDING, spread, 1.0), 0.0)
    greatest = np.nan_to_num(beyond * scale).max(axis=2)[..., None]
    corrected = (1 + (greatest >= far * scale - ROUNDING).sum(axis=0)) / (1 + len(null))
    nowhere = present == 0
    return Estimate(
        each, mean, sem, np.where(nowhere, np.nan, p), np.where(nowhere, np.nan, corrected)
    )


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean over subjects, leaving out those that lack a region (NaN)."""
    total, count = np.zeros(values[0].shape), np.zeros(values[0].shape)
    for value in values:
        there = np.isfinite(value)
        total[there] += value[there]
        count += there
    return total / np.where(count > 0, count, np.nan)
