"""Matrix products whose bits do not depend on the number of threads.

BLAS divides a product by its number of threads, and what it divides it rounds differently. Here
the result is cut into tiles of a fixed size, each computed by one thread of BLAS, as many at a
time as BLAS would have used threads.
"""

from __future__ import annotations

import numpy as np

from neurodiffuse.blas import one_thread_each

HEIGHT, WIDTH = 1024, 512
"""Rows and columns of a tile: larger ones waste less of a thread, smaller ones use more threads."""

ROWS = 1024
"""Rows that are summed at a time in the type of the data, then in float64."""


def shifted_product(
    left: np.ndarray, targets: np.ndarray, origin: np.ndarray
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
    """
    out = np.empty((len(left), targets.shape[1]), left.dtype)
    total, square = np.zeros(len(origin)), np.zeros(len(origin))
    shifted: dict[int, np.ndarray] = {}

    def shift(columns: slice) -> None:
        # contiguous of its own: a strip of a wider array is slower to multiply
        strip = np.empty((len(targets), columns.stop - columns.start), left.dtype)
        for start in range(0, len(strip), ROWS):
            part, rows = strip[start : start + ROWS], slice(start, start + ROWS)
            np.subtract(targets[rows, columns], origin[columns], out=part, dtype=left.dtype)
            total[columns] += part.sum(axis=0)
            square[columns] += np.einsum("ij,ij->j", part, part)
        shifted[columns.start] = strip

    def tile(place: tuple[slice, slice]) -> None:
        rows, columns = place
        np.matmul(left[rows], shifted[columns.start], out=out[place])

    strips, rows = _parts(len(origin), WIDTH), _parts(len(left), HEIGHT)
    with one_thread_each() as each:
        each(shift, strips)
        each(tile, [(part, strip) for strip in strips for part in rows])
    return out, total, square


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]
