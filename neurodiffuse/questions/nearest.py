"""Which images are near one another in the latents of a feature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from neurodiffuse.metrics.running import RunningCorrelation
from neurodiffuse.store import LatentFile


def correlations(a: LatentFile, b: LatentFile) -> np.ndarray:
    """Return the correlation of every row of a with every row of b, float64 (n_a, n_b).

    Over all targets of an image; the files are read block by block, once.
    """
    running = RunningCorrelation()
    for (_, one), (_, two) in zip(a.blocks(), b.blocks(), strict=True):
        running.add(one, two)
    return running.table()


def nearest(known: LatentFile, asked: LatentFile) -> Sequence[str]:
    """Return, for each row that is asked for, the id of the row that correlates most with it."""
    return [known.ids[row] for row in correlations(known, asked).argmax(axis=0)]
