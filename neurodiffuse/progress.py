"""Progress: bars with time left on a terminal, lines anywhere; both silent under ``--quiet``."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(
    items: Iterable[T], label: str, *, total: int | None = None, quiet: bool = False
) -> Iterator[T]:
    """Yield the items and show how many are done and how long the rest takes.

    Parameters
    ----------
    items
        What is worked through.
    label
        Said in front of the bar.
    total
        Number of items where ``len`` cannot tell.
    quiet
        Show nothing, even on a terminal.
    """
    if quiet or not sys.stderr.isatty():
        yield from items
        return
    from tqdm import tqdm

    stream = getattr(sys.stderr, "unfiltered", sys.stderr)
    yield from tqdm(
        items, file=stream, desc=f"  {label}", total=total, leave=False, dynamic_ncols=True
    )


def say(message: str, *, quiet: bool = False) -> None:
    """Print a line of progress to standard error."""
    if not quiet:
        print(message, file=sys.stderr, flush=True)
