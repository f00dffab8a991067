"""What each step holds at its fullest moment, in bytes; decoders say it of fit and predict."""

from __future__ import annotations

from neurodiffuse.budget.counts import MOST, Counts, width
from neurodiffuse.decoders.columns import ROWS

BASE = 220 * 2**20
"""The interpreter and its libraries (150 MiB, measured) and what the allocator does not return."""

MARGIN = 1.2
"""What is added to the arrays; ``benchmarks/memory.py`` holds the sum against measured peaks."""

DRAWING = 130 * 2**20
"""What draws brains and charts, and a brain: a report reads no more pictures than it shows."""


def peaks(counts: Counts, memory: int | None = None) -> dict[str, int]:
    """Return the peak of each step in bytes; a budget makes batches of images smaller."""
    return {
        step: int(BASE + MARGIN * held)
        for step, held in {
            "mask": mask(counts),
            "encode": max(
                encode(counts, t, batch_within(memory, counts.image, t))
                for t in counts.targets.values()
            ),
            "fit": counts.needed("fit"),
            "predict": max(counts.needed("predict"), refine(counts)),
            "score": score(counts),
            "report": DRAWING,
        }.items()
    }


def mask(c: Counts) -> int:
    """Return what the mask step holds.

    Both files of betas, mapped, 4 p (n + m); a session of trials as the data set yields it and
    converts it, 12 p; and, while columns are summed in float64, a stretch of 1024 rows twice,
    16 p.
    """
    return 4 * c.p * (c.n + c.m) + 12 * c.p * c.trials + 16 * c.p * min(ROWS, c.n)


def encode(c: Counts, t: int, batch: int) -> int:
    """Return what the encode step holds besides the network, for a batch of images.

    The images and their float32 copy, 5 bytes a pixel; the latents as the network returns them,
    as an array, and the mask of finite ones, 9 t. With float16 centre and unit in float64 and
    what they are made of, 48 t.
    """
    return batch * (5 * c.image + 9 * t) + (48 * t if c.value == 2 else 0)


def batch_within(memory: int | None, image: int, targets: int, most: int = MOST) -> int:
    """Return how many images an encoder is given at once within a budget, 1 to ``most``."""
    if memory is None:
        return most
    left = (memory - BASE) / MARGIN - 48 * targets
    return int(min(max(left // (5 * image + 9 * targets), 1), most))


def refine(c: Counts) -> int:
    """Return what a refiner that looks for near training images holds, 0 of none.

    Tables of the correlations of r held-out rows, or m test images, with n training images in
    float64, five times while they are formed and sorted, 40 n max(m, r); two stored blocks of the
    training latents, one as float32 and one less its mean, (2 v + 8) n w, and of the predictions
    and what is made of them, 24 (m + r) w.
    """
    if not c.refined:
        return 0
    r = max(c.m, min(c.calibration or c.n, c.n))
    w = width(c)
    return 40 * c.n * r + (2 * c.value + 8) * c.n * w + 24 * (c.m + r) * w


def score(c: Counts) -> int:
    """Return what the score step holds besides a metric's network.

    What was seen and made, 3 m i with i bytes an image: how large pictures will be made nobody
    knows yet, so that they count twice. Then what `scores` says of the metric that needs most.
    """
    return 3 * c.m * c.image + c.compared
