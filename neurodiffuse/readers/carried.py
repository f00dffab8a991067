"""Voxels whose spread one value carries: a beta of 1e30, or a voxel that is 0 but once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHARE = 0.99
"""The share of a voxel's squared deviations from its mean that one trial may have.

Of 12 normal values one reaches it in fewer than one in 10^9 voxels.
"""

TRIALS = 12
"""Trials that are looked at together at least: those of one run, or of short runs in a row."""

AT_ONCE = 8
"""Trials that are held as float64."""


class Carried:
    """Counts such voxels while the betas of a subject are read, run after run.

    One value in each run of a voxel is seen as well as one in all.

    Parameters
    ----------
    runs
        What the run of each trial is called.
    voxels
        How many voxels each row of betas has.
    """

    def __init__(self, runs: Sequence[str], voxels: int) -> None:
        self._runs = runs
        self._found = np.zeros(voxels, bool)
        self._worst = ("", 0.0)
        self._begin()

    def _begin(self) -> None:
        self._n = 0
        self._first = self._sum = self._square = np.zeros(0)
        self._low = self._high = np.zeros(0, np.float32)

    def add(self, start: int, block: np.ndarray) -> None:
        """Note the betas (n_trials, n_voxels) of the trials from ``start`` on."""
        runs = self._runs[start : start + len(block)]
        edges = [k for k in range(1, len(runs)) if runs[k] != runs[k - 1]]
        for first, stop in zip([0, *edges], [*edges, len(block)], strict=True):
            if start + first and runs[first] != self._runs[start + first - 1]:
                self._close(start + first)
            self._take(block[first:stop])

    def _take(self, values: np.ndarray) -> None:
        if not self._n:
            self._first = values[0].astype(np.float64)
            self._sum, self._square = np.zeros((2, values.shape[1]))
            self._low = self._high = values[0]
        self._n += len(values)
        with np.errstate(invalid="ignore"):  # infinite betas make a voxel NaN, which no share is
            for k in range(0, len(values), AT_ONCE):
                away = values[k : k + AT_ONCE] - self._first
                self._sum += away.sum(axis=0)
                self._square += np.einsum("tv,tv->v", away, away)
        self._low = np.minimum(self._low, values.min(axis=0))
        self._high = np.maximum(self._high, values.max(axis=0))

    def _close(self, row: int) -> None:
        """Look at what was taken, up to the trial before ``row``, if that is enough."""
        if self._n < TRIALS:
            return
        with np.errstate(invalid="ignore"):
            mean = self._sum / self._n
            total = self._square - self._sum * mean
            high, low = (v - self._first - mean for v in (self._high, self._low))
            far = np.where(np.abs(high) > np.abs(low), self._high, self._low)
            alone = np.maximum(high * high, low * low) * (self._n / (self._n - 1))
        found = (alone > SHARE * total) & (total > 0)
        if found.any():
            self._found |= found
            value = float(far[found][np.abs(far[found]).argmax()])
            if abs(value) > abs(self._worst[1]):
                self._worst = (self._runs[row - 1], value)
        self._begin()

    def told(self) -> list[str]:
        """Return the warning about such voxels, if there are any."""
        self._close(len(self._runs))
        count = int(self._found.sum())
        if not count:
            return []
        run, value = self._worst
        where = f" in {run}" if run else ""
        return [
            f"betas: in {count:,} of {len(self._found):,} voxels one trial of a run has over "
            f"{SHARE:.0%} of the squared deviations from the mean, the largest of these values "
            f"being {value:.3g}{where}: such voxels say nothing about pictures. Leave them out of "
            "the mask, or look at how these betas were estimated."
        ]
