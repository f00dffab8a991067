"""Progress of several transfers at once, with time left, and the wish to stop."""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

from neurodiffuse.downloads.wanted import in_bytes

EVERY = 30.0
"""Seconds between lines where there is no terminal."""


class Stopped(Exception):  # noqa: N818 (no error: the user or another file's failure asked for it)
    """The transfers were asked to stop."""


class Watch:
    """Counts bytes and files of all transfers; a bar on a terminal, else a line now and then.

    Parameters
    ----------
    files
        How many are fetched.
    total
        Bytes of all files, None when not known.
    quiet
        Show nothing.
    """

    def __init__(self, files: int, total: int | None, received: int = 0, quiet: bool = False):
        self.files, self.total, self.quiet = files, total, quiet
        self.done, self.bytes, self._before = 0, received, received
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._started = self._said = time.monotonic()
        self._bar = None if quiet or not sys.stderr.isatty() else _bar(total, received)

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def stop(self) -> None:
        """Ask all transfers to stop."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether the transfers were asked to stop."""
        return self._stop.is_set()

    def pause(self, seconds: float) -> None:
        """Wait, unless the transfers are asked to stop."""
        if self._stop.wait(seconds):
            raise Stopped

    def add(self, count: int) -> None:
        """Count bytes; negative when a part is thrown away."""
        with self._lock:
            self.bytes += count
            if self._bar is not None:
                self._bar.update(count)
            elif not self.quiet and time.monotonic() - self._said > EVERY:
                self._line(self.standing())
        if self._stop.is_set():
            raise Stopped

    def finish(self) -> None:
        """Count a file that is whole."""
        with self._lock:
            self.done += 1
            if self._bar is not None:
                self._bar.set_postfix_str(f"{self.done}/{self.files} files")
            elif not self.quiet and (self.done == self.files or self.files < 10):
                self._line(self.standing())

    def say(self, text: str) -> None:
        """Print a line, such as why a transfer waits."""
        with self._lock:
            if self._bar is not None:
                self._bar.write(text, file=sys.stderr)
            elif not self.quiet:
                self._line(text)

    def standing(self) -> str:
        """Return how far the transfers are and how long the rest takes."""
        text = f"{self.done} of {self.files} files, {in_bytes(self.bytes)}"
        rate = (self.bytes - self._before) / max(time.monotonic() - self._started, 1e-3)
        if self.total is None or rate <= 0:
            return text
        text += f" of {in_bytes(self.total)}, {in_bytes(int(rate))}/s"
        left = (self.total - self.bytes) / rate
        return text + (f", {_duration(left)} left" if left > 0 else "")

    def _line(self, text: str) -> None:
        self._said = time.monotonic()
        print(f"  {text}", file=sys.stderr, flush=True)


def _bar(total: int | None, received: int) -> Any:
    from tqdm import tqdm

    return tqdm(
        desc="  fetching",
        total=total,
        initial=received,
        unit="B",
        unit_scale=True,
        dynamic_ncols=True,
        leave=False,
        smoothing=0.05,
    )


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
