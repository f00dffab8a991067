"""Executors of one machine: this process, or several beside it."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from neurodiffuse.errors import RunError
from neurodiffuse.executor.cluster import Dask
from neurodiffuse.executor.credentials import PRELOAD, QUIET, need_packages, temporary
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


class Processes(Dask):
    """Worker processes of this machine, which share its cores and the memory budget.

    They are a `distributed.LocalCluster` that listens on the loopback address only, to those who
    have its keys. A process that is lost is started again, and ends when this one does. As many are
    started as there are tasks, up to the number of workers.
    """

    direct = True

    def __init__(self, workers: int) -> None:
        super().__init__(f"local:{workers}")
        self.workers = workers
        self._cluster: Any = None
        self._quiet = False

    def run(
        self, work: Work, tasks: Sequence[tuple[Any, ...]], *, quiet: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Yield results as they are finished."""
        self._quiet = quiet
        client = self._connected(quiet=True)
        wanted = min(self.workers, max(len(tasks), 1))
        if wanted > len(self._cluster.workers):
            self._cluster.scale(wanted)
            client.wait_for_workers(wanted)
        yield from super().run(work, tasks, quiet=quiet)

    def share(self, memory: int | None) -> int | None:
        """Return an equal part for each worker."""
        return memory // self.workers if memory else None

    def close(self) -> None:
        """End the worker processes."""
        self._quiet = True
        super().close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def __str__(self) -> str:
        return self.address

    def _connect(self, quiet: bool) -> Any:
        need_packages(str(self), "distributed", "cryptography")
        import dask
        from distributed import Client, LocalCluster, SchedulerPlugin

        threads = max((os.cpu_count() or 1) // self.workers, 1)
        settings = {
            "distributed.nanny.pre-spawn-environ": dict.fromkeys(THREADS, threads),
            "distributed.scheduler.allowed-failures": RETRIES,
        }
        with dask.config.set(QUIET | settings):
            try:
                self._cluster = LocalCluster(
                    n_workers=0,
                    threads_per_worker=1,
                    memory_limit=None,
                    host="127.0.0.1",
                    protocol="tls://",
                    security=temporary(),
                    dashboard_address="127.0.0.1:0",
                    preload=[PRELOAD],
                    scheduler_kwargs={"dashboard": False},
                    silence_logs=logging.CRITICAL,
                )
            except (OSError, RuntimeError) as error:
                raise RunError(f"--executor {self}: cannot be started ({error}).") from error

        executor = self

        class Losses(SchedulerPlugin):
            """Says that a worker was lost."""

            def remove_worker(self, scheduler: Any, worker: str, **more: Any) -> None:
                if not executor._quiet:
                    print(
                        f"--executor {executor}: a worker process was lost; what it was at is "
                        "done again",
                        file=sys.stderr,
                    )

        self._cluster.scheduler.add_plugin(Losses(), name="losses")
        return Client(self._cluster)

    def _await_workers(self, quiet: bool) -> None:
        """Wait for nobody: workers are started when it is known how many tasks there are."""

    def _killed(self, worker: str = "") -> RunError:
        return RunError(
            f"{self}: worker processes ended {RETRIES + 1} times at the same task; "
            "perhaps memory was short. What was finished is kept; give fewer workers, or --memory."
        )
