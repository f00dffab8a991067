"""Whether the runs of a subject are in one unit, and how they are brought to one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurodiffuse.errors import listing
from neurodiffuse.readers.samples import remark_on_samples
from neurodiffuse.readers.spread import remark_on_spreads, sample_of_files
from neurodiffuse.types import Remark
from neurodiffuse_bids.events import Responses
from neurodiffuse_bids.sidecars import Sidecars


def basis(sides: Sequence[str]) -> np.ndarray:
    """Return by which trials a run is standardised, bool (n_trials,).

    It is those that train, or all of them where fewer than two do.
    """
    train = np.array([side == "train" for side in sides], bool)
    return train if train.sum() > 1 else np.ones(len(sides), bool)


def about_units(
    parts: Sequence[Responses], sides: Sequence[str], sidecars: Sidecars, standardise: str
) -> tuple[Remark, ...]:
    """Return what to remark on the units of runs, or on how they are standardised.

    Parameters
    ----------
    parts
        The runs; of their betas the first volumes are looked at.
    sides
        The side of every trial.
    sidecars
        What the stored numbers are multiplied by.
    standardise
        The option of that name.
    """
    samples = {}
    for part in parts:
        paths = [file.path for file in part.series.files]
        sample = sample_of_files(paths, [row.volume for row in part.rows], sidecars.factor)
        if sample is not None:
            samples[paths[0].name] = sample
    if standardise:
        return (_about_standardising(parts, sides), *remark_on_samples(samples, levels=False))
    units = remark_on_spreads(
        {name: sample.spread for name, sample in samples.items()},
        "Correct ScaleFactor in the JSON file of integers, or z-score each run: --set "
        "datasets.bids.standardise=run.",
    )
    remedy = "Take the constant out, or z-score each run: --set datasets.bids.standardise=run."
    return (*units, *remark_on_samples(samples, remedy))


def _about_standardising(parts: Sequence[Responses], sides: Sequence[str]) -> Remark:
    told, every = [], iter(sides)
    for part in parts:
        own = [next(every) for _ in part.rows]
        if own.count("test") and basis(own).all():
            told.append(part.series.files[0].path.name)
    if not told:
        return Remark("betas: z-scored within each run by its training trials (standardise = run)")
    return Remark(
        f"betas: z-scored by run (standardise = run), and {len(told)} of {len(parts)} runs have "
        f"fewer than two training trials: the test set enters theirs ({listing(told, most=3)})",
        "warning",
    )
