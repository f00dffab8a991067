"""Work in threads of which each has one thread of BLAS, so that bits do not depend on their number.

BLAS divides a product by its number of threads, and what it divides it rounds differently.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread_each() -> Iterator[Callable[[Callable[[Any], None], Sequence[Any]], None]]:
    """Keep BLAS to one thread, and give a function that calls another one with many items.

    It does so in as many threads as BLAS had. The limit holds for the whole process, and only who
    set it can take it back, so that there is one product at a time.
    """
    with _LOCK:
        libraries = _blas()
        had = _threads(libraries)
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


def threads() -> int:
    """Return how many threads BLAS uses, or would use outside of `one_thread_each`."""
    return _threads(_blas())


def _threads(libraries: ThreadpoolController) -> int:
    return max((library.num_threads or 1 for library in libraries.lib_controllers), default=1)


_LOCK = threading.Lock()


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")
