"""Who names what a process was at when it is gone: a small process beside it that waits."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Note = Callable[[str], None]
"""Takes a line that says what the process is at."""


@contextmanager
def watched() -> Iterator[Note]:
    """Yield a function that notes what begins; if the process ends inside, that is said.

    Python says nothing of a process that is killed or ends itself with `os._exit`. The note is a
    line on the standard error of the process. Where processes cannot be forked nobody watches.
    """
    if not hasattr(os, "fork"):
        yield lambda text: None
        return
    above = os.getpid()
    reading, writing = os.pipe()
    watcher = os.fork()
    if watcher == 0:
        _watch(reading, writing, above)
    os.close(reading)
    try:
        yield lambda text: _write(writing, text)
    finally:
        _write(writing, "")
        os.close(writing)
        os.waitpid(watcher, 0)


def _write(place: int, text: str) -> None:
    try:
        os.write(place, f"{text}\n".encode())
    except OSError:  # who closes all files of the process is not watched any more
        return


def _watch(reading: int, writing: int, above: int) -> None:
    """Wait for the end of the notes, and say the last one if the process above is gone."""
    try:
        os.close(writing)
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        noted = b""
        while some := os.read(reading, 4096):
            noted = (noted + some)[-4096:]
        last = noted.decode(errors="replace").split("\n")[-2:][0]
        if last and _is_gone(above):
            os.write(2, f"neurodiffuse: {last}\n".encode(errors="replace"))
    finally:
        os._exit(0)


def _is_gone(above: int) -> bool:
    """Return whether a process has ended; its files are closed a moment before."""
    for _ in range(100):
        if os.getppid() != above:
            return True
        time.sleep(0.01)
    return False
