"""Contact sheets: median rows, not the best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

LARGER = 2


def sheet(rows: Sequence[Sequence[np.ndarray]], path: Path) -> None:
    """Write rows of pictures, uint8 (64, 64, 3), with white lines between them."""
    framed = [
        np.concatenate(
            [np.pad(p, ((1, 1), (1, 1), (0, 0)), constant_values=255) for p in row], axis=1
        )
        for row in rows
    ]
    whole = np.concatenate(framed, axis=0)
    large = whole.repeat(LARGER, axis=0).repeat(LARGER, axis=1)
    Image.fromarray(large).save(path, optimize=True)


def median_rows(scores: np.ndarray, count: int) -> np.ndarray:
    """Return the numbers of the ``count`` pictures whose scores lie around the median."""
    order = np.argsort(scores, kind="stable")
    start = max(0, (len(order) - count) // 2)
    return np.sort(order[start : start + count])
