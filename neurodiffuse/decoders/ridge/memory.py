"""What ridge holds at its fullest moments, in bytes.

n are training rows, m patterns, p voxels, t targets of a feature, r left-out rows, w columns of a
stored block with v bytes a value, s = min(n, p). ``benchmarks/memory.py`` holds these sums against
measured peaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from neurodiffuse.config.ridge import Settings
from neurodiffuse.decoders.columns import ROWS
from neurodiffuse.decoders.ridge.gram import CHUNK
from neurodiffuse.types import Sizes, Work

PASSING = 2**28
"""Bytes of a batch of latents that are encoded in passing."""

ON_OFFER = 25
"""Penalties to choose from where none are named."""


def needed(work: Work, sizes: Sizes, options: Mapping[str, Settings]) -> int:
    """Return what some work holds, of features with these options."""
    each = options.values()
    how = _How(
        chosen=any(isinstance(one.alpha, str) for one in each),
        bands=any(one.bands for one in each),
        kinds=max((_kinds(one) for one in each), default=1),
    )
    if work == "fit":
        return _fit(sizes, how)
    if work == "predict":
        return _predict(sizes, how)
    if work == "answer":
        return _answer(sizes, how)
    return _weights(sizes, how, patterns=work == "patterns")


@dataclass(frozen=True)
class _How:
    """Whether any penalty is chosen and betas are scaled in bands; most penalties of a feature."""

    chosen: bool
    bands: bool
    kinds: int


def _kinds(options: Settings) -> int:
    several = isinstance(options.alpha, str) and options.alpha_per != "feature"
    return (len(options.alphas) or ON_OFFER) if several else 1


def _fit(c: Sizes, how: _How) -> int:
    """Return what a fit holds.

    The betas are mapped, 4 n p, twice where bands scale them. Beside them at first a stretch of
    1024 rows in float64, 16 p; then the Gram matrix of s rows, 4 s², and 1024 columns centred,
    4 n. The system then has the betas back, but for the primal form, and the Gram matrix stands
    beside the one that becomes the factor, 8 s². Penalties that are chosen may need float64: both
    matrices, eigenvectors and LAPACK's workspace, 36 s², and later 20 s² with a block of targets
    six times, 48 n w.
    """
    n, p, s = c.rows, c.voxels, min(c.rows, c.voxels)
    betas = 4 * n * p * (2 if how.bands else 1)
    mean = betas + 16 * p * min(ROWS, n)
    gram = betas + 4 * s * s + 8 * max(n, p) * CHUNK
    kept = betas if how.bands or n > p else 0
    chosen = max(36 * s * s, 20 * s * s + 48 * n * c.width)
    solved = kept + (chosen if how.chosen else 8 * s * s)
    return max(mean, gram, solved)


def _predict(c: Sizes, how: _How) -> int:
    """Return what predicting test images and left-out rows, block by block, holds.

    At first the betas, mapped, 4 n p, twice where bands scale them, those of the test images,
    mapped and centred, 8 m p, two stretches of training rows, 8192 n, and inner products, 4 m n,
    a part of them twice, 4096 m. Then the factor, mapped, 4 s², or eigenvectors that may
    be float64, 8 s², and what they make of inner products, 8 m s; the hat matrices' rows,
    4 (m + r) n for each of k penalties, twice while they are joined, and what left-out rows are
    formed from, 8 r n. While targets stream, these rows once, two stored blocks and one as
    float32, 2 (v + 4) n w (4 n w more where trials share latents), the products and what they are
    rescaled and scored with, (60 m + 20 r) w, and the table of correlations, 20 m². Where latents
    are not stored, the predictions of all targets, 4 (m + r) t, a batch of latents three times
    while it is encoded, and moments and scores of all targets, 40 t.
    """
    n, m, p, r, w = c.rows, c.patterns, c.voxels, c.left_out, c.width
    s, cross, rows = min(n, p), 4 * m * n, 4 * (m + r) * n
    factor = 8 * s * s + 8 * m * s if how.chosen else 4 * s * s
    solving = factor + 2 * rows * how.kinds + 8 * r * n + cross
    block = (2 * c.value + 8 + (4 if c.repeated else 0)) * n * w
    finishing = (60 * m + 20 * r) * w + 20 * m * m
    stream = rows * how.kinds + cross + block + finishing
    for feature in set(c.unstored) & set(c.targets):
        t = c.targets[feature]
        passing = 4 * (m + r) * t + 3 * max(4 * t, PASSING) + 40 * t
        stream = max(stream, rows + cross + passing + finishing)
    first = 4 * n * p * (2 if how.bands else 1) + 8 * m * p
    first += cross + (8 * n + 4 * m) * CHUNK
    return max(first, solving, stream)


def _answer(c: Sizes, how: _How) -> int:
    """Return what predicting synthetic patterns holds, of a region ``together`` at once.

    At first the betas, mapped, 4 n p, twice where bands scale them, the patterns of a region,
    4 K p, and two stretches of 1024 columns centred, 8 n. Beside them and afterwards the factor,
    mapped, 4 s², or eigenvectors that may be float64, 8 s², and a row of n for each pattern and
    penalty. While targets stream, two stored blocks, one as float32 and one shifted,
    2 (v + 4) n w (4 n w more where trials share latents), and what they say to each pattern, of
    two blocks, 8 m w.
    """
    n, p, w, s = c.rows, c.voxels, c.width, min(c.rows, c.voxels)
    betas = 4 * n * p * (2 if how.bands else 1)
    forming = betas + 4 * c.together * p + 8 * max(n, p) * CHUNK
    block = (2 * c.value + 8 + (4 if c.repeated else 0)) * n * w
    rows = 4 * c.patterns * n * how.kinds
    return (8 if how.chosen else 4) * s * s + rows + max(forming, block + 8 * c.patterns * w)


def _weights(c: Sizes, how: _How, *, patterns: bool) -> int:
    """Return what weights of pieces of ``together`` targets hold, and patterns made of them.

    At first the betas, mapped, 4 n p, twice where bands scale them, the factor, mapped, 4 s², what
    weights are formed with, P, 4 n p, and three copies of a stretch of 1024 rows of it, 12 n. Of
    chosen penalties with more voxels than rows P is there twice while it is joined, beside
    eigenvectors that may be float64, 8 s², and a copy of them, 4 s². While targets stream, P, and
    the betas where patterns are asked for; a block as it is stored and as float32, (v + 4) n W
    with W columns of a stored block (4 n W more where trials share latents); of a piece its
    targets centred, its weights and their sizes, 4 n + 8 p, and patterns as much again with 1024
    voxels' betas centred, 4 n.
    """
    n, p, w, s = c.rows, c.voxels, c.width, min(c.rows, c.voxels)
    betas = 4 * n * p * (2 if how.bands else 1)
    kernel = 4 * n * p + (4 * s * s if how.chosen else 0)
    factor = 8 * s * s if how.chosen else 4 * s * s
    forming = betas + factor + kernel + 12 * n * CHUNK
    if how.chosen:
        forming += 4 * n * p
    block = (c.value + 4 + (4 if c.repeated else 0)) * n * w
    stream = kernel + block + (4 * n + 8 * p) * c.together
    if patterns:
        stream += betas + (4 * n + 8 * p) * c.together + 4 * n * CHUNK
    return max(forming, stream)
