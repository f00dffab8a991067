"""Sizes of one subject's decoding, from which every formula is made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurodiffuse.budget import scores
from neurodiffuse.decoding import feature_voxels, stored
from neurodiffuse.run import Run
from neurodiffuse.run.scoring import keeps_sizes
from neurodiffuse.store import WIDTH, load_betas
from neurodiffuse.types import Decoder, Sizes, Work

VALUE = {"float32": 4, "float16": 2}
"""Bytes of a stored latent."""

MOST = 64
"""Stimuli that an encoder is given at once where memory allows."""


@dataclass(frozen=True)
class Counts:
    """Sizes of one subject's decoding.

    ``trials`` are those of the longest session, ``image`` the bytes of one image as it was seen,
    ``targets`` those of each feature, ``value`` the bytes of a stored latent. ``repeated`` tells
    whether training trials share latents. ``compared`` is what the metric that needs most holds
    beside the test images (`scores`). ``decoders`` are the recipe's, each with its
    features; ``refined`` says whether any has a refiner, ``unstored`` which training latents
    are not on disk.
    """

    n: int
    m: int
    p: int
    trials: int
    image: int
    targets: Mapping[str, int]
    repeated: bool
    calibration: int
    value: int
    compared: int = 0
    decoders: Sequence[tuple[Decoder, tuple[str, ...]]] = ()
    refined: bool = False
    unstored: tuple[str, ...] = ()

    def needed(self, work: Work, *, patterns: int | None = None, together: int = 1) -> int:
        """Return what the decoder that needs most holds while it does some work."""
        sizes = Sizes(
            rows=self.n,
            patterns=self.m if patterns is None else patterns,
            voxels=self.p,
            targets=self.targets,
            value=self.value,
            width=width(self),
            repeated=self.repeated,
            left_out=min(self.calibration, self.n) if work == "predict" else 0,
            together=together,
            unstored=self.unstored,
        )
        held = (
            decoder.memory(work, replace(sizes, targets={f: self.targets[f] for f in features}))
            for decoder, features in self.decoders
        )
        return max(held, default=0)


def counts_of(run: Run, subject: str, voxels: int) -> Counts:
    """Return the sizes of a subject's decoding, of ``voxels`` in the mask."""
    trials, config = run.subject(subject).trials, run.config
    single = config.mask.repetitions == "single"
    train, test = trials.images("train"), trials.images("test")
    image = run.dataset.stimuli(test[:1]).images[0]
    targets = {f: targets_of(run.encoder(f).shapes()) for f in config.features}
    return Counts(
        n=trials.split.count("train") if single else len(train),
        m=len(test),
        p=voxels,
        trials=max(Counter(trials.session).values()),
        image=int(image.nbytes),
        targets=targets,
        repeated=single,
        calibration=config.predict.calibration if config.predict.rescale == "train" else 0,
        value=VALUE[config.encode.dtype],
        compared=max(
            (_compared(run, m, len(test), image, targets) for m in config.metrics), default=0
        ),
        decoders=tuple(run.decoders().values()),
        refined=bool(config.refiners),
        unstored=tuple(f for f, part in config.features.items() if not part.store),
    )


def _compared(run: Run, name: str, m: int, image: np.ndarray, targets: Mapping[str, int]) -> int:
    """Return what a metric of the recipe holds; made pictures are resized, as most are.

    Where pictures are compared at the recipe's size, both are held at it too.
    """
    part, size = run.config.metrics[name], run.config.score.size
    if part.feature:
        return scores.of_latents(m, targets[part.feature], MOST)
    metric, seen = run.metric(name), image.shape[:2]
    if not size or seen == (size, size) or keeps_sizes(run, name):
        return scores.of_pictures(metric, m, seen, (0, 0))
    both = 2 * scores.pictures(m, (size, size))
    return both + scores.of_pictures(metric, m, (size, size), (size, size))


def counts_of_feature(run: Run, subject: str, feature: str) -> Counts:
    """Return the sizes of a fitted feature; what does not matter for its weights is 0."""
    latents = stored(run, subject, feature, "this question")
    betas = load_betas(run.folder("mask", subject), "train")
    decoders = {f: d for d, features in run.decoders().values() for f in features}
    return Counts(
        n=len(betas.ids),
        m=0,
        p=len(feature_voxels(run, subject, feature)),
        trials=0,
        image=0,
        targets={feature: latents.targets},
        repeated=len(betas.ids) != len(latents.ids),
        calibration=0,
        value=VALUE[latents.dtype],
        decoders=((decoders[feature], (feature,)),),
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


def width(c: Counts) -> int:
    """Return how many columns a stored block of the largest feature has."""
    return min(WIDTH, max(c.targets.values()))
