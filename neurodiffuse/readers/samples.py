"""What a few volumes say of a run: its level, its voxels without a value, whether it is a copy."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import listing
from neurodiffuse.types import Remark

KEPT = 5_000
"""Voxels of which the level is kept for each run, about."""

OFF = 10.0
"""Spreads by which the level of a run is off before it is told.

The mean of a few betas lies within one or two spreads of that of other runs; a constant that was
added, or betas of another baseline, lies far beyond.
"""

LOST = 0.25
"""The share of voxels that have values in other runs and none in this one, from which it is told.

Masks that were made for each run differ by a few in a hundred.
"""


@dataclass(frozen=True)
class Sample:
    """What the first volumes of a run say of it.

    ``spread`` is that of `spread_of`; ``level`` (n_voxels,) the mean of some voxels, NaN where
    they are 0 or NaN throughout; ``digest`` is of all values that were looked at, and
    ``is_empty`` says whether all of them are 0 or NaN.
    """

    spread: float
    level: np.ndarray
    digest: str
    is_empty: bool


def spread_of(values: np.ndarray) -> float:
    """Return how much responses vary, a number in their unit; NaN where that cannot be said.

    It is the median over voxels of the absolute change from the first volume, which voxels that
    are 0 everywhere, and single bad voxels, do not move; of one volume, the median absolute
    value.

    Parameters
    ----------
    values
        (n_volumes, n_voxels).
    """
    data = _finite(values)
    changes = np.abs(data[1:] - data[0]) if len(data) > 1 else np.abs(data)
    told = changes[np.isfinite(changes) & (changes > 0)]
    return float(np.median(told)) if told.size else float("nan")


def _finite(values: np.ndarray) -> np.ndarray:
    """Return values as float64, of complex ones the magnitude, NaN where they are infinite."""
    data = np.abs(values) if np.iscomplexobj(values) else np.asarray(values, np.float64)
    return np.where(np.isinf(data), np.nan, data)


def sample_of(values: np.ndarray) -> Sample:
    """Return what some volumes (n_volumes, n_voxels) of a run say of it."""
    data = _finite(values)
    there = (np.isfinite(data) & (data != 0)).any(axis=0)
    some = slice(None, None, max(1, data.shape[1] // KEPT))
    level = np.where(there[some], data[:, some].mean(axis=0), np.nan).astype(np.float32)
    digest = hashlib.sha256(np.ascontiguousarray(data).tobytes()).hexdigest()
    return Sample(spread_of(values), level, digest, not there.any())


def remark_on_samples(
    samples: Mapping[str, Sample], remedy: str = "", levels: bool = True
) -> tuple[Remark, ...]:
    """Return warnings about runs without values, copies, and runs on another level.

    Parameters
    ----------
    samples
        By the name of each run.
    remedy
        A sentence that says what to do about a run on another level.
    levels
        Whether levels are compared: not where each run is standardised anyway.
    """
    empty = [name for name, sample in samples.items() if sample.is_empty]
    told = []
    if empty:
        told.append(
            f"betas: all that were looked at, the first of each run, are 0 or NaN in "
            f"{len(empty)} of {len(samples)} runs ({listing(empty, most=3)}). Was their export "
            "complete?"
        )
    full = {name: sample for name, sample in samples.items() if not sample.is_empty}
    told += _copies(full) + _lost(full)
    if levels:
        told += _levels(full, remedy)
    return tuple(Remark(text, "warning") for text in told)


def remark_on_stretches(samples: Mapping[str, Sample], remedy: str) -> tuple[Remark, ...]:
    """Return warnings about stretches of runs, read whole, as `remark_on_samples` does of runs."""
    what = "stretches of runs"
    told = _lost(samples, "") + _levels(samples, remedy, what)
    return tuple(Remark(text, "warning") for text in told)


def _copies(samples: Mapping[str, Sample]) -> list[str]:
    same: dict[str, list[str]] = {}
    for name, sample in samples.items():
        same.setdefault(sample.digest, []).append(name)
    return [
        f"betas: {listing(names, most=3)} begin with the same numbers: one is probably a copy of "
        "the other. Write the betas of each run again."
        for names in same.values()
        if len(names) > 1
    ]


def _lost(samples: Mapping[str, Sample], of: str = "the first volumes of ") -> list[str]:
    shapes: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    for name, sample in samples.items():
        shapes.setdefault(sample.level.shape, {})[name] = np.isfinite(sample.level)
    told = []
    for alike in shapes.values():
        count = np.sum(list(alike.values()), axis=0)
        for name, there in alike.items():
            usual = count - there > (len(alike) - 1) / 2  # most of the other runs have a value
            share = float((~there[usual]).mean()) if usual.any() else 0.0
            if share >= LOST:
                told.append(
                    f"betas: {share:.0%} of the voxels that have values in most other runs are 0 "
                    f"or NaN in {of}{name}. Look at that file."
                )
    return told


def _levels(samples: Mapping[str, Sample], remedy: str, what: str = "runs") -> list[str]:
    known = {name: s for name, s in samples.items() if np.isfinite(s.spread) and s.spread > 0}
    shapes = {s.level.shape for s in known.values()}
    if len(known) < 2 or len(shapes) > 1:
        return []
    levels = np.stack([s.level for s in known.values()])
    levels = levels[:, np.isfinite(levels).sum(axis=0) > 1]
    if not levels.size:
        return []
    away = levels - np.nanmedian(levels, axis=0)
    spread = float(np.median([s.spread for s in known.values()]))
    off = {}
    for (name, sample), row in zip(known.items(), away, strict=True):
        there = row[np.isfinite(row)]
        if there.size and np.median(np.abs(there)) > OFF * max(spread, sample.spread):
            off[name] = float(np.median(there))
    if not off:
        return []
    worst = max(off, key=lambda name: abs(off[name]))
    return [
        f"betas: the level of {worst} is {off[worst]:+.3g} off the middle of all {what}, whose "
        f"betas vary by {spread:.3g} ({len(off)} of {len(known)} are off by more than {OFF:g} "
        f"times that): another baseline or a constant that was added? {remedy}"
    ]
