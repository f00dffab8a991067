"""Betas in HDF5 files: a voxel's trials lie together, so only the mask's voxels are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from neurodiffuse.readers.reach import check_file
from neurodiffuse.types import Shape
from neurodiffuse_nsd.nifti import BLOCK, said_clearly
from neurodiffuse_nsd.tree import WrongFileError

NAME = "betas"
"""The data set in each file: MATLAB's (x, y, z, trial), which HDF5 stores and h5py shows
reversed, as (trial, z, y, x)."""

APART = 64
"""Voxels of a chunk from which on whole volumes are read instead of single voxels."""


def shape_of(path: Path) -> tuple[Shape, int]:
    """Return (x, y, z) and the number of volumes.

    Raises
    ------
    DataError
        If the file is cut off, or holds no betas, or others than NSD's integers: the unit of
        those would be a guess.
    """
    with said_clearly(path), open_hdf5(path) as file:
        data = _betas(file, path)
        if data.dtype.kind not in "iu":
            raise WrongFileError(
                f"{path}: holds {data.dtype} where NSD has 16-bit integers (percent signal change "
                "times 300)."
            )
        return data.shape[:0:-1], data.shape[0]


def masked(path: Path, voxels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the betas at some voxels, as stored: (n_trials, n_voxels), or a few trials at a time.

    ``voxels`` is bool (x * y * z,) in C order; columns come in that order.
    """
    with said_clearly(path), open_hdf5(path) as file:
        data = _betas(file, path)
        x, y, z = np.unravel_index(np.flatnonzero(voxels), data.shape[:0:-1])
        if data.chunks is not None and np.prod(data.chunks[1:]) < APART:
            yield _by_voxel(data, x, y, z)
            return
        places = np.ravel_multi_index((z, y, x), data.shape[1:])
        at_once = max(1, BLOCK // (voxels.size * data.dtype.itemsize))
        for start in range(0, len(data), at_once):
            block = data[start : start + at_once]
            yield block.reshape(len(block), -1)[:, places]


def open_hdf5(path: Path) -> h5py.File:
    """Open a file, which may be on a read-only disk, that holds its data itself.

    Raises
    ------
    DataError
        If it is no plain file in reach, or takes a data set from another file.
    """
    check_file(path)
    file = h5py.File(path, locking=False)
    for name in file:
        link = file.get(name, getlink=True)
        item = None if isinstance(link, h5py.ExternalLink) else file.get(name)
        elsewhere = isinstance(item, h5py.Dataset) and bool(item.external or item.is_virtual)
        if isinstance(link, h5py.ExternalLink) or elsewhere:
            file.close()
            raise WrongFileError(f"{path}: its {name!r} lies in another file; none is followed.")
    return file


def _betas(file: h5py.File, path: Path) -> h5py.Dataset:
    data = file.get(NAME)
    if not isinstance(data, h5py.Dataset) or data.ndim != 4:
        held = ", ".join(f"{k} {getattr(v, 'shape', '')}".strip() for k, v in file.items())
        raise WrongFileError(
            f"{path}: has no data set '{NAME}' of four dimensions (it holds {held or 'nothing'})."
        )
    return data


def _by_voxel(data: h5py.Dataset, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Read neighbours along x in one go, in the order in which the file has them."""
    order = np.lexsort((x, y, z))
    rows = np.split(order, np.flatnonzero(_ends(x[order], y[order], z[order])) + 1)
    out = np.empty((len(data), len(x)), data.dtype)
    for row in rows:
        if len(row):
            first, last = row[0], row[-1]
            out[:, row] = data[:, z[first], y[first], x[first] : x[last] + 1]
    return out


def _ends(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return after which voxels the next one is no neighbour along x, bool (n - 1,)."""
    return (np.diff(x) != 1) | (np.diff(y) != 0) | (np.diff(z) != 0)
