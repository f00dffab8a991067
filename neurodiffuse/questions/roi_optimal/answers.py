"""Predict the latents of synthetic patterns: what one subject's brain says a region stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.decoding import Opened, moments_of
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile


@dataclass(frozen=True, eq=False)
class Answer:
    """What the decoder of one feature predicts for each pattern.

    ``latents`` is a file with a row a pattern: deviations, float32 (n_patterns, t), from ``mean``
    (t,). ``sd`` (t,, ddof 0) is that of the training latents, both float64; ``norm`` is the mean
    Euclidean norm of the training latents. ``unread`` bool (n_patterns,) marks patterns without a
    voxel that the feature reads.
    """

    latents: LatentFile
    mean: np.ndarray
    sd: np.ndarray
    norm: float
    unread: np.ndarray


def answer(
    run: Run, subject: str, feature: str, patterns: Iterable[np.ndarray], place: Path
) -> Answer:
    """Write the latents that a feature's decoder predicts for patterns (n_voxels,) into a file.

    Each pattern is predicted on its own, so that its latents are the same bytes whatever else is
    asked for. ``place`` is a ``.npy`` file.
    """
    opened = Opened(run, subject)
    voxels = opened.responses(feature).voxels[feature]
    read = []

    def parts() -> Iterator[np.ndarray]:
        for pattern in patterns:
            part = pattern[voxels].astype(np.float32)
            read.append(part.any())
            yield part

    predictions = opened.predict_each(feature, parts())
    unread = ~np.array(read, bool)
    targets = opened.targets(feature)
    latents = LatentFile.create(place, tuple(map(str, range(len(read)))), targets.shapes)
    rows = len(opened.responses(feature).images)
    t, squares = latents.targets, np.zeros(rows)
    mean, sd = np.zeros(t), np.zeros(t)
    blocks = opened.blocks(feature, predictions, len(read))
    for number, block in enumerate(blocks):
        columns, training, deviations = block.columns, block.training, block.deviation
        if training is None or training.squares is None:
            training = moments_of(targets.block(number)[1])
            deviations = (block.values - training.mean).astype(np.float32)
        assert training.squares is not None
        squares += training.squares
        mean[columns], sd[columns] = training.mean, training.sd
        latents.write_columns(columns, np.where(unread[:, None], np.float32(0), deviations))
    return Answer(latents, mean, sd, float(np.sqrt(squares).mean()), unread)
