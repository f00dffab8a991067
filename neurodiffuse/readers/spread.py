"""How far apart the numbers of runs are: one that is in other units is told before it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.orientations import apply_orientation, io_orientation

from neurodiffuse.errors import DataError
from neurodiffuse.readers.reach import check_file
from neurodiffuse.readers.samples import Sample, sample_of
from neurodiffuse.readers.volumes import DAMAGE
from neurodiffuse.types import Remark

VOLUMES = 3
"""Volumes of a run that are looked at, the first ones: of a compressed file no more is inflated."""

VOXELS = 50_000
"""Voxels that are looked at, about, evenly over the volume."""

TENFOLD = 10.0
"""Runs whose spreads differ by this factor or more are remarked on."""


def sample_of_files(
    files: Sequence[Path], volumes: Sequence[int], factor: Callable[[Path], float]
) -> Sample | None:
    """Return what the first volumes of a run say of it, None where they cannot be read.

    Parameters
    ----------
    files
        One 4D file, or 3D files that hold a volume each.
    volumes
        The volumes that belong to trials, ascending.
    factor
        Returns what the stored numbers of a file are multiplied by.
    """
    some = list(volumes[:VOLUMES])
    try:
        if len(files) > 1:
            found = [_values(files[k], [0])[0] * factor(files[k]) for k in some]
        else:
            found = [values * factor(files[0]) for values in _values(files[0], some)]
        return sample_of(np.stack(found)) if found else None
    except (*DAMAGE, IndexError):
        return None  # a damaged file is named when its betas are read


def remark_on_spreads(
    spreads: Mapping[str, float], remedy: str, apart: float = TENFOLD, *, what: str = "runs"
) -> tuple[Remark, ...]:
    """Return a warning when runs differ tenfold (``apart``) or more, naming the extremes.

    ``spreads`` are those of `spread_of` by the name of each run, ``remedy`` a sentence;
    ``what`` they are in words.
    """
    known = {name: value for name, value in spreads.items() if np.isfinite(value) and value > 0}
    if len(known) < 2:
        return ()
    least, most = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    times = known[most] / known[least]
    if times < apart:
        return ()
    usual = float(np.median(list(known.values())))
    odd = sum(not usual / TENFOLD < value < usual * TENFOLD for value in known.values())
    text = (
        f"betas: the spread of {most} is {times:,.0f} times that of {least} "
        f"({known[most]:.3g} and {known[least]:.3g}; {odd} of {len(known)} {what} are ten times "
        f"off the middle one): they are probably in different units. {remedy}"
    )
    return (Remark(text, "warning"),)


def standardised(betas: np.ndarray, of: np.ndarray, path: Path) -> np.ndarray:
    """Return the betas of a run z-scored by voxel (ddof 1), float32; what does not vary is 0.

    Parameters
    ----------
    betas
        (n_trials, n_voxels).
    of
        bool (n_trials,): the trials of which mean and standard deviation are taken.
    path
        The file that the betas are of, for the message.

    Raises
    ------
    DataError
        If fewer than two trials are to be taken.
    """
    if of.sum() < 2:
        raise DataError(
            f"{path}: standardise=run needs two or more trials in a file of betas, and this one "
            f"has {int(of.sum())}."
        )
    mean, sd = betas[of].mean(axis=0, dtype=np.float64), betas[of].std(axis=0, ddof=1, dtype="f8")
    return np.divide(betas - mean, sd, out=np.zeros(betas.shape), where=sd > 0).astype(np.float32)


def _values(path: Path, volumes: Sequence[int]) -> list[np.ndarray]:
    """Return some voxels of volumes; those that are near one another are inflated once.

    Axes are brought into one order, so that runs that store them otherwise give the same voxels.
    """
    check_file(path)
    image: Any = nib.load(path)
    axes = io_orientation(image.affine)
    step = max(1, int(np.prod(image.shape[:3])) // VOXELS)

    def some(volume: np.ndarray) -> np.ndarray:
        turned = apply_orientation(volume, axes) if volume.ndim == 3 else volume
        return np.asarray(turned).ravel()[::step]

    if len(image.shape) == 3:
        return [some(np.asarray(image.dataobj))]
    first, last = min(volumes, default=0), max(volumes, default=0)
    if last - first < 4 * VOLUMES:
        block = np.asarray(image.dataobj[..., first : last + 1])
        return [some(block[..., k - first]) for k in volumes]
    return [some(np.asarray(image.dataobj[..., k])) for k in volumes]
