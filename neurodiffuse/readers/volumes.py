"""Reading volumes: the grid from the header, values a few volumes at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.freesurfer.mghformat import MGHImage
from nibabel.spatialimages import HeaderDataError, SpatialImage
from nibabel.wrapstruct import WrapStructError

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.absent import why_absent
from neurodiffuse.readers.grids import TOLERANCE, Alignment, align, difference, why_broken
from neurodiffuse.readers.reach import check_file
from neurodiffuse.types import Grid

CHUNK = 96 * 2**20
"""Bytes of a 4D file that are held at once, as float64."""

BETWEEN = 1e-6
"""Voxels by which a place between two voxels may be missed in rounding."""

VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh")
"""The ends of the names of volumes that are read."""

DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)
"""What is raised by files that are damaged, cut off, or no images."""

AFFINE_FROM = "datasets.bids.affine_from"
"""The option that says where files without a place lie."""


@dataclass(frozen=True)
class Target:
    """The grid that files are brought to, and what may be done for it.

    ``template`` is the grid that files of its shape have which do not say where they lie.
    Regions on another grid are resampled to the nearest voxel where ``resample`` is set.
    """

    grid: Grid
    template: Grid | None = None
    resample: bool = False


def grid_of(path: Path, space: str = "", template: Grid | None = None) -> tuple[Grid, int]:
    """Return the grid of an image and its number of volumes, from the header alone.

    An affine that is the identity, or that no code of the header vouches for, is no place: it is
    replaced by the template's where the shapes agree.

    Raises
    ------
    MissingDataError
        If there is no such file, or its content was not fetched.
    DataError
        If it is damaged, no volume, has an affine that gives its voxels no place, or holds
        something else than one real number per voxel.
    """
    image = _open(path)
    shape = tuple(int(n) for n in image.shape)
    if len(shape) == 5 and shape[3] == 1:
        shape = (*shape[:3], shape[4])
    if len(shape) not in (3, 4):
        raise DataError(
            f"{path}: has shape {shape}; a volume (x, y, z) or a series of them is read."
        )
    grid = Grid(shape[:3], np.asarray(image.affine, float), space, _is_placed(image))
    if grid.placed and (wrong := why_broken(grid)):
        raise DataError(
            f"{path}: its affine {wrong}. Write the affine into its header that the image had "
            "before, or that of another image of the same grid."
        )
    if not grid.placed and template is not None and template.shape == grid.shape:
        grid = replace(template, space=space)
    return grid, (*shape, 1)[3]


def read(path: Path, target: Target, dtype: Any = None, outside: float = 0) -> np.ndarray:
    """Return the first volume of an image on the target's grid, (grid.size,), C order.

    Voxels beyond the edge of an image that is resampled become ``outside``.

    Raises
    ------
    DataError
        If it is on another grid and may not be resampled, or is damaged.
    """
    own, _ = grid_of(path, template=target.template)
    way = align(own, target.grid)
    with _translating_errors(path):
        image = _open(path)
        data = np.asarray(image.dataobj, dtype=dtype)
        data = data.reshape(*data.shape[:3], -1)[..., 0]
        if way is not None and way.is_same:
            return way.apply(data).ravel()
        if target.resample and own.placed and target.grid.placed:
            return _nearest(data, own, target.grid, outside)
    raise DataError(f"{path}: is on another grid: {difference(own, target.grid)}.")


def values(path: Path, target: Target) -> np.ndarray:
    """Return the first volume of an image as float32 (grid.size,), C order."""
    return read(path, target, np.float32, outside=np.nan)


def _nearest(data: np.ndarray, own: Grid, grid: Grid, outside: float) -> np.ndarray:
    """Return for each voxel of a grid the value of the voxel of an image that it lies in.

    Where it lies between two, as when voxels are halved, it takes the later one.
    """
    way = np.linalg.inv(own.affine) @ grid.affine
    index = np.indices(grid.shape).reshape(3, -1)
    at = np.floor(way[:3, :3] @ index + way[:3, 3:] + 0.5 + BETWEEN).astype(np.int64)
    inside = ((at >= 0) & (at < np.array(data.shape)[:, None])).all(axis=0)
    out = np.full(grid.size, outside, data.dtype)
    out[inside] = data[tuple(at[:, inside])]
    return out


def responses(
    files: Sequence[Path],
    rows: Sequence[int],
    target: Target,
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
    target
        The grid that every file must have; axes that are permuted or flipped are put in its
        order. Betas are never resampled.
    voxels
        bool (grid.size,).
    factor
        Returns what the stored numbers of a file are multiplied by.

    Returns
    -------
    float32 (len(rows), n_voxels), voxels in C order of the grid.
    """
    out = np.empty((len(rows), int(voxels.sum())), np.float32)
    inside = voxels.reshape(target.grid.shape)
    place = {row: k for k, row in enumerate(rows)}
    volume = 0
    for path in files:
        own, count = grid_of(path, template=target.template)
        way = check_grid(path, own, target.grid, files[0])
        if count != 1 and len(files) > 1:
            raise DataError(f"{path}: has {count} volumes where a single trial's one is expected.")
        times = factor(path)
        for block in _volumes(path):
            block = way.apply(block)
            for k in range(block.shape[3]):
                if volume in place:
                    out[place[volume]] = block[..., k][inside] * times
                volume += 1
    return out


