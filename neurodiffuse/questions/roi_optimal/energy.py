"""Where pictures of random signs differ from the mean training stimulus, and how surely.

The energy of a picture is its squared difference from the mean stimulus, averaged over colour
channels, in squared grey levels (0 to 255). Averaged over many patterns of random signs it is what
a region's voxels paint one by one (`patterns.patterns_of`): where they look.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.rings import Rings
from neurodiffuse.questions.roi_optimal.rows import Row
from neurodiffuse.questions.roi_optimal.studio import Panel, name_of, panels_of
from neurodiffuse.run import Run
from neurodiffuse.store import load_images, seed_of
from neurodiffuse.work import Site, spread

RESAMPLINGS = 2000
"""Resamplings of the pictures that say how sure a peak is."""

Size = tuple[int, int]
"""Height and width of a picture."""


@dataclass(frozen=True, eq=False)
class Energy:
    """Energy of the pictures that one stage made of one region of one row.

    ``map`` float64 (height, width) is the mean over pictures; ``densities`` float64
    (n_pictures, n_rings) is each picture's mean over the pixels of each ring, NaN for a ring
    without pixels. ``seed`` draws the resamplings.
    """

    panel: Panel
    stage: str
    rings: Rings
    map: np.ndarray
    densities: np.ndarray
    seed: int

    @property
    def pixels(self) -> np.ndarray:
        """Pixels of each ring, int (n_rings,)."""
        return pixels_of(self.rings.of(*self.map.shape), self.rings)

    @property
    def density(self) -> np.ndarray:
        """Mean over pictures, float64 (n_rings,)."""
        return np.asarray(self.densities.mean(axis=0))

    @property
    def error(self) -> np.ndarray:
        """Standard error of that mean, float64 (n_rings,); NaN for a single picture."""
        n = len(self.densities)
        if n < 2:
            return np.full(self.densities.shape[1], np.nan)
        return np.asarray(self.densities.std(axis=0, ddof=1) / np.sqrt(n))

    @property
    def peak(self) -> int:
        """The ring of the highest density."""
        return int(np.nanargmax(self.density))

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of resamplings of the pictures in which each ring is the peak, (n_rings,).

        NaN for a single picture. It tells the noise of the signs that were drawn, and nothing of
        that of the brain's maps.
        """
        n, rings = self.densities.shape
        if n < 2:
            return np.full(rings, np.nan)
        times = np.random.default_rng(self.seed).multinomial(n, [1 / n] * n, RESAMPLINGS)
        peaks = np.nanargmax(times @ self.densities, axis=1)
        return np.asarray(np.bincount(peaks, minlength=rings) / RESAMPLINGS)


def measure(run: Run, question: Question, rows: Sequence[Row], folder: Path) -> list[Energy]:
    """Return the energy of every region, row and stage, and keep each map beside its pictures.

    ``energy_stage-NAME.npy`` is a map, float32 (height, width).
    """
    panels, where = panels_of(question, rows), folder.resolve()
    tasks = [(n, stage, where) for n in range(len(panels)) for stage in run.config.stages]
    sizes = sorted({_size(where, panels[n], stage) for n, stage, _ in tasks})
    subjects = [(subject,) for subject in question.subjects]
    work = spread(run, mean_stimulus, subjects, "mean stimulus", shared=(sizes,))
    means = {subjects[n][0]: found for n, found in work}
    found = dict(spread(run, measure_one, tasks, "energy", shared=(question, panels, means)))
    out = []
    for task, (number, stage, _) in enumerate(tasks):
        panel = panels[number]
        said = f"energy/{panel.row.label}/{panel.region.key}/{stage}"
        seed, (mean, densities) = seed_of(run.config.seed, said), found[task]
        out.append(Energy(panel, stage, Rings(question.width), mean, densities, seed))
        path = folder / panel.folder / f"energy_stage-{stage}.npy"
        np.save(path, mean.astype(np.float32))
    return out


def measure_one(site: Site, number: int, stage: str, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return map and densities of what one stage made of a panel, a picture at a time."""
    question, panels, means = site.shared
    panel: Panel = panels[number]
    size = _size(folder, panel, stage)
    mean = np.mean([means[subject][size] for subject in panel.subjects], axis=0)
    rings = Rings(question.width)
    ring, total = rings.of(*size), np.zeros(size)
    pixels = pixels_of(ring, rings)
    densities = np.full((question.painted, len(pixels)), np.nan)
    for k, density in enumerate(densities):
        (picture,) = load_images(folder / panel.folder, [name_of(k, stage)])
        gap = ((picture - mean) ** 2).mean(axis=2)
        total += gap
        sums = np.bincount(ring.ravel(), gap.ravel(), minlength=len(pixels))
        np.divide(sums, pixels, out=density, where=pixels > 0)
    return total / question.painted, densities


def mean_stimulus(site: Site, subject: str) -> dict[Size, np.ndarray]:
    """Return the mean of a subject's distinct training pictures, (height, width, 3), by size.

    Pictures of one size are averaged as they are; their mean is resized (bicubic, antialiased),
    which is the mean of the resized ones, unrounded.
    """
    (sizes,) = site.shared
    ids = sorted(site.run.subject(subject).trials.images("train"))
    sums = _sums(site.run.dataset.stimuli(ids).images)
    return {
        size: np.asarray(sum(_resized(total, size) for total in sums.values()) / len(ids))
        for size in sizes
    }


def pixels_of(ring: np.ndarray, rings: Rings) -> np.ndarray:
    """Return how many pixels each ring has."""
    return np.bincount(ring.ravel(), minlength=len(rings.names))


def _sums(images: Iterable[np.ndarray]) -> dict[Size, np.ndarray]:
    """Return the sum of the pictures of each size; whole numbers, so that no order matters."""
    sums: dict[Size, np.ndarray] = {}
    for image in images:
        height, width = image.shape[:2]
        total = sums.setdefault((height, width), np.zeros(image.shape, np.float64))
        total += image
    return sums


def _resized(values: np.ndarray, size: Size) -> np.ndarray:
    """Return floats (height, width, 3) in another size."""
    if values.shape[:2] == size:
        return values
    height, width = size
    planes = [Image.fromarray(values[..., c].astype(np.float32)) for c in range(3)]
    small = [plane.resize((width, height), Image.Resampling.BICUBIC) for plane in planes]
    return np.stack([np.asarray(plane, np.float64) for plane in small], axis=2)


def _size(folder: Path, panel: Panel, stage: str) -> Size:
    with Image.open(folder / panel.folder / f"{name_of(0, stage)}.png") as picture:
        return picture.height, picture.width
