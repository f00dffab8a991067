"""What each step of a run needs of memory, from counts alone, before anything is computed.

Every formula is the sum of the arrays that a step holds at its fullest moment, in bytes, beside
`BASE`. n are training rows, m test images, p voxels of the mask, t targets of a feature, r
calibration rows, w = min(`WIDTH`, t) columns of a block. Files that are mapped count as far as
they are touched: the system could drop these pages, and tools that show a process's size count
them. Networks are their plugins' own affair: they are given the budget too (option ``memory``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from neurodiffuse.errors import RunError
from neurodiffuse.ridge.columns import ROWS
from neurodiffuse.ridge.gram import CHUNK
from neurodiffuse.run import Run, read_json
from neurodiffuse.store import WIDTH, LatentFile
from neurodiffuse.work import WHOLE

BASE = 220 * 2**20
"""The interpreter and its libraries (150 MiB, measured) and what the allocator does not return."""

MARGIN = 1.2
"""What is added to the arrays; ``benchmarks/memory.py`` holds the sum against measured peaks."""

DRAWING = 130 * 2**20
"""What draws brains and charts, and a brain: a report reads no more pictures than it shows."""

MOST = 64
"""Stimuli that an encoder is given at once where memory allows."""

SPARE = 128 * 2**20
"""What is added to the budget that a message asks for, so that it is enough however rounded."""

VALUE = {"float32": 4, "float16": 2}
"""Bytes of a stored latent."""

REMEDIES = {
    "mask": "decode from fewer voxels (--mask)",
    "encode": "allow more memory: one image a time is too much already",
    "fit": "decode from fewer voxels (--mask), or average repetitions",
    "predict": "decode from fewer voxels, or --set predict.calibration=250",
    "score": "test fewer images",
    "report": "leave --memory out: it draws as much for any number of images",
    "weights": "decode from fewer voxels (--mask)",
    "pictures": "do without them (--no-pictures)",
}

ALONE = (*WHOLE, "report", "pictures")
"""Where at most one process of the workers that share a budget is at work."""


@dataclass(frozen=True)
class Counts:
    """Sizes of one subject's decoding.

    ``trials`` are those of the longest session, ``image`` the bytes of one image as it was seen,
    ``targets`` and ``alphas`` (how many penalties its targets may have) of each feature, ``value``
    the bytes of a stored latent. ``chosen``, ``bands`` and ``repeated`` tell whether any penalty
    is chosen, whether betas are scaled in bands, and whether training trials share latents.
    """

    n: int
    m: int
    p: int
    trials: int
    image: int
    targets: Mapping[str, int]
    alphas: Mapping[str, int]
    chosen: bool
    bands: bool
    repeated: bool
    calibration: int
    value: int


def counts_of(run: Run, subject: str, voxels: int) -> Counts:
    """Return the sizes of a subject's decoding, of ``voxels`` in the mask."""
    trials, config = run.subject(subject).trials, run.config
    single = config.mask.repetitions == "single"
    train, test = trials.images("train"), trials.images("test")
    features = config.features
    return Counts(
        n=trials.split.count("train") if single else len(train),
        m=len(test),
        p=voxels,
        trials=max(Counter(trials.session).values()),
        image=int(run.dataset.stimuli(test[:1]).images[0].nbytes),
        targets={f: targets_of(run.encoder(f).shapes()) for f in features},
        alphas={
            f: len(part.alphas) or 25
            if isinstance(part.alpha, str) and part.alpha_per != "feature"
            else 1
            for f, part in features.items()
        },
        chosen=any(isinstance(part.alpha, str) for part in features.values()),
        bands=any(part.bands for part in features.values()),
        repeated=single,
        calibration=config.predict.calibration if config.predict.rescale == "train" else 0,
        value=VALUE[config.encode.dtype],
    )


def counts_of_map(run: Run, subject: str, feature: str) -> Counts:
    """Return the sizes of a fitted map; what does not matter for its weights is 0."""
    about = read_json(run.folder("fit", subject) / "fit.json")[feature]
    latents = LatentFile.open(run.latents(subject, feature) / "train.npy")
    return Counts(
        n=about["n_rows"],
        m=0,
        p=about["n_voxels"],
        trials=0,
        image=0,
        targets={feature: latents.targets},
        alphas={},
        chosen=isinstance(about["alpha"], str),
        bands=bool(about.get("scale")),
        repeated=about["n_rows"] != len(latents.ids),
        calibration=0,
        value=VALUE[latents.dtype],
    )


def targets_of(shapes: tuple[tuple[int, ...], ...]) -> int:
    """Return how many targets latents of these shapes have."""
    total = 0
    for shape in shapes:
        size = 1
        for length in shape:
            size *= length
        total += size
    return total


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
    s, w = min(c.n, c.p), _width(c)
    betas = 4 * c.n * c.p * (2 if c.bands else 1)
    mean = betas + 16 * c.p * min(ROWS, c.n)
    gram = betas + 4 * s * s + 8 * max(c.n, c.p) * CHUNK
    kept = betas if c.bands or c.n > c.p else 0
    chosen = max(36 * s * s, 20 * s * s + 48 * c.n * w)
    solved = kept + (chosen if c.chosen else 8 * s * s)
    return max(mean, gram, solved)


