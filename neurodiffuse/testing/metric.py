"""Whether a metric keeps its promises."""

from __future__ import annotations

import numpy as np

from neurodiffuse.testing.findings import Finding, constructor, left_alone, memory, moved, refusals
from neurodiffuse.testing.stimuli import example_stimuli
from neurodiffuse.types import Images, Metric


def examine_metric(metric: Metric, seen: Images | None = None) -> list[Finding]:
    """Look at one finite value an image, the direction, sizes, and that input is left alone."""
    found = constructor(metric, Metric)
    if seen is None:
        stimuli = example_stimuli(8)
        seen = Images(stimuli.ids, np.stack(list(stimuli.images)))
    before = seen.values.copy()
    noise = np.random.default_rng(0).integers(0, 256, seen.values.shape, np.uint8)
    with found.trying("compare and null run"), left_alone(found):
        same, other = metric.compare(seen, seen), metric.compare(seen, Images(seen.ids, noise))
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
    with found.trying("pictures of another size than what was seen are compared"):
        large = Images(seen.ids, seen.values.repeat(2, 1).repeat(2, 2))
        found.that(
            metric.compare(seen, large).shape == (len(seen.ids),),
            "pictures of another size than what was seen are compared",
        )
    refusals(found, metric, lambda other: other.compare(seen, seen))
    return found
