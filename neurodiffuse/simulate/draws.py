"""One seed for everything, and a stream of its own for each thing that is drawn."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Draw(IntEnum):
    """What a stream of random numbers is for; part of its seed."""

    ANATOMY = 1
    VOXEL = 2
    NOISE = 3
    SESSION = 4
    DESIGN = 5
    REPETITIONS = 6
    IMAGES = 7
    WAVES = 8
    CONTROL = 9


def stream(seed: int, purpose: Draw, *keys: int) -> np.random.Generator:
    """Return the generator of one thing, such as voxel 12 of subject 2.

    What it yields depends on the seed, the purpose and the keys alone, so a study of another
    size has the same voxels, trials and pictures as far as both go.
    """
    return np.random.default_rng([seed, int(purpose), *keys])
