"""The metrics on pictures that need no network."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.metrics.correlation import correlation_table, pixel_correlation
from neurodiffuse.metrics.identification import (
    identification_table,
    permuted_means,
    two_way_identification,
)
from neurodiffuse.metrics.mindeye import Enlarged
from neurodiffuse.metrics.running import RunningCorrelation
from neurodiffuse.metrics.similarity import axes_of, ssim, ssim_of_shifts
from neurodiffuse.types import Images, Metric

Dialect = Literal["", "brain-diffuser", "mindeye"]
"""Whose sizes: nobody's, 425 pixels (Brain-Diffuser), or 256 and then 425 (MindEye)."""

BRAIN_DIFFUSER = 425
"""Side at which Brain-Diffuser's evaluation compares pixels."""

PAIRS = 10_000
"""Up to so many pairs SSIM's null compares every picture with every other one."""


def resized(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return pictures, uint8 (n, h, w, 3), at another size; the same array if they have it.

    Pillow's bicubic filter, antialiased when shrinking: the published evaluation's resize.
    """
    if values.shape[1:3] == (height, width):
        return values
    out = np.empty((len(values), height, width, 3), dtype=np.uint8)
    for i, picture in enumerate(values):
        image = Image.fromarray(np.ascontiguousarray(picture))
        out[i] = np.asarray(image.resize((width, height), Image.Resampling.BICUBIC))
    return out


class PixCorr(Metric):
    """Pearson correlation over all pixels and colours of a pair.

    Parameters
    ----------
    size
        Side in pixels to which both are resized; 0 resizes what was made to the size of what
        was seen.
    dialect
        ``"brain-diffuser"``: 425 pixels, Pillow's bicubic filter. ``"mindeye"``: 256 and then 425
        pixels, bilinear without antialiasing. Empty: ``size`` says.
    """

    bounds = (-1.0, 1.0)
    permutations = 9999

    def __init__(self, size: int = 0, dialect: Dialect = "") -> None:
        self.size = _size_of(dialect, size)
        self.dialect = dialect

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return one correlation for each pair."""
        if self.dialect == "mindeye":
            pairs = zip(*_enlarged(seen, made), strict=True)
            return np.concatenate([pixel_correlation(a[None], b[None]) for a, b in pairs])
        return pixel_correlation(*_pair(seen, made, self.size))

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return mean correlations of shuffled pairs."""
        return permuted_means(self._table(seen, made), self.permutations, rng)

    def _table(self, seen: Images, made: Images) -> np.ndarray:
        if self.dialect != "mindeye":
            return correlation_table(*_pair(seen, made, self.size))
        likeness = RunningCorrelation()
        for bands in zip(*(images.bands() for images in _enlarged(seen, made)), strict=True):
            likeness.add(*bands)
        return likeness.table()


class Ssim(Metric):
    """Structural similarity of the grey pictures of a pair.

    Parameters
    ----------
    variant
        ``"2d"`` or ``"columnwise"``, see `ssim`.
    size, dialect
        As in `PixCorr`. Brain-Diffuser's numbers are columnwise, MindEye's 2-D: the dialect does
        not choose the variant, because both are worth a row.
    """

    bounds = (-1.0, 1.0)
    permutations = 9999

    def __init__(self, variant: str = "2d", size: int = 0, dialect: Dialect = "") -> None:
        axes_of(variant)
        self.variant = variant
        self.size = _size_of(dialect, size, least=11)
        self.dialect = dialect

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return one similarity for each pair."""
        before, after = self._sized(seen, made)
        return ssim(before, after, self.variant)

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return mean similarities of wrong pairs.

        Up to 100 pictures: shuffled pairs, from the table of all. A table of more would take
        hours, so each made picture is then compared with at least 20 seen ones that are not
        its own, and a draw takes one of them at random for each.
        """
        before, after = self._sized(seen, made)
        n = len(before)
        order, places = rng.permutation(n), np.arange(n)
        if n * n <= PAIRS:
            values = ssim_of_shifts(before, after, order, range(n), self.variant)
            table = np.empty((n, n))
            for shift in range(n):
                table[np.roll(order, -shift), order] = values[shift, order]
            return permuted_means(table, self.permutations, rng)
        shifts = range(1, 1 + max(20, PAIRS // n))
        values = ssim_of_shifts(before, after, order, shifts, self.variant)
        draws = (rng.integers(len(shifts), size=n) for _ in range(self.permutations))
        return np.array([values[draw, places].mean() for draw in draws])

    def _sized(self, seen: Images, made: Images) -> Any:
        enlarged = self.dialect == "mindeye"
        return _enlarged(seen, made) if enlarged else _pair(seen, made, self.size)


class Identification(Metric):
    """Two-way identification on pixels or on histograms of oriented gradients.

    Parameters
    ----------
    on
        ``"pixels"``: all pixels and colours. ``"hog"``: 9 orientations in cells of 8 × 8 pixels,
        normalised in blocks of 2 × 2 cells, on the grey picture (Dalal & Triggs 2005): edges
        and layout without colour.
    size
        Side in pixels to which both are resized; 0 resizes what was made to the size of what
        was seen.
    """

    chance = 0.5
    bounds = (0.0, 1.0)
    permutations = 9999

    def __init__(self, on: str = "pixels", size: int = 64) -> None:
        if on not in ("pixels", "hog"):
            raise ConfigError(f"on: no identification on {on!r}. Possible: pixels, hog.")
        self.on = on
        self.size = _size(size, least=16 if on == "hog" else 1)

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return for each made picture the share of wrong seen ones that it resembles less."""
        return two_way_identification(self._table(seen, made))

    def null(self, seen: Images, made: Images, rng: np.random.Generator) -> np.ndarray:
        """Return mean scores of shuffled pairs."""
        table = identification_table(self._table(seen, made))
        return permuted_means(table, self.permutations, rng)

    def _table(self, seen: Images, made: Images) -> np.ndarray:
        before, after = _pair(seen, made, self.size)
        if self.on == "hog":
            before, after = _gradients(before), _gradients(after)
        return correlation_table(before, after)


def _gradients(values: np.ndarray) -> np.ndarray:
    from skimage.color import rgb2gray
    from skimage.feature import hog

    if min(values.shape[1:3]) < 16:
        height, width = values.shape[1:3]
        raise DataError(f"hog: pictures of {height} × {width} pixels; set size = 16 or more.")
    return np.stack(
        [
            hog(rgb2gray(v), orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2))
            for v in values
        ]
    )


