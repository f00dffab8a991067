"""The role of a refiner: from predicted latents to better ones."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from neurodiffuse.types.decoding import Targets
from neurodiffuse.types.roles import Role

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What a refiner learns from: predictions of training rows, each made without the row.

    Predictions of rows that a decoder has learned from are better than those of test images, so
    that a refiner which learned from them would trust them too much.

    Parameters
    ----------
    feature
        Which latents.
    predicted
        The held-out predictions, (n_rows, size), rescaled as those of the test images are.
    true
        The rows' true latents.
    bank
        The true latents of all training images, one row each.
    own
        Which row of the bank belongs to each held-out row, intp (n_rows,).
    seed
        The run's.
    """

    feature: str
    predicted: Targets
    true: Targets
    bank: Targets
    own: np.ndarray
    seed: int


class Refiner(Role):
    """Makes better latents of predicted ones: a prior, a mixture with known latents."""

    @abstractmethod
    def fit(self, held_out: HeldOut, folder: Path) -> None:
        """Learn from held-out predictions and write what was learned into ``folder``."""

    @abstractmethod
    def refine(
        self, held_out: HeldOut, folder: Path, predicted: Targets, *, seeds: Sequence[int]
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the refined latents of test images in the blocks of ``predicted``, in order.

        ``held_out`` and ``folder`` are those of `fit`; ``seeds[i]`` is the only source of
        randomness of row i, which must not depend on the other rows. Each block is float32
        (n_images, width).
        """

    def words(self) -> str:
        """Return what the refiner with these options is; empty: the card's summary says it."""
        return ""
