"""What ``neurodiffuse roi-optimal`` holds at its fullest moments, in bytes.

Beside the counts P are patterns and K those of one region, N training images, C components that
are found on R of them, F features, and i the bytes of a painted picture.
"""

from __future__ import annotations

from collections.abc import Collection

from neurodiffuse.budget.counts import MOST, Counts, width
from neurodiffuse.budget.scores import shown
from neurodiffuse.report.pictures import LARGE

DRAWN, AXES = 24 * 2**20, 400 * 2**10
"""Matplotlib's fonts, and templates, at work; and what it keeps of a cell: measured."""

CELL = 216
"""Pixels of a cell's side in a figure."""


def answered(c: Counts, t: int, patterns: int, each: int) -> int:
    """Return what sending ``patterns``, of which a region has ``each``, through a decoder holds.

    What the decoder says of itself; mean and standard deviation of all targets stay, 16 t.
    """
    return c.needed("answer", patterns=patterns, together=each) + 16 * t


def lengthened(c: Counts, subjects: int, together: int) -> int:
    """Return what giving latents their length holds, and averaging those of ``subjects``.

    Means and standard deviations of every subject and feature, 16 t each; of ``together`` rows at
    once what is stored, 4 t, and five float64 copies, 40 t; the pages of the file they are read
    from, 32 t, and two more float64 rows.
    """
    most = max(c.targets.values())
    return 16 * subjects * sum(c.targets.values()) + most * (44 * together + 32 + 16)


def painted(c: Counts, stages: int, picture: int, batch: int) -> int:
    """Return what painting a batch holds besides networks.

    Latents of each picture, 4 t of every feature, and a copy; the pages of the file they are read
    from, 32 t; the pictures of every stage, i, and one more as it is written.
    """
    latents = 8 * batch * sum(c.targets.values()) + 32 * max(c.targets.values())
    return latents + (batch * stages + 2) * picture


def forward(
    c: Counts, seen: Collection[str], images: int, batch: int, components: int, sketch: int
) -> int:
    """Return what the forward model of features ``seen`` holds besides the encoders' networks.

    Mean and components of every feature, 4 t (C + 1). While they are found, inner products of R
    images and their eigenvectors with LAPACK's workspace, 32 R²; or, while targets pass by, these
    without it, 16 R², two stored blocks, one as float32 and one less its mean, (2 v + 8) n w, and
    of R images the block, its difference from the mean, in float32 and float64, and what it says
    of components, 16 R w + 8 C w. Then the betas, 4 N p, mapped or averaged; the predictors
    k = C F of F features as they are, joined, centred, and decomposed, 48 N k, beside the blocks
    of targets; or, in place of these, 64 pictures of ``batch`` bytes twice and their latents as the
    encoder returns them and less their mean, 12 t each.
    """
    if not seen:
        return 0
    w, most = width(c), max(c.targets[f] for f in seen)
    few, found = min(sketch, images), min(components, images)
    kept = sum(4 * c.targets[f] * (found + 1) for f in seen)
    block = (2 * c.value + 8) * images * w
    reducing = max(32 * few**2, 16 * few**2 + block + 16 * few * w + 8 * found * w)
    design = 48 * images * found * len(seen)
    predicting = design + max(block, 2 * batch + 12 * MOST * most)
    return kept + max(reducing, 4 * images * c.p + predicting)


def energies(subjects: int, picture: int) -> int:
    """Return what measuring energies holds where it is done, with the mean stimulus of everybody.

    In float64, 8 i, each mean and that of a row, a picture's difference and its square; and their
    sum over colours, the map, rings and radii, a third of it each.
    """
    return 8 * picture * (subjects + 5)


def drawn(*, maps: int, cells: int, pictures: int, picture: int) -> int:
    """Return what figures and the page hold, beside what `DRAWN` says.

    A figure's ``cells``: a picture each and a copy of it, 2 i, their canvas with colours, twice, 8
    bytes a pixel, and what matplotlib keeps of them; ``maps`` of energy, float64, of which a figure
    has a copy, 16 bytes a pixel, and the figure in the page; and the page's ``pictures``.
    """
    canvas = CELL * CELL
    figures = DRAWN + cells * (2 * picture + 8 * canvas + AXES)
    of_maps = maps * (16 * (picture // 3) + shown(3 * canvas, LARGE))
    return figures + of_maps + pictures * shown(picture, LARGE)
