"""Means with intervals, chance levels and permutation tests over images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.metrics.intervals import Bounds, Interval, difference_interval, mean_interval

ROUNDING = 1e-12
"""Means that differ by less are equal: the same numbers may be added in another order."""


@dataclass(frozen=True)
class Summary:
    """One metric over the test images.

    ``interval`` is the 95 % interval of the mean over images, ``interval_method`` one of
    `neurodiffuse.metrics.intervals.METHODS`; ``p`` is
    one-sided, the share of re-pairings at least as good, counting the observed one:
    (1 + #) / (1 + permutations). ``chance`` is what theory says or else the null's mean
    (``chance_from``: ``"theory"`` or ``"null"``), ``null_interval`` the null's 2.5 and 97.5 %
    points. What cannot be given is None; ``reason`` says why there is no test and
    ``no_interval`` why there is no interval.
    """

    n: int
    mean: float
    sem: float | None
    interval: tuple[float, float] | None
    p: float | None
    chance: float | None
    chance_from: str
    null_interval: tuple[float, float] | None
    bootstrap: int
    permutations: int
    reason: str = ""
    interval_method: str = ""
    no_interval: str = ""


def summary(
    values: np.ndarray,
    null: np.ndarray,
    *,
    higher_is_better: bool,
    chance: float | None,
    share: bool = False,
    bounds: Bounds | None = None,
    bootstrap: int = 2000,
    seed: int,
) -> Summary:
    """Summarise one value an image beside the means of shuffled pairs.

    Parameters
    ----------
    values
        (n,), one for each image (``Metric.compare``).
    null
        (permutations,) mean values of shuffled pairs (``Metric.null``); may be empty.
    higher_is_better, chance, share, bounds
        The metric's. A level of chance between 0 and 1 also says that values are shares.
    bootstrap
        Number of resamplings of the images; 0 asks for no interval.
    seed
        Of the resampling.

    Raises
    ------
    DataError
        There is no value, or one is not finite.

    Notes
    -----
    n images have only n! pairings: two cannot reach p < 0.5.
    """
    values, null = _finite(values, "values"), np.asarray(null, dtype=np.float64)
    n = len(values)
    if n == 0:
        raise DataError("scores: there is no value to summarise.")
    mean = float(values.mean())
    tested = n > 1 and null.size > 0
    reason = "" if tested else "one image has no other pairing" if n == 1 else "no null was drawn"
    shares = share or (chance is not None and 0 < chance < 1)
    found, why = mean_interval(values, share=shares, bootstrap=bootstrap, seed=seed, bounds=bounds)
    expected = chance if chance is not None else float(null.mean()) if tested else None
    return Summary(
        n=n,
        mean=mean,
        sem=float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else None,
        interval=found.ends if found else None,
        p=_p(mean, null, higher_is_better) if tested else None,
        chance=expected,
        chance_from="" if expected is None else "theory" if chance is not None else "null",
        null_interval=_middle(null) if tested else None,
        bootstrap=bootstrap if found and found.method == "bootstrap-t" else 0,
        permutations=null.size if tested else 0,
        reason=reason,
        interval_method=found.method if found else "",
        no_interval=why,
    )


@dataclass(frozen=True)
class PairedTest:
    """Whether one method's images score differently from another's on the same images.

    ``difference`` is the mean of a - b, ``p`` two-sided; ``exact`` says that all 2ⁿ sign
    patterns were counted. ``p`` is None for one image. ``interval`` is the 95 % interval of the
    difference (`difference_interval`), None for one image or where no image differs from another.
    """

    n: int
    difference: float
    p: float | None
    permutations: int
    exact: bool
    interval: Interval | None = None


def paired_test(
    a: np.ndarray,
    b: np.ndarray,
    seed: int,
    *,
    permutations: int = 9999,
    bounds: Bounds | None = None,
) -> PairedTest:
    """Test the mean difference of two methods on the same images by flipping signs.

    If the methods did not differ, each image's a - b could as well be b - a. ``p`` is the share
    of sign patterns whose mean difference is at least as far from zero: of all of them when
    there are no more than ``permutations``, else of that many random ones and the observed one.

    Parameters
    ----------
    a, b
        (n,), the two methods' values for the same images in the same order.
    seed
        Of the random signs.
    bounds
        The metric's.

    Raises
    ------
    DataError
        The lengths differ, there is no value, or one is not finite.
    """
    a, b = _finite(a, "values of the first method"), _finite(b, "values of the second method")
    if a.shape != b.shape or len(a) == 0:
        raise DataError(
            f"paired test: {len(a)} and {len(b)} values; both methods need the same images."
        )
    difference, n = a - b, len(a)
    observed = float(difference.mean())
    if n == 1:
        return PairedTest(1, observed, None, 0, exact=False)
    exact = 2**n <= permutations
    if exact:
        signs = np.array(list(product((1.0, -1.0), repeat=n)))
        means = signs @ difference / n
    else:
        rng = np.random.default_rng(seed)
        draws = (rng.choice((-1.0, 1.0), size=n) @ difference / n for _ in range(permutations))
        means = np.fromiter(draws, dtype=np.float64, count=permutations)
    far = int(np.sum(np.abs(means) >= abs(observed) - ROUNDING))
    p = far / len(means) if exact else (1 + far) / (1 + permutations)
    return PairedTest(n, observed, p, len(means), exact, difference_interval(difference, bounds))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return p-values corrected for their number (Holm 1979), None where there was no test.

    The smallest is multiplied by the number of tests, the next by one less, and none becomes
    smaller than one before it: the chance of any false claim among them stays below the level.
    """
    known = [(p, k) for k, p in enumerate(p_values) if p is not None and np.isfinite(p)]
    out: list[float | None] = [None] * len(p_values)
    least = 0.0
    for place, (p, k) in enumerate(sorted(known)):
        least = max(least, min(1.0, (len(known) - place) * p))
        out[k] = least
    return out


def _p(mean: float, null: np.ndarray, higher_is_better: bool) -> float:
    as_good = null >= mean - ROUNDING if higher_is_better else null <= mean + ROUNDING
    return float((1 + as_good.sum()) / (1 + null.size))


def _middle(values: np.ndarray) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def _finite(values: np.ndarray, what: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1:
        raise DataError(f"scores: {what} have shape {values.shape}; expected one an image, (n,).")
    wrong = np.flatnonzero(~np.isfinite(values))
    if wrong.size:
        raise DataError(
            f"scores: {wrong.size} of {len(values)} {what} are not finite, the first in row "
            f"{wrong[0]}."
        )
    return values
