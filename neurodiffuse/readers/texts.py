"""Arrays of texts in ``.npy`` files, also those that numpy writes as pickled objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.pickles import load_npy


def read_texts(path: Path) -> np.ndarray:
    """Return an array of texts, of the file's shape, with the dtype object.

    Fixed-width texts are read as they are; bytes are UTF-8. None in an array of Python objects is
    an empty text.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is no array of texts, or damaged, or would run code (`load_npy`).
    """
    if not path.exists():
        raise MissingDataError(f"{path}: there is no such file.")
    return _as_texts(path, load_npy(path, mapped=True))


def _as_texts(path: Path, found: np.ndarray) -> np.ndarray:
    if found.dtype.kind == "S":
        try:
            return np.array([cell.decode() for cell in found.flat], object).reshape(found.shape)
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: holds bytes that are no texts in UTF-8 ({error}).") from error
    if found.dtype.kind == "U":
        return found.astype(object)
    if found.dtype.kind != "O":
        raise DataError(f"{path}: is {found.dtype} of shape {found.shape}; texts are needed.")
    out = np.empty(found.shape, object)
    for place, cell in np.ndenumerate(found):
        if cell is not None and not isinstance(cell, str):
            raise DataError(f"{path}: holds {cell!r:.60} at {place}, where texts are needed.")
        out[place] = str(cell or "")
    return out
