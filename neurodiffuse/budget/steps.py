"""What each step holds at its fullest moment, in bytes."""

from __future__ import annotations

from neurodiffuse.budget.counts import MOST, Counts, width
from neurodiffuse.ridge.columns import ROWS
from neurodiffuse.ridge.gram import CHUNK

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
            "fit": fit(counts),
            "predict": predict(counts),
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


def fit(c: Counts) -> int:
    """Return what the fit step holds.

    The betas are mapped, 4 n p, twice where bands scale them. Beside them at first a stretch of
    1024 rows in float64, 16 p; then the Gram matrix of s = min(n, p) rows, 4 s², and 1024
    columns centred, 4 n. The system then has the betas back, but for the primal form, and the
    Gram matrix stands beside the one that becomes the factor, 8 s². Penalties that are chosen
    may need float64: both matrices, eigenvectors and LAPACK's workspace, 36 s², and later 20 s²
    with a block of targets six times, 48 n w.
    """
    s, w = min(c.n, c.p), width(c)
    betas = 4 * c.n * c.p * (2 if c.bands else 1)
    mean = betas + 16 * c.p * min(ROWS, c.n)
    gram = betas + 4 * s * s + 8 * max(c.n, c.p) * CHUNK
    kept = betas if c.bands or c.n > c.p else 0
    chosen = max(36 * s * s, 20 * s * s + 48 * c.n * w)
    solved = kept + (chosen if c.chosen else 8 * s * s)
    return max(mean, gram, solved)


def predict(c: Counts) -> int:
    """Return what the predict step holds.

    At first the betas, mapped, 4 n p, twice where bands scale them, those of the test images,
    mapped and centred, 8 m p, two stretches of training rows, 8192 n, and inner products, 4 m n,
    a part of them twice, 4096 m. Then the factor, mapped, 4 s², or eigenvectors that may
    be float64, 8 s², and what they make of inner products, 8 m s; the hat matrices' rows,
    4 (m + r) n for each of k penalties, twice while they are joined, and what left-out rows are
    formed from, 8 r n. While targets stream, these rows once, two stored blocks and one as
    float32, 2 (v + 4) n w with v bytes a value (4 n w more where trials share latents), the
    products and what they are rescaled and scored with, (60 m + 20 r) w, and the table of
    correlations, 20 m².
    """
    s, r = min(c.n, c.p), min(c.calibration, c.n)
    cross = 4 * c.m * c.n
    kinds = max(c.alphas.values(), default=1)
    rows = 4 * (c.m + r) * c.n
    factor = 8 * s * s + 8 * c.m * s if c.chosen else 4 * s * s
    solving = factor + 2 * rows * kinds + 8 * r * c.n + cross
    w = width(c)
    block = (2 * c.value + 8 + (4 if c.repeated else 0)) * c.n * w
    finishing = (60 * c.m + 20 * r) * w + 20 * c.m * c.m
    stream = rows * kinds + cross + block + finishing
    first = 4 * c.n * c.p * (2 if c.bands else 1) + 8 * c.m * c.p
    first += cross + (8 * c.n + 4 * c.m) * CHUNK
    return max(first, solving, stream)


def score(c: Counts) -> int:
    """Return what the score step holds besides a metric's network.

    What was seen and made, 3 m i with i bytes an image: how large pictures will be made nobody
    knows yet, so that they count twice. Then what `scores` says of the metric that needs most.
    """
    return 3 * c.m * c.image + c.compared
