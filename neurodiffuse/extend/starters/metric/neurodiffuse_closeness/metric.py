"""The metric: what was seen against what was made."""

from __future__ import annotations

import numpy as np
from PIL import Image

from neurodiffuse.types import Images, Metric


class Closeness(Metric):
    """One minus the mean absolute difference of the pixels, 1 for the same picture.

    Parameters
    ----------
    size
        Both pictures are squashed to ``size`` × ``size`` pixels (bicubic) first.
    """

    higher_is_better = True
    bounds = (0.0, 1.0)

    def __init__(self, size: int = 64) -> None:
        if size < 1:
            raise ValueError(f"size must be 1 pixel or more, not {size}")
        self.size = size

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return float64 (n_images,), one value for each pair."""
        difference = self._small(seen) - self._small(made)
        return 1 - np.abs(difference).mean(axis=(1, 2, 3)) / 255

    def _small(self, images: Images) -> np.ndarray:
        size = (self.size, self.size)
        pictures = [
            Image.fromarray(v).resize(size, Image.Resampling.BICUBIC) for v in images.values
        ]
        return np.stack([np.asarray(picture, np.float64) for picture in pictures])
