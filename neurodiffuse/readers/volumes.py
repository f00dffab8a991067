"""Reading volumes: the grid from the header, values a few volumes at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.filebasedimages import ImageFileError

from neurodiffuse.errors import DataError
from neurodiffuse.types import Grid, Shape

CHUNK = 96 * 2**20
"""Bytes of a 4D file that are held at once, as float64."""

AFFINE_TOLERANCE = 1e-3
"""Millimetres by which two affines may differ and be the same grid."""


def grid_of(path: Path, space: str = "") -> tuple[Grid, int]:
    """Return the grid of an image and its number of volumes, from the header alone."""
    image = _open(path)
    shape = tuple(int(n) for n in image.shape)
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if len(shape) not in (3, 4):
        raise DataError(
            f"{path}: has shape {shape}; a volume (x, y, z) or a series of them is read."
        )
    return Grid(shape[:3], np.asarray(image.affine, float), space), (*shape, 1)[3]


def same_grid(one: Grid, two: Grid) -> bool:
    """Return whether two grids have the same shape and, to a micrometre, the same affine."""
    same_shape = tuple(one.shape) == tuple(two.shape)
    return same_shape and bool(np.allclose(one.affine, two.affine, atol=AFFINE_TOLERANCE, rtol=0))


def difference(one: Grid, two: Grid) -> str:
    """Return in words how two grids differ."""
    if tuple(one.shape) != tuple(two.shape):
        return f"shape {_times(one.shape)} where {_times(two.shape)} is needed"
    apart = float(np.abs(one.affine - two.affine).max())
    return f"the shape agrees, the affine differs by up to {apart:.3g} mm"


def values(path: Path) -> np.ndarray:
    """Return the first volume of an image as float32 (grid.size,), C order."""
    with _said_clearly(path):
        data = np.asarray(_open(path).dataobj, dtype=np.float32)
    return data.reshape(*data.shape[:3], -1)[..., 0].ravel()


def labels(path: Path) -> np.ndarray:
    """Return a segmentation as int32 (grid.size,), C order; what is not a whole number is 0."""
    with _said_clearly(path):
        data = np.asarray(_open(path).dataobj)
    data = data.reshape(*data.shape[:3], -1)[..., 0].ravel()
    if data.dtype.kind == "f":
        data = np.where(np.isfinite(data) & (data == np.rint(data)), data, 0)
    return data.astype(np.int32)


def responses(
    files: Sequence[Path],
    rows: Sequence[int],
    grid: Grid,
    voxels: np.ndarray,
    factor: Callable[[Path], float],
) -> np.ndarray:
    """Return some volumes at some voxels.

    Parameters
    ----------
    files
        One 4D file, or many 3D files: together they hold the volumes.
    rows
        The volumes that are wanted, ascending.
    grid
        The grid that every file must have.
    voxels
        bool (grid.size,).
    factor
        Returns what the stored numbers of a file are multiplied by.

    Returns
    -------
    float32 (len(rows), n_voxels), voxels in C order of the grid.
    """
    out = np.empty((len(rows), int(voxels.sum())), np.float32)
    inside = voxels.reshape(grid.shape)
    place = {row: k for k, row in enumerate(rows)}
    volume = 0
    for path in files:
        own, count = grid_of(path)
        check_grid(path, own, grid, files[0])
        if count != 1 and len(files) > 1:
            raise DataError(f"{path}: has {count} volumes where a single trial's one is expected.")
        times = factor(path)
        for block in _volumes(path):
            for k in range(block.shape[3]):
                if volume in place:
                    out[place[volume]] = block[..., k][inside] * times
                volume += 1
    return out


def check_grid(path: Path, own: Grid, grid: Grid, first: Path) -> None:
    """Refuse betas with another grid than the subject's, which is that of ``first``."""
    if not same_grid(own, grid):
        raise DataError(
            f"{path}: is on another grid than {first}: {difference(own, grid)}. All betas of a "
            "subject share one grid: resample whichever of the two is wrong."
        )


def _times(shape: Shape) -> str:
    return " × ".join(str(n) for n in shape)


def _open(path: Path) -> Any:
    with _said_clearly(path):
        return nib.load(path, keep_file_open=True)


def _volumes(path: Path) -> Iterator[np.ndarray]:
    """Yield (x, y, z, k) stretches of an image; the file is inflated once, front to back."""
    image = _open(path)
    grid, count = grid_of(path)
    at_once = max(1, CHUNK // (8 * grid.size))
    for start in range(0, count, at_once):
        stop = min(start + at_once, count)
        with _said_clearly(path):
            if len(image.shape) == 3:
                data = np.asarray(image.dataobj)
            else:
                data = np.asarray(image.dataobj[..., start:stop])
        yield data.reshape(*grid.shape, stop - start, order="F")


@contextmanager
def _said_clearly(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"{path}: is not an image, or one that is damaged or cut off ({text})."
        ) from error
