"""Executors of one machine: this process, or several beside it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import queue
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from neurodiffuse.errors import RunError
from neurodiffuse.executor.execute import RETRIES, Executor, Work

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class InProcess(Executor):
    """The process itself, one task after the other; BLAS and the networks use threads inside."""

    apart = False

    def run(
        self, work: Work, tasks: Sequence[tuple[Any, ...]], *, quiet: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Yield results in the order of the tasks."""
        for number, task in enumerate(tasks):
            yield number, work(task)


class Processes(Executor):
    """Worker processes of this machine, which share its cores and the memory budget.

    Each is a pool of its own, so that one that is killed costs the task it was at and no other.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._all = [_Worker(f"--executor local:{workers}", workers) for _ in range(workers)]
        for worker in self._all:
            self._free.put(worker)

    def run(
        self, work: Work, tasks: Sequence[tuple[Any, ...]], *, quiet: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Yield results as they are finished; the work waits in a file until a worker reads it."""
        with tempfile.TemporaryDirectory(prefix="neurodiffuse-") as folder:
            place = Path(folder) / "work.pickle"
            with place.open("wb") as file:
                pickle.dump(work, file, protocol=pickle.HIGHEST_PROTOCOL)
            threads = ThreadPoolExecutor(self.workers)
            try:
                under_way = {
                    threads.submit(self._one, place, task, quiet): number
                    for number, task in enumerate(tasks)
                }
                for future in as_completed(under_way):
                    yield under_way[future], future.result()
            finally:
                threads.shutdown(cancel_futures=True)

    def share(self, memory: int | None) -> int | None:
        """Return an equal part for each worker."""
        return memory // self.workers if memory else None

    def close(self) -> None:
        """End the worker processes."""
        for worker in self._all:
            worker.close()

    def __str__(self) -> str:
        return f"local:{self.workers}"

    def _one(self, place: Path, task: tuple[Any, ...], quiet: bool) -> Any:
        worker = self._free.get()
        try:
            return worker.call(place, task, quiet)
        finally:
            self._free.put(worker)


class _Worker:
    """One process, started when it is needed and again when it was lost."""

    def __init__(self, name: str, workers: int) -> None:
        self._name, self._workers = name, workers
        self._pool: ProcessPoolExecutor | None = None

    def call(self, place: Path, task: tuple[Any, ...], quiet: bool) -> Any:
        for _ in range(RETRIES + 1):
            if self._pool is None:
                context = multiprocessing.get_context("spawn")
                threads = max((os.cpu_count() or 1) // self._workers, 1)
                self._pool = ProcessPoolExecutor(
                    1, mp_context=context, initializer=_begin, initargs=(threads,)
                )
            try:
                return self._pool.submit(_do, str(place), task).result()
            except BrokenProcessPool:
                self.close()
                if not quiet:
                    print(
                        f"{self._name}: a worker process was lost; what it was at is done again",
                        file=sys.stderr,
                    )
        raise RunError(
            f"{self._name}: worker processes ended {RETRIES + 1} times at the same task; perhaps "
            "memory was short. What was finished is kept; give fewer workers, or --memory."
        )

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


def _begin(threads: int) -> None:
    """Prepare a worker process: its share of the cores, and an end when its parent ends."""
    for name in THREADS:  # read by numpy and torch when they are imported
        os.environ.setdefault(name, str(threads))
    if "numpy" in sys.modules:
        from threadpoolctl import threadpool_limits

        threadpool_limits(int(os.environ["OMP_NUM_THREADS"]))
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a killed client must leave nobody who still writes into its run


def _do(place: str, task: tuple[Any, ...]) -> Any:
    return _work(place)(task)


@lru_cache(maxsize=1)
def _work(place: str) -> Work:
    """Return the work of a file, which a process reads once."""
    with Path(place).open("rb") as file:
        return cast("Work", pickle.load(file))
