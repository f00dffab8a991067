"""Read long stretches of a file, past the system's cache if it is large, into memory used again.

A file that is read once, from end to end, gains nothing from the cache and pushes out of it what is
used again; finding room for it took more processor time than reading it, as did clearing fresh
memory for each stretch (docs/decisions/0002-ridge.md).
"""

from __future__ import annotations

import errno
import mmap
import os
from io import BufferedIOBase
from pathlib import Path
from weakref import finalize

import numpy as np

KEPT = 2**29
"""Bytes of the largest file that is kept in the system's cache."""


class Stretches:
    """A file that is open to read stretches of it; threads may do so at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spare: list[mmap.mmap] = []
        past = _past_the_cache(path) if path.stat().st_size > KEPT else None
        self._file = os.open(path, os.O_RDONLY) if past is None else past

    def __enter__(self) -> Stretches:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def read(self, start: int, size: int) -> np.ndarray:
        """Return ``size`` bytes from ``start`` on, all of one length (uint8).

        Raises
        ------
        EOFError
            If the file ends before.
        """
        # what goes past the cache begins at a page, in the file as in memory
        lead = start % mmap.PAGESIZE
        room = -(-(lead + size) // mmap.PAGESIZE) * mmap.PAGESIZE
        memory = self._memory(room)
        done = 0
        while done < lead + size:
            part = memoryview(memory)[done:room]
            got = os.preadv(self._file, [part], start - lead + done)
            if not got or os.fstat(self._file).st_size < start + size:
                raise EOFError(f"{self._path} ends before byte {start + size}")
            done += got
        values = np.frombuffer(memory, np.uint8, size, lead)
        # Memory is given again when nobody holds the values or a view of them: what the system
        # hands out has to be cleared first, which takes longer than filling it. It goes back the
        # moment the list is let go of, whatever malloc keeps.
        finalize(values, self._spare.append, memory).atexit = False
        return values

    def _memory(self, size: int) -> mmap.mmap:
        while self._spare:
            memory = self._spare.pop()
            if len(memory) >= size:
                return memory
        return mmap.mmap(-1, size + mmap.PAGESIZE)  # where a stretch begins in a page may differ


def leave_no_cache(file: BufferedIOBase) -> None:
    """Have what was written to a file, if it is large, on the disk and not in the cache as well."""
    file.flush()
    if os.fstat(file.fileno()).st_size > KEPT and hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _past_the_cache(path: Path) -> int | None:
    """Open a file so that it is read past the cache, or return None where that cannot be done."""
    if not hasattr(os, "O_DIRECT"):
        return None
    file = None
    try:
        file = os.open(path, os.O_RDONLY | os.O_DIRECT)
        os.preadv(file, [mmap.mmap(-1, mmap.PAGESIZE)], 0)  # some file systems refuse only here
    except OSError as error:
        if file is not None:
            os.close(file)
        if error.errno != errno.EINVAL:
            raise
        return None
    return file


def release_pages(x: np.ndarray) -> None:
    """Give back the memory of an array that is mapped from disk; it is read again when used."""
    if (
        isinstance(x, np.memmap)
        and isinstance(x.base, mmap.mmap)
        and hasattr(mmap, "MADV_DONTNEED")
    ):
        x.base.madvise(mmap.MADV_DONTNEED)
