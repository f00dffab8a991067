"""The command line in a forked process of its own group, which can be killed at any moment.

What takes seconds to import is imported once, before the fork.
"""

from __future__ import annotations

import atexit
import dataclasses
import os
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WRITING = frozenset({
    "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate",
    "os.chmod", "os.utime", "shutil.rmtree", "shutil.copyfile", "fcntl.flock", "fcntl.lockf",
})  # fmt: skip
"""Audit events at which the tree is about to change, beside files opened for writing."""
BUG = 99
"""Exit status of a traceback."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a command ended: its status (negative: the signal), what it said, how long it took."""

    status: int
    said: str
    seconds: float
    moments: int
    """How often it was about to change a file."""


def warm() -> None:
    """Import what commands import late, so that forked ones need not."""
    import skimage.metrics  # noqa: F401

    from neurodiffuse import cli, pipeline, plan_text, plugins  # noqa: F401
    from neurodiffuse.steps import report, score  # noqa: F401


def start(arguments: Sequence[str], place: Path, *, kill: tuple[int, int] | None = None) -> int:
    """Start a command in ``place`` and return its process id, which is its group's too.

    Parameters
    ----------
    arguments
        Of the command line, without its name.
    place
        Its working folder; what it says and counts goes beside it.
    kill
        The number of the change of a file before which it sends itself a signal, and the signal.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.chdir(place)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        said = os.open(f"{place}.said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        counted = _count(kill)
        status = _command(arguments)
        Path(f"{place}.moments").write_text(str(counted[0]), encoding="utf-8")
        os._exit(status)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(BUG)


def _count(kill: tuple[int, int] | None) -> list[int]:
    counted = [0]

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if event == "open":
            if len(details) < 3 or not isinstance(details[2], int) or not details[2] & 3:
                return
        elif event not in WRITING:
            return
        counted[0] += 1
        if kill and counted[0] == kill[0]:
            os.killpg(0, kill[1])

    sys.addaudithook(hook)
    return counted


def _command(arguments: Sequence[str]) -> int:
    from neurodiffuse.cli import main

    sys.argv = ["neurodiffuse", *arguments]
    status: Any = 0
    try:
        main()
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = BUG
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return int(status or 0)


def wait(
    child: int, place: Path, *, most: float = 120.0, kill: tuple[float, int] | None = None
) -> Ended:
    """Wait until a command has ended, or kill its group when its time has come."""
    begun = time.monotonic()
    due = kill
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - begun
        if pid:
            break
        if due and seconds >= due[0]:
            _killed(child, due[1])
            due = None
        if seconds > most:
            _killed(child, signal.SIGKILL)
        time.sleep(0.002)
    file = Path(f"{place}.moments")
    moments = int(file.read_text(encoding="utf-8")) if file.exists() else 0
    file.unlink(missing_ok=True)
    said = Path(f"{place}.said").read_text(encoding="utf-8", errors="replace")
    return Ended(os.waitstatus_to_exitcode(status), said, seconds, moments)


def _killed(child: int, number: int) -> None:
    try:
        os.killpg(child, number)
    except ProcessLookupError:  # it has not made its group yet
        os.kill(child, number)


def run(arguments: Sequence[str], place: Path) -> Ended:
    """Run a command to its end."""
    return wait(start(arguments, place), place)
