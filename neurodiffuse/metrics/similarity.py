"""Structural similarity (SSIM) of grey pictures, in the two variants that papers report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from skimage.color import rgb2gray

from neurodiffuse.blas import one_thread_each
from neurodiffuse.errors import ConfigError, DataError

AXES = {"2d": (0, 1), "columnwise": (0,)}
SIGMA = 1.5
TRUNCATE = 3.5
BORDER = int(TRUNCATE * SIGMA + 0.5)  # where the window would leave the picture: not counted
C1, C2 = 0.01**2, 0.03**2  # (K1 · data range)², (K2 · data range)² with a range of 1

WINDOWS = 20
"""Pictures whose local moments are kept while others are compared with them."""

LINES = 16
"""Lines that are averaged by one matrix product: fewer are many calls, more are many zeros."""


def ssim(seen: np.ndarray, made: np.ndarray, variant: str = "2d") -> np.ndarray:
    """Return the structural similarity of each pair, float64 (n,).

    Parameters
    ----------
    seen, made
        RGB uint8 (n, height, width, 3), made grey by ``skimage.color.rgb2gray``, or grey
        floating (n, height, width) in 0-1. Not modified.
    variant
        ``"2d"``: ``skimage.metrics.structural_similarity`` with ``gaussian_weights=True,
        sigma=1.5, use_sample_covariance=False, data_range=1``. ``"columnwise"``: the mean over
        columns of the 1-D similarity of each, which is what the same call with
        ``multichannel=True`` computed on grey pictures up to scikit-image 0.19, and so the
        published numbers of Brain-Diffuser. It is larger; the two do not compare.

    Raises
    ------
    ConfigError
        No such variant.
    DataError
        The shapes differ, or a picture is smaller than the window of 11 pixels.

    Notes
    -----
    Wang et al. 2004: with means μ, variances σ² and covariance σ_sm in a Gaussian window::

        ((2 μ_s μ_m + C1) (2 σ_sm + C2)) / ((μ_s² + μ_m² + C1) (σ_s² + σ_m² + C2))

    averaged over the places where the window lies inside the picture.
    """
    axes = axes_of(variant)
    _check(seen, made, axes)
    values = np.empty(len(seen))

    def compare(i: int) -> None:
        values[i] = _mean(moments(seen[i], axes), moments(made[i], axes), axes)

    with one_thread_each() as each:
        each(compare, range(len(seen)))
    return values


def ssim_of_shifts(
    seen: np.ndarray, made: np.ndarray, order: np.ndarray, shifts: Sequence[int], variant: str
) -> np.ndarray:
    """Return the similarity of each made picture with other seen ones, (n_shifts, n).

    Row k holds for made ``order[i]`` its similarity with seen ``order[(i + shifts[k]) % n]``.
    ``shifts`` are consecutive, so that a window of up to `WINDOWS` pictures moves along ``order``
    and the local moments of a picture are computed about once for each window.
    """
    axes, n = axes_of(variant), len(made)
    _check(seen, made, axes)
    values = np.empty((len(shifts), n))
    with one_thread_each():
        for start in range(0, len(shifts), WINDOWS):
            some = shifts[start : start + WINDOWS]
            window = lru_cache(maxsize=len(some))(lambda i: moments(seen[i], axes))
            for i, own in enumerate(order):
                mine = moments(made[own], axes)
                for k, shift in enumerate(some, start):
                    values[k, own] = _mean(window(int(order[(i + shift) % n])), mine, axes)
    return values


def axes_of(variant: str) -> tuple[int, ...]:
    """Return the axes that a variant's window covers."""
    if variant not in AXES:
        raise ConfigError(f"variant: there is no SSIM {variant!r}. Possible: {', '.join(AXES)}.")
    return AXES[variant]


@dataclass(frozen=True, eq=False)
class Moments:
    """A grey picture with what its windows give to every pair: local mean, and two terms.

    ``square`` is the squared mean with half of C1, ``variance`` the variance with half of C2: a
    pair's denominators are sums of these.
    """

    grey: np.ndarray
    mean: np.ndarray
    square: np.ndarray
    variance: np.ndarray


def moments(picture: np.ndarray, axes: tuple[int, ...]) -> Moments:
    """Return the local moments of a picture, RGB uint8 or grey floating."""
    grey = np.asarray(rgb2gray(picture) if picture.ndim == 3 else picture, dtype=np.float64)
    mean = _local(grey, axes)
    square = mean * mean
    return Moments(grey, mean, square + C1 / 2, _local(grey * grey, axes) - square + C2 / 2)


def _mean(a: Moments, b: Moments, axes: tuple[int, ...]) -> float:
    """Return the mean similarity; of a pair only the product of its pictures is averaged anew."""
    above = _local(a.grey * b.grey, axes)
    both = a.mean * b.mean
    above -= both
    above += C2 / 2
    both += C1 / 2
    above *= both  # a quarter of the numerator
    below = np.add(a.square, b.square, out=both)
    below *= a.variance + b.variance
    above /= below
    return 4 * float(above.mean())


def _local(values: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """Return Gaussian-weighted means where the window lies inside along its axes.

    Means over both axes are transposed: the second axis is the first of the first's transpose.
    """
    values = _down(values)
    return values if len(axes) == 1 else _down(values.T)


def _down(values: np.ndarray) -> np.ndarray:
    """Return the weighted means of every 11 successive lines, as banded matrix products."""
    band, count = _band(), len(values) - 2 * BORDER
    out = np.empty((count, values.shape[1]))
    for start in range(0, count, LINES):
        some = min(LINES, count - start)
        lines = values[start : start + some + 2 * BORDER]
        np.matmul(band[:some, : len(lines)], lines, out=out[start : start + some])
    return out


@lru_cache(maxsize=1)
def _band() -> np.ndarray:
    """Return the window's weights, shifted by one place from row to row."""
    places = np.arange(-BORDER, BORDER + 1)
    weights = np.exp(-0.5 * (places / SIGMA) ** 2)
    weights /= weights.sum()
    band = np.zeros((LINES, LINES + 2 * BORDER))
    for line in range(LINES):
        band[line, line : line + len(weights)] = weights
    return band


def _check(seen: np.ndarray, made: np.ndarray, axes: tuple[int, ...]) -> None:
    if seen.ndim not in (3, 4) or seen.shape != made.shape or len(seen) == 0:
        raise DataError(
            f"SSIM: what was seen has shape {seen.shape}, what was made {made.shape}; they must "
            "have the same shape, (n, height, width, 3) or (n, height, width)."
        )
    least = 2 * BORDER + 1
    if any(seen.shape[1 + axis] < least for axis in axes):
        height, width = seen.shape[1:3]
        raise DataError(
            f"SSIM: pictures of {height} × {width} pixels are smaller than its window of {least}. "
            f"Set size = {least} or more."
        )
