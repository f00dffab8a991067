"""The encoder: from images to latents."""

from __future__ import annotations

import numpy as np
from PIL import Image

from neurodiffuse.types import Encoder, Latents, Shape, Stimuli


class Layout(Encoder):
    """Mean colours of an image on a square grid, 0 to 1.

    Parameters
    ----------
    cells
        Cells along a side.
    """

    def __init__(self, cells: int = 4) -> None:
        if not 1 <= cells <= 64:
            raise ValueError(f"cells must be between 1 and 64, not {cells}")
        self.cells = cells

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((cells, cells, 3),)``."""
        return ((self.cells, self.cells, 3),)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return the colours, float32 (n_images, cells * cells * 3), rows, columns, channels."""
        size = (self.cells, self.cells)
        rows = [
            np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX)).ravel()
            for image in stimuli.images
        ]
        return Latents(stimuli.ids, np.array(rows, np.float32) / 255, self.shapes())