def _pair(seen: Images, made: Images, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Return both pictures' values at one size, after checking that they belong together."""
    check_pair(seen, made)
    height, width = (size, size) if size else seen.values.shape[1:3]
    return resized(seen.values, height, width), resized(made.values, height, width)


def _enlarged(seen: Images, made: Images) -> tuple[Enlarged, Enlarged]:
    check_pair(seen, made)
    return Enlarged(seen.values), Enlarged(made.values)


def check_pair(seen: Images, made: Images) -> None:
    """Raise `DataError` unless both are pictures of the same images, at least one."""
    if seen.ids != made.ids:
        raise DataError(
            f"scores: {len(seen.ids)} seen and {len(made.ids)} made images whose ids differ "
            f"from number {_first_difference(seen.ids, made.ids) + 1} on."
        )
    for what, images in (("seen", seen), ("made", made)):
        values = images.values
        if values.ndim != 4 or values.shape[-1] != 3 or values.dtype != np.uint8:
            raise DataError(
                f"scores: what was {what} is {values.dtype} of shape {values.shape}; expected "
                "uint8 (n, height, width, 3)."
            )
        if len(values) != len(images.ids):
            raise DataError(
                f"scores: {len(values)} {what} images have {len(images.ids)} ids; expected"
                " one each."
            )
    if len(seen.ids) == 0:
        raise DataError("scores: there is no test image.")


def _first_difference(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _size_of(dialect: str, size: int, *, least: int = 1) -> int:
    """Return the size of a dialect, or the one that was given."""
    if dialect not in get_args(Dialect):
        known = ", ".join(name for name in get_args(Dialect) if name)
        raise ConfigError(f"dialect: pixels have no dialect {dialect!r}. Possible: {known}.")
    if dialect and size:
        raise ConfigError(f"size: the dialect {dialect!r} says the size; leave one of them out.")
    return BRAIN_DIFFUSER if dialect == "brain-diffuser" else _size(size, least=least)


def _size(size: int, *, least: int = 1) -> int:
    if isinstance(size, bool) or not isinstance(size, int) or (size != 0 and size < least):
        raise ConfigError(f"size: {size!r} is not possible; give {least} pixels or more, or 0.")
    return size
