"""Reading volumes: the grid from the header, values a few volumes at a time."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

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
    scale: Callable[[Path], float],
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
    scale
        Returns the factor of a file whose integers the header does not scale.

    Returns
    -------
    float32 (len(rows), n_voxels), voxels in C order of the grid.
    """
    out = np.empty((len(rows), int(voxels.sum())), np.float32)
    inside = voxels.reshape(grid.shape)
    place = {row: k for k, row in enumerate(rows)}
    volume = 0
    for path in files:
        check_grid(path, grid, files[0])
        factor = scale(path)
        for block in _volumes(path):
            for k in range(block.shape[3]):
                if volume in place:
                    out[place[volume]] = block[..., k][inside] * factor
                volume += 1
    return out


def check_grid(path: Path, grid: Grid, first: Path) -> int:
    """Return the number of volumes of an image; refuse one of another grid than ``first``."""
    own, count = grid_of(path)
    if not same_grid(own, grid):
        raise DataError(
            f"{path}: is on another grid than {first}: {difference(own, grid)}. All betas of a "
            "subject share one grid."
        )
    return count


def unscaled_integers(path: Path) -> bool:
    """Return whether an image holds integers that its header does not scale."""
    header: Any = _open(path).header
    slope, inter = header.get_slope_inter()
    return header.get_data_dtype().kind in "iu" and slope in (None, 1) and inter in (None, 0)


def sidecar(path: Path, root: Path) -> dict[str, Any]:
    """Return an image's metadata: JSON files from the root down, the nearest one wins.

    A JSON file further up, or with fewer entities in its name, applies to every image with
    these entities (the inheritance principle of BIDS).
    """
    stem = _stem(path)
    suffix, entities = stem.rsplit("_", 1)[-1], set(stem.split("_")[:-1])
    inside = [p for p in path.parents if p == root or root in p.parents]
    merged: dict[str, Any] = {}
    for folder in reversed(inside):
        fitting = [
            (len(parts), file)
            for file, parts, end in _inherited(folder)
            if end == suffix and parts <= entities
        ]
        for _, file in sorted(fitting):
            merged |= _json(file)
    own = path.with_name(f"{stem}.json")
    return merged | (_json(own) if own.exists() else {})


@cache
def _inherited(folder: Path) -> tuple[tuple[Path, frozenset[str], str], ...]:
    """Return the JSON files of a folder that belong to no image of their own."""
    names = [p.name for p in folder.iterdir()] if folder.is_dir() else []
    images = {_stem(Path(name)) for name in names if not name.endswith(".json")}
    found = []
    for name in sorted(names):
        stem = name.removesuffix(".json")
        if stem != name and stem not in images:
            *parts, suffix = stem.split("_")
            found.append((folder / name, frozenset(parts), suffix))
    return tuple(found)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not readable as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no JSON object, {{…}}.")
    return content


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rsplit(".", 1)[0]


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
    except (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"{path}: cannot be read as an image, damaged or cut off? ({text})"
        ) from error
