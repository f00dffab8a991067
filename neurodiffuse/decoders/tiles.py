"""Matrix products whose bits do not depend on the number of threads.

BLAS divides a product by its number of threads, and what it divides it rounds differently. Here
the result is cut into tiles of a fixed size, each computed by one thread of BLAS, as many at a
time as BLAS would have used threads.
"""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import Any
from weakref import ref

import numpy as np

from neurodiffuse.blas import one_thread_each

HEIGHT, WIDTH = 512, 512
"""Rows and columns of a tile: larger ones are no faster, smaller ones would use more threads."""

ROWS = 512
"""Rows that are summed at a time in the type of the data, then in float64."""

PIECE = 4096
"""Rows of a strip that numpy is given at a time: with fewer, threads wait for the interpreter."""


class Room:
    """Memory for shifted targets, kept from one block to the next: fresh pages are slow."""

    def __init__(self) -> None:
        self._values = np.empty(0, np.uint8)

    def strips(self, rows: int, columns: int, dtype: np.dtype[Any]) -> list[np.ndarray]:
        """Return arrays (rows, width of each of `_strips`), each contiguous."""
        size = rows * columns * dtype.itemsize
        if len(self._values) < size:
            self._values = np.empty(0, np.uint8)  # let go of first
            self._values = np.empty(size, np.uint8)
        flat = self._values[:size].view(dtype)
        parts = (flat[rows * part.start : rows * part.stop] for part in _strips(columns))
        return [part.reshape(rows, -1) for part in parts]


def room() -> Room:
    """Return the one room, which lasts as long as somebody holds it. One product at a time."""
    global _ROOM
    here = _ROOM() if _ROOM else None
    if here is None:
        here = Room()
        _ROOM = ref(here)
    return here


_ROOM: ref[Room] | None = None


def shifted_product(
    left: np.ndarray, targets: np.ndarray, origin: np.ndarray, space: Room | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return left @ shifted, and column sums of shifted and of its squares.

    Parameters
    ----------
    left
        (m, n).
    targets
        (n, width), of any real type; shifted = targets - origin.
    origin
        (width,), of the type of ``left``, as is the product. Sums are float64.
    space
        Where shifted targets are put; otherwise memory is asked for anew.
    """
    out = np.empty((len(left), targets.shape[1]), left.dtype)
    total, square = np.zeros(len(origin)), np.zeros(len(origin))
    # strips of their own: one of a wider array is slower to multiply
    parts = _strips(len(origin))
    strips = (space or Room()).strips(len(targets), len(origin), left.dtype)
    shifted = [Event() for _ in parts]

    def shift(k: int) -> None:
        try:
            for rows in _parts(len(targets), PIECE):
                part = strips[k][rows]
                np.subtract(targets[rows, parts[k]], origin[parts[k]], out=part, dtype=left.dtype)
                sums = _sums(part)
                total[parts[k]] += sums[0]
                square[parts[k]] += sums[1]
        finally:
            shifted[k].set()  # nobody waits for what failed

    def tile(k: int, rows: slice) -> None:
        shifted[k].wait()
        np.matmul(left[rows], strips[k], out=out[rows, parts[k]])

    shifts = [partial(shift, k) for k in range(len(parts))]
    tiles = [
        partial(tile, k, rows) for k in range(len(parts)) for rows in _parts(len(left), HEIGHT)
    ]
    with one_thread_each() as each:
        each(lambda work: work(), shifts + tiles)
    return out, total, square


def take_off(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> None:
    """Take the outer product of rows (m,) and columns (width,) off values (m, width), in place."""

    def piece(part: slice) -> None:
        values[part] -= np.outer(rows[part], columns)

    with one_thread_each() as each:
        each(piece, _parts(len(values), HEIGHT))


def _sums(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return column sums of values and of their squares, float64, `ROWS` summed in their type."""
    whole = len(part) // ROWS * ROWS
    total, square = np.zeros(part.shape[1]), np.zeros(part.shape[1])
    for rows in (part[:whole].reshape(-1, ROWS, part.shape[1]), part[None, whole:]):
        total += rows.sum(axis=1).sum(axis=0, dtype=np.float64)
        square += np.einsum("kij,kij->kj", rows, rows).sum(axis=0, dtype=np.float64)
    return total, square


def _strips(columns: int) -> list[slice]:
    """Return strips of `WIDTH`, the last ones narrower: no thread waits long for another."""
    out, start = [], 0
    while start < columns:
        left = columns - start
        width = WIDTH if left > WIDTH else max((left + 1) // 2, min(left, WIDTH // 4))
        out.append(slice(start, start + width))
        start += width
    return out


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]
