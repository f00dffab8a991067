"""Shrink or stretch each latent as held-out predictions say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.types import HeldOut, Refiner, Targets


class Slope(Refiner):
    """A straight line through held-out predictions and true latents, for each target.

    Parameters
    ----------
    most
        The largest slope, above 0.
    """

    def __init__(self, most: float = 2.0) -> None:
        if most <= 0:
            raise ValueError(f"most: {most} is not above 0")
        self.most = most

    def fit(self, held_out: HeldOut, folder: Path) -> None:
        """Write slope and both means of every target, (3, size)."""
        lines = np.empty((3, held_out.predicted.size), np.float32)
        for (columns, x), (_, y) in zip(
            held_out.predicted.blocks(), held_out.true.blocks(), strict=True
        ):
            means = x.mean(axis=0), y.mean(axis=0)
            gap = x - means[0]
            along, square = (gap * (y - means[1])).sum(axis=0), (gap**2).sum(axis=0)
            slope = np.divide(along, square, out=np.zeros_like(along), where=square > 0)
            lines[:, columns] = np.clip(slope, 0, self.most), *means
        np.save(folder / "lines.npy", lines)

    def refine(
        self, held_out: HeldOut, folder: Path, predicted: Targets, *, seeds: Sequence[int]
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield what the lines say of the test images' predictions."""
        lines = np.load(folder / "lines.npy")
        for columns, values in predicted.blocks():
            slope, before, after = lines[:, columns]
            yield columns, (values - before) * slope + after

    def words(self) -> str:
        """Return what it does, in words."""
        return "shrunk or stretched, latent by latent, as held-out predictions say"
