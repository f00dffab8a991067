"""Do one thing while the next is made: reading, multiplying and writing overlap in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, the next of which is made in a thread while the last is worked on."""
    making, end = iter(items), object()
    with ThreadPoolExecutor(1) as maker:
        pending = maker.submit(next, making, end)
        while (item := pending.result()) is not end:
            pending = maker.submit(next, making, end)
            yield item  # type: ignore[misc]


def follow(items: Iterable[Item], work: Callable[[Item], None]) -> None:
    """Call ``work`` with each item in order, in a thread of its own while the next one is made.

    An error of either is raised, and no item is made after one that failed.
    """
    with ThreadPoolExecutor(1) as follower:
        last: Future[None] | None = None
        for item in items:
            if last:
                last.result()
            last = follower.submit(work, item)
        if last:
            last.result()
