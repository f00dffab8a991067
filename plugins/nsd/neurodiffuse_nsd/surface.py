"""Data on the vertices of a surface, in FreeSurfer's .mgh and .mgz files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from nibabel.freesurfer.mghformat import MGHImage

from neurodiffuse_nsd.nifti import BLOCK, said_clearly
from neurodiffuse_nsd.tree import WrongFileError

VERTICES = 163_842
"""Vertices of a hemisphere of fsaverage."""

_START = 284  # bytes before the data of a .mgh file


def shape_of(path: Path) -> tuple[int, int]:
    """Return the number of vertices and of trials; only the header is read.

    Raises
    ------
    DataError
        If the file is cut off or holds something else than one float a vertex and trial.
    """
    with said_clearly(path):
        image = MGHImage.from_filename(path)
        shape = (*image.shape, 1)[:4]
        if shape[1:3] != (1, 1) or image.get_data_dtype().newbyteorder("=") != np.float32:
            raise WrongFileError(
                f"{path}: has shape {image.shape} of {image.get_data_dtype()}; float32 values of "
                "the vertices of a surface are read."
            )
        if path.stat().st_size < _START + 4 * shape[0] * shape[3]:
            raise EOFError("it ends before its last trial")
        return int(shape[0]), int(shape[3])


def masked(paths: tuple[Path, Path], vertices: np.ndarray) -> Iterator[np.ndarray]:
    """Yield float32 (k, n_vertices) of both hemispheres for some trials at a time.

    ``vertices`` is bool, the left hemisphere's and then the right one's.
    """
    shapes = [shape_of(path) for path in paths]
    if shapes[0][1] != shapes[1][1]:
        raise WrongFileError(
            f"{paths[1]}: has {shapes[1][1]} trials where {paths[0].name} has {shapes[0][1]}."
        )
    halves = np.split(vertices, [shapes[0][0]])
    data = [
        np.memmap(path, ">f4", "r", _START, (trials, count))
        for path, (count, trials) in zip(paths, shapes, strict=True)
    ]
    at_once = max(1, BLOCK // (4 * vertices.size))
    for start in range(0, shapes[0][1], at_once):
        parts = [d[start : start + at_once][:, h] for d, h in zip(data, halves, strict=True)]
        yield np.hstack(parts).astype(np.float32)


def holds_floats(path: Path) -> bool:
    """Return whether values are stored as floats; only the header is read."""
    with said_clearly(path):
        return bool(MGHImage.from_filename(path).get_data_dtype().kind == "f")


def values(path: Path) -> np.ndarray:
    """Return one value a vertex, as stored."""
    with said_clearly(path):
        return np.asarray(MGHImage.from_filename(path).dataobj).reshape(-1)
