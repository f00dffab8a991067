"""What metrics hold beside the pictures or latents that they compare, in bytes."""

from __future__ import annotations

from neurodiffuse import metrics
from neurodiffuse.blas import threads
from neurodiffuse.metrics.correlation import BLOCK
from neurodiffuse.metrics.mindeye import BAND, SIDES
from neurodiffuse.metrics.similarity import WINDOWS
from neurodiffuse.report.pictures import CONTACT_SHEET_MOST, LARGE, THUMBNAIL
from neurodiffuse.types import Metric

Size = tuple[int, int]
"""Height and width of a picture in pixels."""

STRETCHES = 2 * 8 * BLOCK
"""Float64 values of both sides that tables of correlations are made from."""


def pictures(n: int, size: Size) -> int:
    """Return the bytes of n pictures, uint8 (height, width, 3)."""
    return 3 * n * size[0] * size[1]


def shown(picture: int, side: int) -> int:
    """Return what a picture of so many bytes takes in a page, at most.

    A PNG that nothing could be saved of, or if it is larger than ``side`` pixels a JPEG, which has
    a byte a pixel and a third; in letters a third more, in four texts: its own, as it is escaped,
    the page's and the file's.
    """
    most = 3 * side * side
    return 4 * 4 * (picture if picture <= most else most * 4 // 9) // 3


def page(n: int, seen: Size, made: Size) -> int:
    """Return what the page of ``neurodiffuse score`` holds.

    Best, median and worst pairs in large, and up to 200 small.
    """
    return sum(
        24 * shown(one, LARGE) + min(n, CONTACT_SHEET_MOST) * shown(one, THUMBNAIL)
        for one in (pictures(1, seen), pictures(1, made))
    )


def tables(n: int) -> int:
    """Return the bytes of three float64 tables of all pairs, which a null is drawn from."""
    return 24 * n * n


def of_pictures(metric: Metric, n: int, seen: Size, made: Size) -> int:
    """Return what a metric holds beside n pictures seen and made of these sizes.

    Copies at the size where they are compared, where they have another; then what `_pixels`,
    `_ssim` or `_identified` says. Of other metrics, tables of all pairs: networks are their
    plugins' own affair.
    """
    if not isinstance(metric, metrics.PixCorr | metrics.Ssim | metrics.Identification):
        return tables(n)
    enlarged = getattr(metric, "dialect", "") == "mindeye"
    size = (metric.size, metric.size) if metric.size else seen
    sized = sum(pictures(n, size) for before in (seen, made) if before != size and not enlarged)
    if enlarged:
        size = (SIDES[-1], SIDES[-1])
    if isinstance(metric, metrics.PixCorr):
        return sized + _pixels(n, enlarged=enlarged)
    if isinstance(metric, metrics.Ssim):
        return sized + _ssim(n, size)
    return sized + _identified(n, size, metric.on)


def of_latents(n: int, t: int, batch: int) -> int:
    """Return what a metric on latents of t targets holds beside the pictures.

    Those seen and made, 8 n t, and of a batch what the encoder returns, 9 t; float64 stretches of
    both, and tables of all pairs.
    """
    return 8 * n * t + 9 * batch * t + STRETCHES + tables(n)


def _pixels(n: int, *, enlarged: bool) -> int:
    """Return what correlating pixels holds.

    Float64 stretches of both, 64 MB, and tables of all pairs. MindEye's enlarged pictures in place
    of the stretches: 17 float32 lines of all of them, of both sides, twice, and once more while
    they are joined.
    """
    lines = 4 * n * BAND * SIDES[-1] * 3
    return (6 * lines if enlarged else STRETCHES) + tables(n)


def _ssim(n: int, size: Size) -> int:
    """Return what structural similarity holds.

    Of a picture grey, mean, square and variance in float64, 32 bytes a pixel: of those that a null
    compares the next picture with, and of that one; beside them it in colour, 24, and what a pair
    is averaged in, 48. Or, in each thread of BLAS, both pictures of a pair so.
    """
    pixels = size[0] * size[1]
    null = 32 * (min(WINDOWS, n) + 1) + 24 + 48
    pairs = min(threads(), n) * (2 * 32 + 24 + 48)
    return pixels * max(null, pairs) + 16 * n * min(n, 100)


def _identified(n: int, size: Size, on: str) -> int:
    """Return what identification holds: as of pixels, and float64 gradients of both, twice."""
    cells = max(size[0] // 8 - 1, 0) * max(size[1] // 8 - 1, 0)
    gradients = 4 * 8 * 36 * cells * n if on == "hog" else 0
    return gradients + STRETCHES + tables(n)
