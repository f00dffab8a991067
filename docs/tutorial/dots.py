"""The generator: the predicted picture in dots, as a pointillist would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurodiffuse.types import Generator, Images, Latents


class Dots(Generator):
    """Paint the picture of the principal components in round dots on white.

    Parameters
    ----------
    dots
        How many.
    radius
        Of a dot, in pixels.
    """

    def __init__(self, dots: int = 600, radius: int = 2) -> None:
        if dots < 1 or radius < 1:
            raise ValueError(f"dots and radius must be 1 or more, not {dots} and {radius}")
        self.dots = dots
        self.radius = radius
        self._state: Mapping[str, np.ndarray] = {}

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take the components that the encoder of ``pixels`` has learned."""
        self._state = states["pixels"]

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row; where its dots lie follows from its own seed."""
        rows = latents["pixels"]
        flat = rows.values @ self._state["components"] + self._state["mean"]
        side = round((flat.shape[1] / 3) ** 0.5)
        pictures = (255 * flat.clip(0, 1)).round().astype(np.uint8).reshape(-1, side, side, 3)
        values = [self._painted(p, seed) for p, seed in zip(pictures, seeds, strict=True)]
        return Images(rows.ids, np.stack(values))

    def _painted(self, picture: np.ndarray, seed: int) -> np.ndarray:
        side = len(picture)
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:side, :side]
        canvas = np.full_like(picture, 255)
        for row, column in rng.integers(0, side, (self.dots, 2)):
            inside = (y - row) ** 2 + (x - column) ** 2 <= self.radius**2
            canvas[inside] = picture[row, column]
        return canvas
