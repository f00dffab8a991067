"""Standard output and standard error that may be full, closed or a pipe nobody reads.

What is computed does not depend on who listens: progress and remarks that cannot be written are
dropped. Results that cannot be written are an error.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import os
import sys
from typing import Any, TextIO, cast

from neurodiffuse.errors import RunError, printable


def prepare_streams() -> None:
    """Make the standard streams of this process safe to write to."""
    for number in range(3):
        try:
            os.fstat(number)
        except (
            OSError
        ):  # it is closed: a file of a run would get its number, and what is said to it
            os.open(os.devnull, os.O_RDWR)
    # where a stream was closed from the start, Python has none
    sys.stdout = cast("TextIO", Results(sys.stdout or os.fdopen(1, "w")))
    sys.stderr = cast("TextIO", Remarks(sys.stderr or os.fdopen(2, "w")))


class _Stream:
    """A stream that shows what would steer a terminal, as texts from files may."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def unfiltered(self) -> TextIO:
        """The stream itself, for what steers the terminal on purpose."""
        return self._stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        """Write nowhere from now on."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        with contextlib.suppress(OSError):
            self._stream.flush()


class Remarks(_Stream):
    """Drops what cannot be written."""

    def write(self, text: str) -> int:
        """Write, or from the first error on write nowhere."""
        try:
            self._stream.write(printable(text))
        except OSError:
            self._give_up()
        return len(text)

    def flush(self) -> None:
        """Write what waits, or from the first error on write nowhere."""
        try:
            self._stream.flush()
        except OSError:
            self._give_up()


class Results(_Stream):
    """Says in one line why something cannot be written; who stops reading a pipe is no error."""

    def write(self, text: str) -> int:
        """Write, or raise `RunError`; a broken pipe stays what it is."""
        if text == "":  # click writes nothing to see what a stream is, and hides what is raised
            return 0
        try:
            self._stream.write(printable(text))
        except OSError as error:
            raise self._told(error) from error
        return len(text)

    def flush(self) -> None:
        """Write what waits, or raise `RunError`; a broken pipe stays what it is."""
        try:
            self._stream.flush()
        except OSError as error:
            raise self._told(error) from error

    def _told(self, error: OSError) -> OSError:
        atexit.register(self._give_up)  # what waits would fail once more, with a status of its own
        if error.errno == errno.EPIPE:
            return BrokenPipeError(errno.EPIPE, "nobody reads the output")
        return RunError(
            f"standard output cannot be written ({error.strerror}). What was finished is kept."
        )
