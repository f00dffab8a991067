"""How often 95 % intervals hold the true mean, by simulation: the table of the metrics page.

    python benchmarks/intervals.py --sets 4000

Seen pictures are Gaussian vectors; what was made is one mixed with noise, by a strength that
differs from image to image. PixCorr is the correlation of each pair, two-way identification is
computed by `neurodiffuse.metrics` from the table of all pairs, so that its values depend on one
another as they do in a run. A paired difference is that of two methods on the same images whose
noise is half shared. The truth is the mean over sets of 1,500 images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np

from neurodiffuse import metrics

SIZES = (10, 20, 50)

Sets = Callable[[int, int, np.random.Generator], np.ndarray]
"""Of how many sets, how many images, drawn by what: values (sets, images)."""


def made(
    n: int, width: int, strengths: tuple[float, ...], spread: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return seen vectors (n, width) and what each method made of them."""
    seen, common = rng.standard_normal((2, n, width))
    ease = spread * rng.standard_normal(n)
    out = []
    for strength in strengths:
        own = 0.4 * rng.standard_normal(n) if len(strengths) > 1 else 0.0
        part = (1 / (1 + np.exp(-(strength + ease + own))))[:, None]
        noise = rng.standard_normal((n, width))
        if len(strengths) > 1:
            noise = np.sqrt(0.5) * (noise + common)
        out.append(part * seen + np.sqrt(1 - part**2) * noise)
    return seen, out


def pixcorr(seen: np.ndarray, one: np.ndarray) -> np.ndarray:
    """Return the correlation of each pair."""
    return 1 - metrics.correlation_distance(seen, one)


def sets_of(
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
    width: int,
    strengths: tuple[float, ...],
    spread: float,
) -> Sets:
    """Return what draws sets of a score, or of the difference of the scores of two methods."""

    def drawn(count: int, n: int, rng: np.random.Generator) -> np.ndarray:
        out = np.empty((count, n))
        for row in out:
            seen, all_made = made(n, width, strengths, spread, rng)
            values = [score(seen, one) for one in all_made]
            row[:] = values[0] - values[1] if len(values) > 1 else values[0]
        return out

    return drawn


def intervals(values: np.ndarray, kind: str, bootstrap: int) -> Iterator[tuple[float, float]]:
    """Yield the interval of each set as the toolbox gives it; one that is missing holds nothing."""
    for seed, one in enumerate(values):
        if kind == "difference":
            found = metrics.difference_interval(one)
        else:
            share = kind == "share"
            found, _ = metrics.mean_interval(one, share=share, bootstrap=bootstrap, seed=seed)
        yield found.ends if found else (np.nan, np.nan)


def percentile(values: np.ndarray, bootstrap: int) -> Iterator[tuple[float, float]]:
    """Yield percentile bootstrap intervals, which earlier versions gave."""
    rng = np.random.default_rng(1)
    n = values.shape[1]
    draws = rng.integers(n, size=(bootstrap, n))
    for one in values:
        low, high = np.percentile(one[draws].mean(axis=1), [2.5, 97.5])
        yield float(low), float(high)


def share_of(found: Iterator[tuple[float, float]], truth: float) -> float:
    """Return the share of intervals that hold the truth."""
    return float(np.mean([low - 1e-12 <= truth <= high + 1e-12 for low, high in found]))


IDENTIFY = metrics.identification_from_features
CASES: tuple[tuple[str, str, Sets], ...] = (
    ("PixCorr", "mean", sets_of(pixcorr, 30, (-2.0,), 1.2)),
    ("PixCorr", "mean", sets_of(pixcorr, 30, (-1.0,), 0.8)),
    ("PixCorr", "mean", sets_of(pixcorr, 30, (0.5,), 0.8)),
    ("Two-way identification", "share", sets_of(IDENTIFY, 20, (-3.0,), 0.5)),
    ("Two-way identification", "share", sets_of(IDENTIFY, 20, (-1.5,), 0.5)),
    ("Two-way identification", "share", sets_of(IDENTIFY, 20, (-0.5,), 0.8)),
    ("Two-way identification", "share", sets_of(IDENTIFY, 50, (-0.5,), 0.8)),
    ("Two-way identification", "share", sets_of(IDENTIFY, 30, (0.3,), 0.8)),
    ("PixCorr, difference", "difference", sets_of(pixcorr, 30, (-1.0, -1.5), 0.8)),
    ("PixCorr, difference", "difference", sets_of(pixcorr, 30, (0.3, 0.0), 0.8)),
    ("Identification, difference", "difference", sets_of(IDENTIFY, 20, (-1.0, -1.5), 0.8)),
    ("Identification, difference", "difference", sets_of(IDENTIFY, 20, (-1.0, -1.0), 0.8)),
    ("Identification, difference", "difference", sets_of(IDENTIFY, 50, (-0.5, -1.0), 0.8)),
    ("Identification, difference", "difference", sets_of(IDENTIFY, 50, (0.0, -0.5), 0.8)),
)


def main() -> None:
    """Print a row for each case and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=4000)
    parser.add_argument("--bootstrap", type=int, default=2000)
    asked = parser.parse_args()
    print("| of | true mean | skewness | n | covers | percentile bootstrap |")
    print("|---|---|---|---|---|---|")
    for number, (name, kind, drawn) in enumerate(CASES):
        rng = np.random.default_rng(number)
        many = drawn(12, 1500, rng)
        truth = float(many.mean())
        z = (many - truth) / many.std()
        for n in SIZES:
            values = drawn(asked.sets, n, rng)
            here = share_of(intervals(values, kind, asked.bootstrap), truth)
            before = share_of(percentile(values, asked.bootstrap), truth)
            print(
                f"| {name} | {truth:.3f} | {(z**3).mean():.1f} | {n} | {here:.3f} | {before:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
