"""Pictures at the size at which MindEye's evaluation compares their pixels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import csr_array

SIDES = (256, 425)
BAND = 17
"""Lines of a picture that are held of all pictures at a time."""


class Enlarged(Sequence):  # type: ignore[type-arg]
    """Pictures at 256 and then 425 pixels, float32 in 0-1, each made when it is asked for.

    Bilinear interpolation between pixel centres without antialiasing, as torchvision 0.15 resized
    tensors: ``src/Reconstruction_Metrics.py`` of MedARC-AI/fMRI-reconstruction-NSD.

    Parameters
    ----------
    values
        uint8 (n, height, width, 3).
    """

    def __init__(self, values: np.ndarray) -> None:
        self.values = values
        self.shape = (len(values), SIDES[-1], SIDES[-1], 3)
        self.ndim = 4
        self._down, self._across = (_steps(length) for length in values.shape[1:3])

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return self._lines(self.values[index], slice(0, SIDES[-1]))

    def bands(self) -> Iterator[np.ndarray]:
        """Yield some lines of all pictures at a time, float32 (n, values)."""
        for start in range(0, SIDES[-1], BAND):
            lines = slice(start, start + BAND)
            yield np.stack([self._lines(picture, lines).ravel() for picture in self.values])

    def _lines(self, picture: np.ndarray, lines: slice) -> np.ndarray:
        height, width, colours = picture.shape
        down = self._down[lines]
        flat = down @ (picture.reshape(height, -1).astype(np.float32) / 255)
        turned = flat.reshape(-1, width, colours).swapaxes(0, 1).reshape(width, -1)
        wide = self._across @ turned
        return np.asarray(wide.reshape(SIDES[-1], -1, colours).swapaxes(0, 1), np.float32)


def _steps(length: int) -> csr_array:
    """Return the linear map from ``length`` values to 256 and from these to 425."""
    whole = _interpolation(length, SIDES[0])
    return csr_array(_interpolation(*SIDES) @ whole)


def _interpolation(before: int, after: int) -> csr_array:
    """Return (after, before): each value between the two nearest, the outermost repeated."""
    at = np.clip((np.arange(after) + 0.5) * before / after - 0.5, 0, before - 1)
    low = np.floor(at).astype(int)
    part, rows = at - low, np.arange(after)
    entries = np.concatenate([1 - part, part]).astype(np.float32)
    columns = np.concatenate([low, np.minimum(low + 1, before - 1)])
    places = (np.concatenate([rows, rows]), columns)
    return csr_array((entries, places), shape=(after, before))