def check_grid(path: Path, own: Grid, grid: Grid, first: Path) -> Alignment:
    """Return how betas lie on the subject's grid, which is that of ``first``.

    Raises
    ------
    DataError
        If they are on another grid: betas are not resampled.
    """
    way = align(own, grid)
    if way is None or not way.is_same:
        unplaced = own.placed != grid.placed
        remedy = (
            "If their voxels are in the same order, give both one place: --set "
            f"{AFFINE_FROM}=FILE, an image of this shape that has it."
            if unplaced
            else "All betas of a subject share one grid, and are not resampled here: write those "
            "of this file again on the others' grid, with the tool that made them."
        )
        raise DataError(
            f"{path}: is on another grid than {first}: {difference(own, grid, 'the others')}. "
            f"{remedy}"
        )
    return way


def check_real(path: Path, kind: np.dtype) -> None:
    """Refuse a file that stores something else than one real number per voxel.

    Raises
    ------
    DataError
        If its numbers are complex, or colours or records.
    """
    if kind.kind == "c":
        raise DataError(
            f"{path}: holds complex numbers ({kind}). Is their magnitude meant or their real "
            "part? Write the one that is meant into a file of real numbers."
        )
    if kind.kind not in "iufb":
        raise DataError(
            f"{path}: holds colours or records ({kind}) where one number per voxel is needed."
        )


def about_two_places(path: Path) -> str:
    """Return in words how sform and qform of a file differ; empty where they agree, or one counts.

    Both are read as places only where their codes are above 0; the sform is then the one taken.
    """
    image = _open(path)
    header = image.header
    if not isinstance(header, nib.Nifti1Header) or isinstance(image, MGHImage):
        return ""
    if not (header["sform_code"] > 0 and header["qform_code"] > 0):
        return ""
    try:
        sform, qform = header.get_sform(), header.get_qform()
    except (ValueError, HeaderDataError):
        return ""  # a qform that is no rotation places nothing
    corners = np.array(list(product(*((0, n - 1) for n in image.shape[:3]))))
    apart = corners @ (sform - qform)[:3, :3].T + (sform - qform)[:3, 3]
    mm = float(np.linalg.norm(apart, axis=1).max())
    if not mm > TOLERANCE * float(voxel_sizes(sform).min()):  # NaN is refused elsewhere
        return ""
    return f"its sform and qform differ by up to {mm:.2g} mm; the sform is taken"


def why_no_background(path: Path) -> str:
    """Return why maps cannot be drawn on an image, all of which is read; empty where they can."""
    stamp = path.stat().st_mtime_ns if path.exists() else 0
    return _why_no_background(path, stamp)


@lru_cache(maxsize=64)
def _why_no_background(path: Path, _: int) -> str:
    try:
        if (count := grid_of(path)[1]) != 1:
            return f"it holds {count} volumes where one is drawn on"
        with _translating_errors(path):
            values = np.asarray(_open(path).dataobj)
            finite = values[np.isfinite(values)]
        varies = finite.size > 0 and finite.min() < finite.max()
        return "" if varies else "it holds one number only, or none that is finite"
    except DataError as error:
        return str(error).removeprefix(f"{path}: ").rstrip(".")


def _is_placed(image: Any) -> bool:
    """Return whether the header says where the volume lies, and not just how it is stored."""
    header = image.header
    if np.array_equal(image.affine, np.eye(4)):
        return False
    if isinstance(image, MGHImage):
        return bool(header["goodRASFlag"] == 1)
    if isinstance(header, nib.Nifti1Header):
        return bool(header["sform_code"] > 0 or header["qform_code"] > 0)
    return True


def _open(path: Path) -> Any:
    check_file(path)
    with _translating_errors(path):
        image = nib.load(path, keep_file_open=True)
        if not isinstance(image, SpatialImage):
            raise DataError(f"{path}: is no volume but {type(image).__name__}.")
        check_real(path, image.get_data_dtype())
        return image


def _volumes(path: Path) -> Iterator[np.ndarray]:
    """Yield (x, y, z, k) stretches of an image; the file is inflated once, front to back."""
    image = _open(path)
    grid, count = grid_of(path)
    at_once = max(1, CHUNK // (8 * grid.size))
    for start in range(0, count, at_once):
        stop = min(start + at_once, count)
        with _translating_errors(path):
            if len(image.shape) == 3:
                data = np.asarray(image.dataobj)
            else:
                data = np.asarray(image.dataobj[..., start:stop])
        yield data.reshape(*grid.shape, stop - start, order="F")


@contextmanager
def _translating_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except DAMAGE as error:
        if missing := why_absent(path):
            raise MissingDataError(f"{path}: {missing}") from error
        text = " ".join(str(error).split())
        raise DataError(
            f"{path}: is not an image, or one that is damaged or cut off ({text})."
        ) from error
