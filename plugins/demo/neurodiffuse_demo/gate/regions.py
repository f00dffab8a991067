"""What a region stands for: patterns with 1 in its voxels, painted and read by the evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodiffuse.progress import progress
from neurodiffuse.simulate.scenes import CATEGORIES
from neurodiffuse.types import Images
from neurodiffuse_demo.gate.decode import Decoder, Painter, repeated
from neurodiffuse_demo.metrics import Evaluator

SAMPLES = 8
NULLS = 8
BANDS = ((0.0, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, np.inf))
"""Eccentricity in degrees: the five bands of the paper."""


@dataclass(frozen=True, eq=False)
class Region:
    """``rise`` (8,) of each category's log odds over the null, ``first`` samples it leads in."""

    category: str
    rise: np.ndarray
    first: int
    pictures: Images

    @property
    def raised_most(self) -> str:
        """The category that rises most."""
        return CATEGORIES[int(self.rise.argmax())]


def paint(
    decoder: Decoder, painter: Painter, voxels: np.ndarray, samples: int, **options: Any
) -> Images:
    """Return pictures of a pattern, one a seed, begun from its first guess or from noise."""
    given = repeated(decoder.pattern(voxels), samples)
    init = None if options.get("start") == "noise" else painter.first(given)
    return painter.both(given, init, **options)


def category_regions(
    decoder: Decoder,
    painter: Painter,
    evaluator: Evaluator,
    rois: Mapping[str, np.ndarray],
    **options: Any,
) -> tuple[dict[str, Region], Images]:
    """Return what each planted region shows, and one picture of each null.

    The null is the mean over patterns of as many voxels drawn at random from all.
    """
    rng = np.random.default_rng(5)
    size = int(np.mean([voxels.sum() for voxels in rois.values()]))
    everywhere = len(next(iter(rois.values())))
    shown = []
    for _ in progress(range(NULLS), "random voxels"):
        voxels = np.zeros(everywhere, bool)
        voxels[rng.choice(everywhere, size, replace=False)] = True
        shown.append(paint(decoder, painter, voxels, 2, **options).values)
    nulls = Images(tuple(f"null-{k}" for k in range(2 * NULLS)), np.concatenate(shown))
    floor = evaluator.scores(nulls.values).mean(axis=0)
    found = {}
    for category, voxels in rois.items():
        pictures = paint(decoder, painter, voxels, SAMPLES, **options)
        scores = evaluator.scores(pictures.values)
        first = int((scores.argmax(axis=1) == CATEGORIES.index(category)).sum())
        found[category] = Region(category, scores.mean(axis=0) - floor, first, pictures)
    return found, nulls


def rings(size: int, degrees: float) -> np.ndarray:
    """Return the band of each pixel, int (size, size), of a picture ``degrees`` wide."""
    axis = ((np.arange(size) + 0.5) / size - 0.5) * degrees
    eccentricity = np.hypot(axis[:, None], axis[None, :])
    return np.digitize(eccentricity, [low for low, _ in BANDS[1:]])


def energies(pictures: Images, mean: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Return the mean squared deviation from the mean picture in each band, (5,)."""
    gap = ((pictures.values / 255 - mean / 255) ** 2).mean(axis=(0, 3))
    return np.array([gap[ring == band].mean() for band in range(len(BANDS))])


def band_peaks(
    decoder: Decoder,
    painter: Painter,
    bands: Sequence[np.ndarray],
    mean: np.ndarray,
    degrees: float,
    **options: Any,
) -> tuple[list[int], list[Images]]:
    """Return in which band the energy of each band's pictures is highest, and the pictures.

    Each pattern's energy is shared out over the bands, and a share is taken relative to its mean
    over the patterns of all bands, since some parts of a picture vary more than others whatever
    is asked for.
    """
    ring = rings(mean.shape[0], degrees)
    shown = [paint(decoder, painter, voxels, SAMPLES, **options) for voxels in bands]
    table = np.array([energies(pictures, mean, ring) for pictures in shown])
    shares = table / table.sum(axis=1, keepdims=True)
    return [int(k) for k in (shares / shares.mean(axis=0)).argmax(axis=1)], shown
