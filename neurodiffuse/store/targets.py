"""Training latents on disk, row by row as the betas of one subject."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurodiffuse.store.latents import LatentFile
from neurodiffuse.types import Shape, Targets


@dataclass(frozen=True, eq=False)
class StoredTargets(Targets):
    """The rows of a file of latents that belong to training rows, several of which may share one.

    ``rows`` intp (n_rows,) says which row of ``file`` belongs to each training row.
    """

    file: LatentFile
    rows: np.ndarray

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """Shapes of the latents of one image."""
        return self.file.shapes

    @property
    def size(self) -> int:
        """Number of targets."""
        return self.file.targets

    def columns(self) -> list[slice]:
        """Return the stretch of targets of each block."""
        return self.file.columns()

    def of(self, rows: np.ndarray) -> StoredTargets:
        """Return the targets of some rows."""
        return StoredTargets(self.file, self.rows[rows])

    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Return one block: its targets and their values, float32 (n_rows, width)."""
        columns, values = self.file.block(number)
        return columns, self._of_rows(values)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield every block once, in order; the next is read while the last is worked on."""
        for columns, values in self.file.blocks():
            yield columns, self._of_rows(values)

    def _of_rows(self, values: np.ndarray) -> np.ndarray:
        return values if self._one_to_one else values[self.rows]

    @cached_property
    def _one_to_one(self) -> bool:
        return np.array_equal(self.rows, np.arange(len(self.file.ids)))
