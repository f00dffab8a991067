"""Spread the tasks of a step over where work is done, each on its run.

A task is a tuple of small things, done by a function at the top of a module:
``function(site, *task)``. In this process the site is the run as it is; another process opens
the run by its path, with what is installed there, and keeps what it has loaded. Tasks read and
write files of the run in place and return what is small.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from neurodiffuse.config import Config
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.run.inputs import Reading
from neurodiffuse.types import Subject

T = TypeVar("T")

WHOLE = ("mask", "fit")
"""Steps that are not cut into tasks: of several subjects, each one's is a task."""


@dataclass(frozen=True, eq=False)
class Site:
    """Where the tasks of one kind are done in a process: the run, and what they all share."""

    run: Run
    shared: tuple[Any, ...] = ()
    _kept: threading.local = field(default_factory=threading.local, repr=False)

    def keep(self, key: object, make: Callable[[], T]) -> T:
        """Return what was made for a key before, else make it; each thread has its own."""
        kept: dict[Any, Any] = self._kept.__dict__
        if key not in kept:
            kept[key] = make()
        found: T = kept[key]
        return found


def spread(
    run: Run,
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    label: str,
    *,
    shared: tuple[Any, ...] = (),
) -> Iterator[tuple[int, Any]]:
    """Yield ``(number of the task, what function(site, *task) returned)`` as tasks are finished.

    Parameters
    ----------
    run
        Its executor does the work.
    function
        At the top of a module, so that another process finds it.
    tasks
        Paths in them are absolute, results small.
    label
        Said in front of the progress bar.
    shared
        Larger things that every task needs; sent once to each process.
    """
    executor = run.machine.executor
    work = (
        Elsewhere(function, address_of(run), shared)
        if executor.apart
        else Here(function, Site(run, shared))
    )
    done = executor.run(work, tasks, quiet=run.quiet)
    return progress(done, label, total=len(tasks), quiet=run.quiet)


def in_order(done: Iterable[tuple[int, T]]) -> Iterator[T]:
    """Yield results in the order of their tasks; those that are early wait."""
    early: dict[int, T] = {}
    following = 0
    for number, result in done:
        early[number] = result
        while following in early:
            yield early.pop(following)
            following += 1


@dataclass(frozen=True, eq=False)
class Here:
    """Work in this process."""

    function: Callable[..., Any]
    site: Site

    def __call__(self, task: tuple[Any, ...]) -> Any:
        """Do one task."""
        return self.function(self.site, *task)


@dataclass(eq=False)
class Elsewhere:
    """Work as it is sent to another process, which opens the run with the first task."""

    function: Callable[..., Any]
    address: Address
    shared: tuple[Any, ...]

    def __call__(self, task: tuple[Any, ...]) -> Any:
        """Do one task."""
        with _OPENING:
            if "_site" not in self.__dict__:
                self._site = Site(self.address.open(), self.shared)
        return self.function(self._site, *task)


@dataclass(frozen=True, eq=False)
class Address:
    """What another process needs to open a run, or a branch of one."""

    path: Path
    config: Config
    device: str
    memory: int | None
    trunk: Address | None
    own: tuple[str, ...]
    subjects: dict[str, Subject]
    readings: dict[tuple[str, str], Reading]

    def open(self) -> Run:
        """Return the run, with what is installed here; its work is done in this process."""
        registry = installed()
        return Run(
            self.path,
            self.config,
            registry,
            registry.dataset(self.config.dataset, self.config.dataset_options, self.config.links),
            quiet=True,
            machine=Machine(self.device, self.memory),
            trunk=self.trunk.open() if self.trunk else None,
            own=self.own,
            _subjects=dict(self.subjects),
            _readings=dict(self.readings),
        )


def address_of(run: Run) -> Address:
    """Return where another process finds a run."""
    return Address(
        run.path.resolve(),
        run.config,
        run.machine.device,
        run.machine.executor.share(run.machine.memory),
        address_of(run.trunk) if run.trunk else None,
        run.own,
        dict(run._subjects),
        dict(run._readings),
    )


_OPENING = threading.Lock()


@cache
def installed() -> Registry:
    """Return what is installed where this process runs, looked up once."""
    return Registry.installed()
