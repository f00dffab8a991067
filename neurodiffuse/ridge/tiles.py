"""Matrix products whose bits do not depend on the number of threads.

BLAS divides a product by its number of threads, and what it divides it rounds differently. Here
the result is cut into tiles of a fixed size, each computed by one thread of BLAS, as many at a
time as BLAS would have used threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

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
    with _one_thread_each() as each:
        each(shift, strips)
        each(tile, [(part, strip) for strip in strips for part in rows])
    return out, total, square


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


@contextmanager
def _one_thread_each() -> Iterator[Callable[[Callable[[Any], None], Sequence[Any]], None]]:
    """Keep BLAS to one thread, and give a function that calls another one with many items.

    It does so in as many threads as BLAS had. The limit holds for the whole process, and only who
    set it can take it back, so that there is one product at a time.
    """
    with _LOCK:
        libraries = _blas()
        had = max((library.num_threads or 1 for library in libraries.lib_controllers), default=1)
        limit = partial(libraries.limit, limits=1)

        def each(function: Callable[[Any], None], items: Sequence[Any]) -> None:
            if had == 1 or len(items) == 1:
                for item in items:
                    function(item)
                return
            # some BLAS libraries count threads for each thread that calls them
            with ThreadPoolExecutor(min(had, len(items)), initializer=limit) as pool:
                for _ in pool.map(function, items):
                    pass  # an error is raised here

        with limit():
            yield each


_LOCK = threading.Lock()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
