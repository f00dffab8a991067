"""Volumes and series of volumes in NIfTI files: inflated once, front to back, never whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import nibabel as nib
import numpy as np
from isal import igzip, isal_zlib

from neurodiffuse.errors import DataError
from neurodiffuse.readers.reach import check_file
from neurodiffuse.readers.volumes import DAMAGE, check_real
from neurodiffuse.types import Shape
from neurodiffuse_nsd.tree import WrongFileError, check_content

BLOCK = 32 * 2**20
"""Bytes of a series that are inflated before the mask is applied to them."""

SCALE = 300
"""Integers are percent signal change times this, where the header has no scale of its own."""


@dataclass(frozen=True, eq=False)
class Header:
    """What a file says of itself: (x, y, z), number of volumes, affine, type, where data begin."""

    shape: Shape
    volumes: int
    affine: np.ndarray
    placed: bool
    dtype: np.dtype
    start: int
    slope: float
    offset: float

    @property
    def scaled(self) -> bool:
        """Whether the header says how stored values become those that are meant."""
        return self.slope not in (0.0, 1.0) or bool(self.offset)

    def percent(self, stored: np.ndarray) -> np.ndarray:
        """Return stored values as percent signal change, float32.

        A scale in the header is applied. Integers without one are NSD's, percent times 300.
        """
        if self.scaled:
            return (stored * np.float32(self.slope or 1) + np.float32(self.offset)).astype("f4")
        if self.dtype.kind in "iu":
            return np.divide(stored, np.float32(SCALE), dtype=np.float32)
        return stored.astype(np.float32)


@contextmanager
def said_clearly(path: Path) -> Iterator[None]:
    """Turn what libraries say of a damaged file into one line."""
    try:
        yield
    except DataError:
        raise
    # RuntimeError: h5py, of most damages
    except (*DAMAGE, TypeError, LookupError, RuntimeError, isal_zlib.error) as error:  # type: ignore[misc]
        check_content(path)
        text = " ".join(str(error).split()) or type(error).__name__
        raise WrongFileError(
            f"{path}: cannot be read, the file is cut off or not what its name says ({text})."
        ) from error


def read_header(path: Path) -> Header:
    """Return what the header says; nothing else is read.

    Raises
    ------
    DataError
        If the file is no NIfTI volume or series, or holds other numbers than real ones.
    """
    with said_clearly(path), _open(path) as file:
        header = nib.Nifti1Header.from_fileobj(file)
        dimensions = tuple(int(n) for n in header.get_data_shape())
        if len(dimensions) not in (3, 4):
            raise WrongFileError(f"{path}: has shape {dimensions}; (x, y, z) or a series is read.")
        check_real(path, header.get_data_dtype())
        slope, offset = (float(header[k]) for k in ("scl_slope", "scl_inter"))
        return Header(
            shape=dimensions[:3],
            volumes=dimensions[3] if len(dimensions) == 4 else 1,
            affine=header.get_best_affine(),
            placed=bool(header["sform_code"] > 0 or header["qform_code"] > 0)
            and not np.array_equal(header.get_best_affine(), np.eye(4)),
            dtype=header.get_data_dtype(),
            start=int(header["vox_offset"]),
            slope=slope if np.isfinite(slope) else 0.0,
            offset=offset if np.isfinite(offset) and np.isfinite(slope) else 0.0,
        )


def masked(path: Path, header: Header, voxels: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the series at some voxels, as stored: (k, n_voxels) for some volumes at a time.

    Parameters
    ----------
    path
        A file whose header is ``header``.
    header
        As `read_header` returned it.
    voxels
        bool (x * y * z,), C order; columns come in that order.

    Raises
    ------
    DataError
        If the file ends early or its checksum is wrong.
    """
    places = fortran(voxels, header.shape)
    size = voxels.size * header.dtype.itemsize
    at_once = max(1, BLOCK // size)
    buffer = bytearray(size * min(at_once, header.volumes))
    with said_clearly(path), _open(path) as file:
        _skip(file, header.start)
        for first in range(0, header.volumes, at_once):
            count = min(at_once, header.volumes - first)
            view = memoryview(buffer)[: count * size]
            _fill(file, view)
            yield np.frombuffer(view, header.dtype).reshape(count, -1)[:, places]
        if file.read(1):
            raise WrongFileError(
                f"{path}: holds more than the {header.volumes} volumes of its header."
            )


def volume(path: Path) -> tuple[np.ndarray, Header]:
    """Return the first volume as stored, flat in C order of (x, y, z), and the header."""
    header = read_header(path)
    everything = np.ones(int(np.prod(header.shape)), bool)
    if header.volumes > 1:
        raise WrongFileError(f"{path}: has {header.volumes} volumes where one is expected.")
    stored = next(masked(path, header, everything))[0]
    if header.scaled:
        stored = stored * (header.slope or 1) + header.offset
    return stored, header


def fortran(voxels: np.ndarray, shape: Shape) -> np.ndarray:
    """Return where a mask's voxels (bool, C order) lie in a file that counts x fastest."""
    x, y, z = np.unravel_index(np.flatnonzero(voxels), shape)
    return np.ravel_multi_index((z, y, x), shape[::-1])


def _open(path: Path) -> BinaryIO:
    check_file(path)
    opener = igzip.open if path.suffix == ".gz" else open
    return cast("BinaryIO", opener(path, "rb"))


def _skip(file: BinaryIO, count: int) -> None:
    while count > 0:
        got = len(file.read(min(count, 2**20)))
        if not got:
            raise EOFError("it ends within the header")
        count -= got


def _fill(file: BinaryIO, view: memoryview) -> None:
    done = 0
    while done < len(view):
        got = file.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            raise EOFError("it ends before its last volume")
        done += got
