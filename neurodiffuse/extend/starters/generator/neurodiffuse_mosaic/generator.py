"""The generator: from predicted latents to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurodiffuse.errors import ConfigError
from neurodiffuse.types import Generator, Images, Latents


class Mosaic(Generator):
    """Paint the picture of the principal components in square tiles of one colour.

    Parameters
    ----------
    tiles
        Tiles along a side; it must divide the side of the picture.
    """

    def __init__(self, tiles: int = 16) -> None:
        if tiles < 1:
            raise ValueError(f"tiles must be 1 or more, not {tiles}")
        self.tiles = tiles
        self._state: Mapping[str, np.ndarray] = {}

    def restore(self, states: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Take the components that the encoder of ``pixels`` has learned."""
        self._state = states["pixels"]

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one mosaic for each row of the latents; nothing is random here."""
        rows = latents["pixels"]
        flat = rows.values @ self._state["components"] + self._state["mean"]
        side = round((flat.shape[1] / 3) ** 0.5)
        if side % self.tiles:
            raise ConfigError(f"tiles: {self.tiles} tiles do not divide {side} pixels.")
        tile = side // self.tiles
        pictures = flat.reshape(-1, self.tiles, tile, self.tiles, tile, 3)
        means = pictures.mean(axis=(2, 4)).clip(0, 1)
        values = np.repeat(np.repeat(means, tile, axis=1), tile, axis=2)
        return Images(rows.ids, (255 * values).round().astype(np.uint8))
