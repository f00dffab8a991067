"""What an executor is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

Work = Callable[[tuple[Any, ...]], Any]
"""What is done for each task. Where it leaves this process it is pickled and sent once."""

RETRIES = 3
"""How often a task is done again when the process that did it is lost."""


class Executor(ABC):
    """Does work for many tasks.

    ``apart`` tells whether it leaves this process: work and tasks are then pickled, and results
    should be small.
    """

    apart: bool = True

    @abstractmethod
    def run(
        self, work: Work, tasks: Sequence[tuple[Any, ...]], *, quiet: bool = False
    ) -> Iterator[tuple[int, Any]]:
        """Yield ``(number of the task, what the work returned)`` as tasks are finished.

        A task whose process is lost is done again, up to `RETRIES` times; one that raises ends
        it all with its own error, and tasks that were not begun are not.

        Raises
        ------
        RunError
            If a task has cost too many processes, or the cluster is lost.
        """

    def share(self, memory: int | None) -> int | None:
        """Return the part of a memory budget, in bytes, that a task may use."""
        return memory

    def note(self, folder: Path) -> None:  # noqa: B027 (most have nothing to say)
        """Write into a run's ``logs`` what is worth keeping of how the work was asked for."""

    def close(self) -> None:  # noqa: B027 (not all start something)
        """End what was started."""

    def __str__(self) -> str:
        return "local"

    def __enter__(self) -> Executor:
        """Return itself; nothing is started before there is work."""
        return self

    def __exit__(self, *error: object) -> None:
        """End what was started."""
        self.close()
