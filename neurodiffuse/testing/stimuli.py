"""Pictures with captions to try a plugin on."""

from __future__ import annotations

import numpy as np

from neurodiffuse.types import Stimuli


def example_stimuli(n: int = 6, *, size: int = 64, seed: int = 0) -> Stimuli:
    """Return smooth coloured pictures with captions, made up from a seed."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:size, 0:size] / size
    images = []
    for _ in range(n):
        waves = rng.uniform(1, 4, (3, 2)) @ np.stack([x.ravel(), y.ravel()]) * 2 * np.pi
        picture = 127.5 + 127 * np.sin(waves + rng.uniform(0, 6, (3, 1)))
        images.append(np.ascontiguousarray(picture.T.reshape(size, size, 3)).astype(np.uint8))
    captions = tuple((f"waves of kind {k}", f"picture {k}") for k in range(n))
    return Stimuli(tuple(f"stim-{k:03d}" for k in range(n)), images, captions)
