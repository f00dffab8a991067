"""Arrays of texts in ``.npy`` files, also those that numpy writes as pickled objects."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from neurodiffuse.errors import DataError, MissingDataError


def read_texts(path: Path) -> np.ndarray:
    """Return an array of texts, of the file's shape, with the dtype object.

    Fixed-width texts are read as they are; bytes are UTF-8. An array of Python objects is read
    if its pickle names nothing but numpy's arrays and texts: nothing else in it is imported or
    called. None in such an array is an empty text.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is no array of texts, or damaged, or would run other code.
    """
    try:
        with path.open("rb") as file:
            shape, dtype = _header(file)
            if dtype.kind != "O":
                found = np.load(path, mmap_mode="r", allow_pickle=False)
            else:
                found = _Arrays(file).load()
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: there is no such file.") from error
    except pickle.UnpicklingError as error:
        raise DataError(f"{path}: {error}") from error
    except Exception as error:  # a damaged pickle may raise anything
        raise DataError(f"{path}: cannot be read as an array ({error}).") from error
    if not isinstance(found, np.ndarray) or found.shape != shape:
        raise DataError(f"{path}: holds something else than the array that its header announces.")
    return _as_texts(path, found)


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of a ``.npy`` file, which is left after its header."""
    version = npy.read_magic(file)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


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


class _Arrays(pickle.Unpickler):
    """Reads pickles of arrays of texts; whatever else one names is refused unseen."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what a pickle may call: numpy's makers of arrays, and of texts from bytes."""
        place = module.replace("numpy._core.", "numpy.core.")
        if (place, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        if (place, name) == ("numpy.core.multiarray", "_reconstruct"):
            return _reconstruct
        if (place, name) == ("numpy.core.multiarray", "scalar"):
            return _scalar
        if (place, name) == ("_codecs", "encode"):
            return _encode
        raise pickle.UnpicklingError(
            f"names {module}.{name}, which reading it would run; only arrays of texts are read. "
            "Save it as texts: np.save(file, array.astype(str))."
        )


def _reconstruct(kind: type, shape: tuple[int, ...], _: bytes) -> np.ndarray:
    """Return the empty array that a pickle's state fills."""
    if kind is not np.ndarray:
        raise pickle.UnpicklingError("holds something else than an array of texts.")
    return np.empty(shape, object)


def _scalar(dtype: np.dtype[Any], content: Any) -> str:
    """Return one of numpy's texts."""
    if dtype.kind != "U" or not isinstance(content, bytes):
        raise pickle.UnpicklingError(f"holds a value of dtype {dtype}, where texts are needed.")
    return str(np.frombuffer(content, dtype)[0])


def _encode(text: str, encoding: str) -> bytes:
    """Return the bytes that Python 3 writes as text for old readers of pickles."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"holds bytes in {encoding!r}, which numpy does not write.")
    return text.encode("latin1")
