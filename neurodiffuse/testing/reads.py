"""A training set that counts what a fit reads of it, and ends the fit before one of the reads."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from neurodiffuse.types import Responses, Targets, Training


class Interruption(KeyboardInterrupt):
    """The end of a process, as far as a fit can tell."""


class Reads:
    """Counts how often a fit reads betas or targets, and interrupts it before one of the reads."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.done = last, 0

    def count(self) -> None:
        """Count a read, or interrupt it."""
        self.done += 1
        if self.done == self.last:
            raise Interruption

    def of(self, training: Training) -> Training:
        """Return a training set that is counted."""
        return replace(
            training,
            subjects={
                label: WatchedResponses(
                    **{field.name: getattr(part, field.name) for field in fields(Responses)}
                    | {"targets": {n: WatchedTargets(t, self) for n, t in part.targets.items()}},
                    reads=self,
                )
                for label, part in training.subjects.items()
            },
        )


@dataclass(frozen=True, eq=False)
class WatchedResponses(Responses):
    """Responses whose betas are counted when they are read."""

    reads: Reads

    def part(self, betas: np.ndarray, feature: str) -> np.ndarray:
        """Count, and return what a feature is predicted from."""
        self.reads.count()
        return super().part(betas, feature)


@dataclass(frozen=True, eq=False)
class WatchedTargets(Targets):
    """Targets whose blocks are counted when they are read."""

    targets: Targets
    reads: Reads

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the latents of one image."""
        return self.targets.shapes

    def columns(self) -> list[slice]:
        """Return the stretch of targets of each block."""
        return self.targets.columns()

    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Count, and return one block."""
        self.reads.count()
        return self.targets.block(number)

    def of(self, rows: np.ndarray) -> Targets:
        """Return the targets of some rows."""
        return WatchedTargets(self.targets.of(rows), self.reads)
