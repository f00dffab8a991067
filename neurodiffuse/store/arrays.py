"""Arrays of a run: betas, and what steps leave for others, opened without being read."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.files import read_clearly, read_json
from neurodiffuse.types import Betas, Shape


def save_betas(folder: Path, name: str, betas: Betas) -> None:
    """Write ``name.npy`` (n_rows, n_voxels) float32 and the ids beside it."""
    np.save(folder / f"{name}.npy", np.asarray(betas.values, np.float32))
    (folder / f"{name}.json").write_text(json.dumps({"ids": betas.ids}), encoding="utf-8")


def create_betas(folder: Path, name: str, ids: Sequence[str], voxels: int) -> np.memmap:
    """Make the files of `save_betas` with all values 0 and return these, mapped, to be changed."""
    path = folder / f"{name}.npy"
    allocate(path, (len(ids), voxels), np.dtype(np.float32))
    (folder / f"{name}.json").write_text(json.dumps({"ids": tuple(ids)}), encoding="utf-8")
    return np.lib.format.open_memmap(path, "r+")


def allocate(path: Path, shape: Shape, dtype: np.dtype) -> None:
    """Make a ``.npy`` file of zeros at its full size, so that a full disk is told now."""
    head = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        start, size = file.tell(), dtype.itemsize * int(np.prod(shape))
        file.flush()
        if size:
            os.posix_fallocate(file.fileno(), start, size)


def save_triangle(path: Path, matrix: np.ndarray) -> None:
    """Write the lower triangle of a matrix (n, n) as ``.npy``, in Fortran order.

    What is above it is 0 and a hole in the file: it takes no room where file systems have holes.
    """
    head = {"descr": matrix.dtype.str, "fortran_order": True, "shape": matrix.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        start, size = file.tell(), matrix.itemsize
        for k, column in enumerate(np.asfortranarray(matrix).T):
            file.seek(start + size * k * (len(matrix) + 1))
            file.write(column[k:].data)


def load_betas(folder: Path, name: str) -> Betas:
    """Return betas whose values are mapped, not read."""
    head = read_json(folder / f"{name}.json")
    return Betas(tuple(head["ids"]), load_array(folder / f"{name}.npy", mapped=True))


def load_array(path: Path, *, mapped: bool = False) -> np.ndarray:
    """Return the array of a ``.npy`` file.

    Raises
    ------
    RunError
        If it is gone or damaged.
    """
    with read_clearly(path):
        return np.asarray(np.load(path)) if not mapped else np.load(path, mmap_mode="r")


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a ``.npz`` file by name.

    Raises
    ------
    RunError
        If it is gone or damaged.
    """
    with read_clearly(path), np.load(path) as stored:
        return dict(stored)


def load_voxels(folder: Path) -> np.ndarray:
    """Return which elements of the grid are in the mask, of a mask step's folder."""
    return load_arrays(folder / "voxels.npz")["voxels"]
