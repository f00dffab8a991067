"""Work that tests send to other processes."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path


class Square:
    """The square of a number, and what it was asked with; a task may say how long it takes."""

    def __init__(self, said: str = "") -> None:
        self.said = said

    def __call__(self, task):
        time.sleep(sum(task[1:]))
        return task[0] ** 2, self.said


class Trouble:
    """Raises at a number."""

    def __call__(self, task):
        if task[0] == 3:
            from neurodiffuse.errors import DataError

            raise DataError("stimulus i3: damaged")
        return task[0]


class Mortal:
    """Ends its process as ``kill -9`` would, the first ``times`` times that task 2 is done.

    Every task that is begun leaves a file.
    """

    def __init__(self, folder: Path, times: int = 1) -> None:
        self.folder, self.times = folder, times

    def __call__(self, task):
        number = task[0]
        begun = self.folder / f"{number}-{time.time_ns()}"
        begun.touch()
        if number == 2 and len(list(self.folder.glob("2-*"))) <= self.times:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.05)
        return number


class Lasting:
    """Takes longer than any test; leaves a file with the process that is at it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, task):
        (self.folder / f"worker-{os.getpid()}").touch()
        time.sleep(600)


class Keeping(Mortal):
    """As `Mortal`, and keeps what cannot be sent to another process, as an open run is."""

    def __call__(self, task):
        self.kept = threading.Lock()
        super().__call__(task)
        time.sleep(0.5)
        return os.getpid()
