"""Whether a metric keeps its promises."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurodiffuse.testing.findings import (
    Finding,
    Findings,
    constructor,
    left_alone,
    memory,
    moved,
    refusals,
)
from neurodiffuse.testing.stimuli import example_stimuli
from neurodiffuse.types import Images, Latents, Metric


def examine_metric(metric: Metric, seen: Images | None = None) -> list[Finding]:
    """Look at one finite value an image, the direction, sizes, and that input is left alone."""
    found = constructor(metric, Metric)
    compared = getattr(metric, "compares", "")
    found.that(
        compared in ("images", "latents"), "compares is 'images' or 'latents'", repr(compared)
    )
    stimuli, rng = example_stimuli(8), np.random.default_rng(0)
    if compared == "latents":
        return _examine(
            found,
            metric,
            *(
                Latents(stimuli.ids, rng.standard_normal((8, 12)).astype(np.float32), ((3, 4),))
                for _ in range(2)
            ),
        )
    if seen is None:
        seen = Images(stimuli.ids, np.stack(list(stimuli.images)))
    noise = Images(seen.ids, rng.integers(0, 256, seen.values.shape, np.uint8))
    _examine(found, metric, seen, noise)
    with found.trying("pictures of another size than what was seen are compared"):
        large = Images(seen.ids, seen.values.repeat(2, 1).repeat(2, 2))
        found.that(
            metric.compare(seen, large).shape == (len(seen.ids),),
            "pictures of another size than what was seen are compared",
        )
    return found


def _examine(found: Findings, metric: Metric, seen: Any, noise: Any) -> Findings:
    """Look at the scores of images or latents, against themselves and against noise."""
    before = seen.values.copy()
    with found.trying("compare and null run"), left_alone(found):
        same, other = metric.compare(seen, seen), metric.compare(seen, noise)
        found.that(same.shape == (len(seen.ids),), "one value an image", same.shape)
        found.that(np.isfinite(same).all(), "values are finite")
        sign = 1 if metric.higher_is_better else -1
        found.that(
            sign * same.mean() > sign * other.mean(),
            "the same picture scores better than noise",
            f"{same.mean():.4g} against {other.mean():.4g}",
        )
        nulls = [metric.null(seen, seen, np.random.default_rng(0)) for _ in range(2)]
        found.that(nulls[0].ndim == 1 and len(nulls[0]) > 0, "null returns (permutations,) means")
        found.that(
            np.array_equal(nulls[0], nulls[1]), "null draws from the generator that it is given"
        )
        found.that(np.array_equal(seen.values, before), "compare leaves its input alone")
        moved(found, metric, lambda m: m.compare(seen, seen), np.asarray(same), 1e-2)
        memory(found, lambda: metric.compare(seen, seen))
    refusals(found, metric, lambda other: other.compare(seen, seen))
    return found
