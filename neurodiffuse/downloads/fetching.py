"""Fetch many files, several at a time."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.downloads.plan import check_disk, looked_up, plan
from neurodiffuse.downloads.transfer import DiskFull, Retries, transfer
from neurodiffuse.downloads.wanted import Wanted
from neurodiffuse.downloads.watch import Stopped, Watch
from neurodiffuse.errors import DownloadError, listing

JOBS = 4
PATIENCE = 2.0
"""Seconds that a stopped command waits for transfers to notice."""


@dataclass(frozen=True)
class Fetched:
    """A file that was fetched, and by what it was verified: a checksum, ``size``, ``nothing``."""

    place: Path
    verified: str


def fetch(
    wanted: Sequence[Wanted],
    *,
    jobs: int = JOBS,
    replace: bool = False,
    quiet: bool = False,
    retries: Retries | None = None,
) -> list[Fetched]:
    """Fetch the files that are not here yet; each has its final name when it is whole.

    Parameters
    ----------
    wanted
        The files.
    jobs
        How many are fetched at a time.
    replace
        Fetch files again that are here with another size than published; else that is an error.
    quiet
        Show no progress.
    retries
        How often broken transfers are tried again.

    Raises
    ------
    DownloadError
        Says of every file that could not be had why; the others are there.
    """
    found = plan(wanted)
    if found.differ and not replace:
        names = listing((str(one.place) for one in found.differ), most=3)
        raise DownloadError(
            f"of another size than published: {names}. Remove what you do not need there, and "
            "give the command again."
        )
    rest = looked_up((*found.rest, *found.differ))
    if not rest:
        return []
    check_disk(rest)
    received = sum(one.received for one in rest)
    sizes = [one.size for one in rest]
    total = None if None in sizes else sum(size for size in sizes if size)
    with Watch(len(rest), total, received, quiet) as watch:
        return _Crew(rest, watch, retries or Retries()).work(min(max(jobs, 1), len(rest)))


class _Crew:
    """Threads that take files from one queue.

    They are daemons: a transfer that hangs on a dead line must not keep an interrupted command
    from ending; whatever it has received is resumed the next time.
    """

    def __init__(self, wanted: Sequence[Wanted], watch: Watch, retries: Retries) -> None:
        self._todo: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        for one in wanted:
            self._todo.put(one)
        self._watch, self._retries = watch, retries
        self.fetched: list[Fetched] = []
        self.failed: list[DownloadError] = []
        self.bugs: list[BaseException] = []

    def work(self, jobs: int) -> list[Fetched]:
        threads = [threading.Thread(target=self._take, daemon=True) for _ in range(jobs)]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            self._watch.stop()
            for thread in threads:
                thread.join(PATIENCE / jobs)
            raise
        if self.bugs:
            raise self.bugs[0]
        if self.failed:
            raise DownloadError("\n".join(str(error) for error in self.failed))
        return self.fetched

    def _take(self) -> None:
        while not self._watch.stopped:
            try:
                one = self._todo.get_nowait()
            except queue.Empty:
                return
            self._fetch(one)

    def _fetch(self, one: Wanted) -> None:
        try:
            self.fetched.append(Fetched(one.place, transfer(one, self._watch, self._retries)))
            self._watch.finish()
        except Stopped:
            return
        except DownloadError as error:
            self.failed.append(error)
            if isinstance(error, DiskFull):
                self._watch.stop()
        except BaseException as error:  # handed to the main thread, which raises it
            self.bugs.append(error)
            self._watch.stop()
