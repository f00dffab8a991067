"""The pictures that were shown, read row by row from the file of all 73,000."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import h5py
import numpy as np

from neurodiffuse_nsd.hdf5 import open_hdf5
from neurodiffuse_nsd.nifti import said_clearly
from neurodiffuse_nsd.tree import WrongFileError

NAME = "imgBrick"


class PictureRows(Sequence[np.ndarray]):
    """Pictures of some rows of ``nsd_stimuli.hdf5``; a picture is read when it is asked for.

    Parameters
    ----------
    path
        The file; its data set ``imgBrick`` is uint8 (n_pictures, height, width, 3).
    rows
        Rows, from 0, in any order and as often as wanted.
    """

    def __init__(self, path: Path, rows: Sequence[int]) -> None:
        self.path = path
        self.rows = tuple(rows)
        self._data: Any = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file of all pictures."""
        return (self.path,)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        """Return a picture, or several, which are read in the order of the file."""
        if isinstance(index, slice):
            rows = self.rows[index]
            read = {row: self._read(row) for row in sorted(set(rows))}
            return [read[row] for row in rows]
        return self._read(self.rows[index])

    def _read(self, row: int) -> np.ndarray:
        with said_clearly(self.path):
            if self._data is None:
                self._data = _open(self.path)
            if row >= len(self._data):
                raise WrongFileError(
                    f"{self.path}: has {len(self._data)} pictures; the design asks for number "
                    f"{row + 1}."
                )
            return np.asarray(self._data[row])

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "rows": self.rows, "_data": None}


def check(path: Path) -> None:
    """Refuse a file that does not hold pictures; only its head is read."""
    with said_clearly(path):
        _open(path).file.close()


def _open(path: Path) -> h5py.Dataset:
    file = open_hdf5(path)
    data = file.get(NAME)
    good = isinstance(data, h5py.Dataset) and data.ndim == 4 and data.shape[3] == 3
    if not good or data.dtype != np.uint8:
        held = ", ".join(f"{k} {getattr(v, 'shape', '')}".strip() for k, v in file.items())
        raise WrongFileError(
            f"{path}: has no pictures, no uint8 '{NAME}' of (n, height, width, 3) (it holds "
            f"{held or 'nothing'})."
        )
    return data
