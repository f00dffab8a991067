"""Executor on the workers of a Dask scheduler."""

from __future__ import annotations

import copy
import logging
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from neurodiffuse.errors import RunError
from neurodiffuse.executor.credentials import need_packages, warning_of
from neurodiffuse.executor.execute import RETRIES, Executor, Work

WAIT = 30
"""Seconds to wait for the scheduler to answer."""


class Dask(Executor):
    """The workers of a Dask scheduler.

    They see the run folder, the data set and the weights under the same paths as this process,
    and have the same packages installed. The memory budget is that of each worker.

    Parameters
    ----------
    address
        Of the scheduler (``tls://HOST:8786``), or the path of its scheduler file.
    """

    dashboard = True
    """Whether the scheduler has a dashboard whose address is said."""

    direct = False
    """Whether what tasks share goes to the workers without passing the scheduler."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client: Any = None

    def run(
        self, work: Work, tasks: Sequence[tuple[Any, ...]], *, quiet: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Yield results as they are finished; Dask gives a lost worker's tasks to others."""
        left = dict(enumerate(tasks))
        vain = 0
        while left and vain <= RETRIES:
            before = len(left)
            for number, result in self._pass(work, left, quiet):
                del left[number]
                yield number, result
            # the workers that held the work are gone: it is sent again to those there are now
            vain = vain + 1 if len(left) == before else 0
        if left:
            raise self._killed()

    def close(self) -> None:
        """Leave the cluster."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __str__(self) -> str:
        return f"dask:{self.address}"

    def _pass(
        self, work: Work, tasks: dict[int, tuple[Any, ...]], quiet: bool
    ) -> Iterator[tuple[int, Any]]:
        """Yield results of tasks until all are done, or those left are lost."""
        client = self._connected(quiet)  # first, since it says when Dask is not installed
        from distributed import KilledWorker, as_completed
        from distributed.comm.core import CommClosedError

        under_way: dict[Any, int] = {}
        try:
            under_way |= self._submitted(client, work, tasks)
            for future in as_completed(list(under_way)):
                try:
                    result = future.result()
                except CancelledError:
                    continue
                yield under_way.pop(future), result
        except KilledWorker as error:
            raise self._killed(error.last_worker.address) from error
        except CommClosedError as error:
            raise self._lost() from error
        finally:
            if under_way and client.status == "running":
                client.cancel(list(under_way))
        if client.status != "running":
            raise self._lost()

    def _submitted(
        self, client: Any, work: Work, tasks: dict[int, tuple[Any, ...]]
    ) -> dict[Any, int]:
        """Return the futures of the tasks; what they share is sent to every worker once."""
        try:
            sent = client.scatter(Sent(work), broadcast=True, hash=False, direct=self.direct)
            return {
                client.submit(_do, sent, task, pure=False): number for number, task in tasks.items()
            }
        except Exception as error:
            # a scheduler that has just gone is a connection that times out, or a closed client
            if client.status == "running" and not isinstance(error, OSError):
                raise
            # without a worker left it is Dask's own time limit; what Dask says tells them apart
            raise self._lost(f", or has no worker left ({_first_line(error)})") from error

    def _killed(self, worker: str = "") -> RunError:
        """Return what is said of a task whose workers were lost; ``worker`` was the last."""
        at = f" ({worker})" if worker else ""
        return RunError(
            f"{self}: a task has cost {RETRIES + 1} workers; perhaps memory was short{at}. What "
            "was finished is kept; give workers more memory, or --memory less."
        )

    def _lost(self, more: str = "") -> RunError:
        return RunError(
            f"{self}: the scheduler is gone{more}. What was finished is kept; start it again and "
            "run the same command."
        )

    def _connected(self, quiet: bool) -> Any:
        if self._client is None:
            need_packages(str(self), "distributed")
            for name in ("distributed", "distributed.client", "distributed.core"):
                # what goes wrong is said by us, in one line
                logging.getLogger(name).setLevel(logging.CRITICAL)
            self._client = self._connect(quiet)
            self._await_workers(quiet)
            if not quiet:
                count = len(self._client.scheduler_info(n_workers=-1)["workers"])
                link = self._client.dashboard_link if self.dashboard else ""
                said = f"{self}: {count} worker{'' if count == 1 else 's'}" + (
                    f"; dashboard: {link}" if link else ""
                )
                print(said, file=sys.stderr, flush=True)
        return self._client

    def _connect(self, quiet: bool) -> Any:
        from distributed import Client

        if said := warning_of(self.address):
            print(said, file=sys.stderr, flush=True)
        try:
            if Path(self.address).is_file():
                return Client(scheduler_file=self.address, timeout=WAIT)
            return Client(self.address, timeout=WAIT)
        except TypeError as error:  # what Dask makes of tls:// without keys
            raise RunError(
                f"--executor {self}: TLS needs keys. Name their files in Dask's settings, "
                "distributed.comm.tls: ca-file, client.cert and client.key."
            ) from error
        except (OSError, RuntimeError, ValueError) as error:
            raise RunError(
                f"--executor {self}: no Dask scheduler answers there ({_first_line(error)}). Start "
                "one with `dask scheduler`, or give the path of its scheduler file."
            ) from error

    def _await_workers(self, quiet: bool) -> None:
        """Wait for the first worker; a scheduler without any may get some."""
        if not self._client.scheduler_info(n_workers=-1)["workers"]:
            if not quiet:
                print(f"{self}: waiting for a worker", file=sys.stderr, flush=True)
            self._client.wait_for_workers(1)


class Sent:
    """Work as it lies in a worker, from where Dask may send it on to another at any time.

    Work may keep things that cannot be sent, an open run for example. It does so in a copy of its
    own: Dask waits for ever for work that it could not send.
    """

    def __init__(self, work: Work) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._own: Work | None = None

    def __reduce__(self) -> tuple[type[Sent], tuple[Work]]:
        return Sent, (self._work,)

    def __call__(self, task: tuple[Any, ...]) -> Any:
        """Do one task."""
        with self._lock:
            if self._own is None:
                self._own = copy.copy(self._work)
        return self._own(task)


def _do(work: Sent, task: tuple[Any, ...]) -> Any:
    return work(task)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
