"""95 % intervals of means over few images: of shares, of other values, of paired differences.

A percentile bootstrap covers too rarely at the sizes of test sets in this field: .84 to .90 at 10
images, .92 at 20. The coverage of the three below is measured by ``benchmarks/intervals.py`` and
stands in the reference page of the metrics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

LEAST = 8
"""Images from which on values are resampled; fewer have too few distinct samples."""

SPREAD = 4
"""The variance of shares is taken to be no less than this part of the largest possible."""

CLOSE = 0.93
"""Expected coverage below which a t interval carries a remark."""

ROUNDING = 1e-9
"""How far a value may lie outside of its metric's range by rounding."""

PART = 1 << 20
"""Values that are resampled at a time."""

Bounds = tuple[float, float]
"""The smallest and the largest value that is possible."""

METHODS = {
    "wilson": "Wilson's score interval with Student's t and the effective number of images where "
    "a metric counts a share of comparisons",
    "bootstrap-t": "a studentised bootstrap over images",
    "t": "Student's t interval",
    "bounded": "Wilson's score interval on the range of the metric, where the others would reach "
    "outside of what is possible",
    "percentile": "a percentile bootstrap over images, as earlier versions computed it",
}
"""How an interval was computed, in words, by the name that is stored with it."""


@dataclass(frozen=True)
class Interval:
    """A 95 % interval and how it was computed (`METHODS`).

    ``coverage`` is what to expect of it where the values are so skewed that 95 % cannot be had;
    None where it is about 95 %.
    """

    low: float
    high: float
    method: str
    coverage: float | None = None

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends."""
        return self.low, self.high


def mean_interval(
    values: np.ndarray, *, share: bool, bootstrap: int, seed: int, bounds: Bounds | None = None
) -> tuple[Interval | None, str]:
    """Return the interval of the mean of (n,) finite values, or None and why there is none.

    Parameters
    ----------
    values
        One an image.
    share
        Whether each is a share of comparisons, from 0 to 1: see `share_interval`.
    bootstrap
        Resamplings of the images of other values (`studentised`); 0 asks for no interval at all.
    seed
        Of the resampling.
    bounds
        What the metric can be; an interval that would leave it is `bounded`.
    """
    n = len(values)
    if n < 2:
        return None, "one image has no spread"
    if not bootstrap:
        return None, "no interval was asked for"
    if share and values.min() >= 0 and values.max() <= 1:
        return share_interval(values), ""
    if _constant(values):
        return None, "all values are equal, which says nothing about other images"
    found = t_interval(values) if n < LEAST else studentised(values, bootstrap, seed)
    return bounded(found, values, bounds), ""


def bounded(interval: Interval, values: np.ndarray, bounds: Bounds | None) -> Interval:
    """Return the interval, or if it leaves ``bounds`` Wilson's of the values' places between them.

    A studentised interval leaves them where a few images are far from the rest: resamples without
    them have next to no spread, and t is huge. Cutting it off would keep an end that says nothing,
    and transforming the mean first pushes the end to the bound. `share_interval` of the values
    scaled to 0 to 1 has the same coverage in simulations (reference page of the metrics) with a
    third of the width. Where nothing leaves the bounds, or a value itself does, nothing changes.
    """
    if bounds is None:
        return interval
    low, high = bounds
    inside = low <= interval.low and interval.high <= high
    if inside or values.min() < low - ROUNDING or values.max() > high + ROUNDING:
        return interval
    width = high - low
    found = share_interval(((values - low) / width).clip(0, 1))
    return Interval(low + width * found.low, low + width * found.high, "bounded", interval.coverage)


def share_interval(values: np.ndarray) -> Interval:
    """Return Wilson's score interval of the mean of shares, never outside 0 to 1.

    With mean m, variance s² and n images the effective number of images is
    ``n m (1 - m) / s²``, at most `SPREAD` n (Dean & Pagano 2015, Survey Methodology 41: the
    interval for proportions of complex samples, here with Student's t). The bound matters near
    the ceiling, where n images have seldom shown the rare failures that the mean is made of.
    Where all images are at an end it is n, as for values that are 0 or 1.
    """
    n, m = len(values), float(values.mean())
    most = m * (1 - m)
    variance = max(float(values.var(ddof=1)), most / SPREAD)
    effective = n * most / variance if most > 0 else n
    q = float(stats.t.ppf(0.975, n - 1))
    a = q * q / effective
    centre = (m + a / 2) / (1 + a)
    half = q * np.sqrt(most / effective + (a / q / 2) ** 2) / (1 + a)
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)), "wilson")


def studentised(values: np.ndarray, bootstrap: int, seed: int) -> Interval:
    """Return the bootstrap-t interval (Efron & Tibshirani 1993, chapter 12): right under skew.

    Resamples without spread have no t and are left out.
    """
    rng, n = np.random.default_rng(seed), len(values)
    centred = values - values.mean()
    found = []
    for start in range(0, bootstrap, max(1, PART // n)):
        some = min(bootstrap - start, max(1, PART // n))
        drawn = centred[rng.integers(n, size=(some, n))]
        means, spread = drawn.mean(axis=1), drawn.std(axis=1, ddof=1)
        kept = spread > 1e-9 * np.abs(centred).max()
        found.append(means[kept] / spread[kept])
    each = np.concatenate(found)
    if not len(each):
        return t_interval(values)
    low, high = np.percentile(each, [2.5, 97.5])
    mean, spread = float(values.mean()), float(values.std(ddof=1))
    return Interval(mean - float(high) * spread, mean - float(low) * spread, "bootstrap-t")


def t_interval(values: np.ndarray) -> Interval:
    """Return Student's t interval of the mean, and what it covers where values are skewed."""
    n, mean = len(values), float(values.mean())
    half = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / np.sqrt(n))
    covers = skewed_coverage(values)
    return Interval(mean - half, mean + half, "t", covers if covers < CLOSE else None)


def skewed_coverage(values: np.ndarray) -> float:
    """Return about how often a t interval of such values holds their mean.

    The term of skewness g in Edgeworth's expansion (Hall 1988, Annals of Statistics 16):
    ``0.95 - (z⁴ + 2z² - 3) z φ(z) g² / 9n`` with z = 1.96. A skewness within 1.96 of its
    standard errors under a normal distribution counts as none.
    """
    n = len(values)
    if n < 3 or _constant(values):
        return 0.95
    g = float(stats.skew(values, bias=False))
    z = float(stats.norm.ppf(0.975))
    if abs(g) < z * np.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))):
        return 0.95
    lost = (z**4 + 2 * z**2 - 3) * z * float(stats.norm.pdf(z)) * g**2 / (9 * n)
    return max(0.0, 0.95 - lost)


def difference_interval(differences: np.ndarray, bounds: Bounds | None = None) -> Interval | None:
    """Return the interval of the mean of (n,) paired differences; None where nothing varies.

    ``bounds`` are those of the metric: differences are at most as large as its range.

    Differences of two methods lean to neither side, and many are zero where both are near the
    ceiling, which makes a bootstrap too narrow: Student's t.
    """
    if len(differences) < 2 or _constant(differences):
        return None
    widest = bounds[1] - bounds[0] if bounds else 0.0
    return bounded(t_interval(differences), differences, (-widest, widest) if bounds else None)


def _constant(values: np.ndarray) -> bool:
    return float(np.ptp(values)) <= 1e-12 * max(1.0, float(np.abs(values).max()))
