"""Predictions in one pass over the training images, whose latents are never kept.

Ridge is linear in the targets: predictions of m patterns are ``hat @ (Y - mean) + mean``, and what
each image adds to them, to the mean and to the spread, is known as soon as it is encoded. Held-out
predictions of r training rows are r more rows of ``hat``. In memory are (m + r) x t predictions and
one batch of latents, however many images there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.linalg.blas import sgemm

from neurodiffuse.decoders.columns import CONSTANT
from neurodiffuse.types import Block, Moments, UnstoredTargets


class StreamedPredictions:
    """Predictions of patterns and, below them, of left-out rows; made when asked for.

    Parameters
    ----------
    hat
        (m + r, n): rows of `neurodiffuse.decoders.ridge.hat` and ``leave_out_hat``.
    targets
        Training latents that are encoded in passing.
    patterns
        m.
    intercept
        False: predictions lack the mean of the training latents.
    """

    def __init__(
        self, hat: np.ndarray, targets: UnstoredTargets, patterns: int, *, intercept: bool
    ) -> None:
        self._hat, self._targets, self._patterns = hat, targets, patterns
        self._intercept = intercept

    def __iter__(self) -> Iterator[Block]:
        made, moments = self._accumulated()
        m = self._patterns
        for columns in self._targets.columns():
            part = Moments(moments.mean[columns], moments.sd[columns], moments.constant[columns])
            yield Block(
                columns,
                made[:m, columns],
                part.mean if self._intercept else np.zeros_like(part.mean),
                made[m:, columns] if len(made) > m else None,
                part,
            )

    def _accumulated(self) -> tuple[np.ndarray, Moments]:
        """Return predictions less the mean, float32 (m + r, t), and the targets' moments.

        Latents are shifted by those of the first image, which costs no precision however far their
        mean is from 0.
        """
        rows, n = self._hat.shape
        size = self._targets.size
        made = np.zeros((rows, size), np.float32)
        total, square = np.zeros(size), np.zeros(size)
        first: np.ndarray | None = None
        for places, latents in self._targets.batches():
            if first is None:
                first = latents[0].copy()
            latents -= first
            count = np.array([len(place) for place in places], np.float32)
            each = [self._hat[:, place].sum(axis=1, dtype=np.float64) for place in places]
            weights = np.stack(each).astype(np.float32)  # (n_images, m + r)
            # made += weights' @ latents, in place: as BLAS sees them all are in Fortran order
            sgemm(1.0, latents.T, weights, 1.0, made.T, overwrite_c=True)
            total += count @ latents
            for k, row in enumerate(latents):
                np.multiply(row, row, out=row)
                square += count[k] * row
        assert first is not None
        total /= n  # the mean less the first image's latents
        sums = self._hat.sum(axis=1, dtype=np.float64)
        for k, row in enumerate(made):
            row -= (sums[k] * total).astype(np.float32)
        square /= n
        for part in self._targets.columns():  # in place: there may be millions
            square[part] = np.sqrt(np.maximum(square[part] - total[part] ** 2, 0.0))
        total += first
        constant = square <= CONSTANT * np.abs(total)
        square[constant] = 0.0
        made[:, constant] = 0.0
        return made, Moments(total, square, constant)