def predict(c: Counts) -> int:
    """Return what the predict step holds.

    At first the betas, mapped, 4 n p, and inner products with them, 4 m n; then the factor,
    mapped, 4 s², the hat matrices' rows, 4 (m + r) n for each of k penalties, twice while they
    are joined, and what left-out rows are formed from, 8 r n. While targets stream, these rows
    once, two stored blocks and one as float32, 2 (v + 4) n w with v bytes a value (4 n w more
    where trials share latents), the products and what they are rescaled and scored with,
    (60 m + 20 r) w, and the table of correlations, 20 m².
    """
    s, r = min(c.n, c.p), min(c.calibration, c.n)
    cross = 4 * c.m * c.n
    kinds = max(c.alphas.values(), default=1)
    rows = 4 * (c.m + r) * c.n
    factor = 4 * s * s
    solving = factor + 2 * rows * kinds + 8 * r * c.n + cross
    w = _width(c)
    block = (2 * c.value + 8 + (4 if c.repeated else 0)) * c.n * w
    finishing = (60 * c.m + 20 * r) * w + 20 * c.m * c.m
    stream = rows * kinds + cross + block + finishing
    return max(4 * c.n * c.p + cross + 8 * c.n * CHUNK, solving, stream)


def weights(c: Counts, piece: int, *, patterns: bool) -> int:
    """Return what `neurodiffuse weights` holds for one feature, of pieces of ``piece`` targets.

    At first the betas, mapped, 4 n p, twice where bands scale them, the factor, mapped, 4 s², what
    weights are formed with, P, 4 n p, and three copies of a stretch of 1024 rows of it, 12 n. Of
    chosen penalties with more voxels than rows P is there twice while it is joined, beside
    eigenvectors that may be float64, 8 s², and a copy of them, 4 s². While targets stream, P, and
    the betas where patterns are asked for; a block as it is stored and as float32, (v + 4) n W
    with W columns of a stored block (4 n W more where trials share latents); of a piece its
    targets centred, its weights and their sizes, 4 n + 8 p, and patterns as much again with 1024
    voxels' betas centred, 4 n.
    """
    s, wide = min(c.n, c.p), _width(c)
    betas = 4 * c.n * c.p * (2 if c.bands else 1)
    kernel = 4 * c.n * c.p + (4 * s * s if c.chosen else 0)
    factor = 8 * s * s if c.chosen else 4 * s * s
    forming = betas + factor + kernel + 12 * c.n * CHUNK
    if c.chosen:
        forming += 4 * c.n * c.p
    block = (c.value + 4 + (4 if c.repeated else 0)) * c.n * wide
    stream = kernel + block + (4 * c.n + 8 * c.p) * piece
    if patterns:
        stream += betas + (4 * c.n + 8 * c.p) * piece + 4 * c.n * CHUNK
    return max(forming, stream)


def explained(c: Counts, images: int, piece: int) -> int:
    """Return what ``neurodiffuse weights --measure explained`` holds for one feature.

    N = ``images``, V = min(``piece``, p) voxels of a task. Inner products in float64, a block's own
    in float32, 12 N², and blocks as stored, as float32 and centred, 2 v N w + 8 N w. Then products
    that become eigenvectors, and LAPACK's workspace, 24 N². Last the eigenvectors, 8 N², and
    squares of a stretch of them; or the betas, mapped, 4 n p, a task's betas as stored, in float64
    and averaged, (12 n + 8 N) V, and four times as its strips are predicted, 32 N V.
    """
    w, wide = _width(c), min(piece, c.p)
    forming = 12 * images**2 + (2 * c.value + 8) * images * w
    squares = 8 * images * min(ROWS, images)
    task = 4 * c.n * c.p + (12 * c.n + 40 * images) * wide
    return max(forming, 24 * images**2, 8 * images**2 + max(squares, task))


def score(c: Counts) -> int:
    """Return what the score step holds besides a metric's network.

    What was seen and made, both once more where a metric resizes them (made pictures counted as
    large as those seen); float64 stretches of both, 64 MB, and tables of all pairs, 24 m².
    """
    return 4 * c.m * c.image + 64 * 10**6 + 24 * c.m * c.m


def check(run: Run, needed: Mapping[str, int]) -> None:
    """Refuse a budget that a step would not stay within.

    Raises
    ------
    RunError
        With a step that needs more, how much, and what to change.
    """
    memory = run.machine.memory
    if memory is None:
        return
    # subjects follow one another in a whole step (`WHOLE`) where workers' parts would not do
    workers = memory // (run.machine.executor.share(memory) or memory)
    whole = {step: size * (1 if step in ALONE else workers) for step, size in needed.items()}
    step = max(whole, key=lambda name: whole[name])
    if whole[step] > memory:
        each = f" in each of {workers} workers" if whole[step] > needed[step] else ""
        enough = words(whole[step] + SPARE).replace(" ", "")
        raise RunError(
            f"--memory: {step} needs about {words(needed[step])}{each} and there is "
            f"{words(memory)}. Give --memory {enough}, or {REMEDIES[step]}."
        )


def check_again(run: Run, *steps: str) -> None:
    """Refuse a budget that steps, done again for a decoded run, would not stay within.

    Raises
    ------
    RunError
        As `check`.
    """
    if run.machine.memory is None:
        return
    each = []
    for label in run.config.subjects:
        voxels = read_json(run.folder("mask", label) / "about.json")["voxels"]
        each.append(peaks(counts_of(run, label, voxels)))
    check(run, {step: max(needed[step] for needed in each) for step in steps})


def _width(c: Counts) -> int:
    return min(WIDTH, max(c.targets.values()))


def words(size: float) -> str:
    """Return bytes as ``1.4 GiB``."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
