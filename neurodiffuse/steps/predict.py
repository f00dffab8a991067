"""Predict: the latents of the test images from the brain, rescaled to the spread of real ones."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.decoders.columns import r_squared
from neurodiffuse.decoders.rescaling import rescale_block
from neurodiffuse.decoding import Opened
from neurodiffuse.files import write_json
from neurodiffuse.metrics import running
from neurodiffuse.overlap import follow
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, seed_of
from neurodiffuse.types import Block, InBlocks, Moments
from neurodiffuse.work import Site, spread


def predict(run: Run, subject: str) -> None:
    """Write the predicted latents of every feature and how well they fit the true ones.

    Rows are in the order of the true latents' file, which is that of the images' ids. Targets are
    read block by block, once. R² is that of the predictions before rescaling, as in the published
    code; the identification is two-way among the test images, on rescaled latents.
    """
    about: dict[str, Any] = {}
    opened = Opened(run, subject)
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            about[feature] = _predict_feature(run, subject, feature, opened, folder)
        write_json(folder / "features.json", about)


def _predict_feature(
    run: Run, subject: str, feature: str, opened: Opened, folder: Path
) -> dict[str, Any]:
    test = opened.test
    settings = run.config.predict
    left_out = settings.calibration if settings.rescale == "train" else 0
    predictions = opened.predict(
        feature,
        test.values,
        seeds=[seed_of(run.config.seed, image) for image in test.ids],
        left_out=left_out,
    )
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    made = LatentFile.create(folder / f"{feature}.npy", true.ids, true.shapes)
    order = true.places(test.ids)
    tally = Tally(made, order, settings.rescale)
    if run.machine.executor.apart and isinstance(predictions, InBlocks):
        tasks = [(subject, feature, made.path.resolve(), k) for k in range(len(made.columns()))]
        shared = (predictions, order)
        for k, said in spread(run, predict_block, tasks, feature, shared=shared):
            tally.note(made.columns()[k], *said)
        for (_, truth), (_, values) in zip(true.blocks(), made.blocks(), strict=True):
            tally.likeness.add(truth[order], values[order])
    else:
        seen = progress(true.blocks(), f"{feature}", total=len(true.columns()), quiet=run.quiet)
        blocks = opened.blocks(feature, predictions, len(test.ids))

        def work(pair: tuple[Block, tuple[slice, np.ndarray]]) -> None:
            tally.add(pair[0], opened.moments(feature, pair[0]), pair[1][1])

        # one is rescaled, scored and written while the next is multiplied
        follow(zip(blocks, seen, strict=True), work)
    np.save(folder / f"{feature}_r2.npy", tally.r2.astype(np.float32))
    return tally.said()


def predict_block(
    site: Site, subject: str, feature: str, path: Path, number: int
) -> tuple[np.ndarray, int, int]:
    """Predict one block of targets in another process and write it; return what `finish` does."""
    run, (shared, order) = site.run, site.shared
    opened = site.keep("opened", lambda: Opened(run, subject))
    # each thread has its own, with what it has placed on a device
    predictions: InBlocks = site.keep("predictions", lambda: copy.copy(shared))
    block = predictions.block(number)
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    truth = true.block(number)[1][order]
    moments = opened.moments(feature, block)
    return finish(LatentFile.open(path), order, block, moments, truth, run.config.predict.rescale)[
        1:
    ]


def finish(
    made: LatentFile,
    order: np.ndarray,
    block: Block,
    training: Moments,
    truth: np.ndarray,
    rescale: str,
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Rescale a block and write it, each row at its place in the file (``order``).

    Return its values, the R² of each target before rescaling, and how many targets are constant
    or, while varying, have no spread to rescale.
    """
    r2 = r_squared(truth, block.values)
    done = rescale_block(block, training, kind=rescale)
    placed = np.empty_like(done.values)
    placed[order] = done.values
    made.write_columns(block.columns, placed)
    flat = int((done.flat & ~training.constant).sum())
    return np.asarray(done.values, np.float32), r2, int(training.constant.sum()), flat


@dataclass(eq=False)
class Tally:
    """What becomes of each block of predictions: rescaled, written, scored and counted.

    ``order`` are the rows of the latents' files, true and predicted, that belong to the test
    images as they come with the betas.
    """

    made: LatentFile
    order: np.ndarray
    rescale: str
    constant: int = 0
    flat: int = 0

    def __post_init__(self) -> None:
        """Begin with no score."""
        self.r2 = np.empty(self.made.targets)
        self.likeness = metrics.RunningCorrelation()

    def add(self, block: Block, training: Moments, truth: np.ndarray) -> None:
        """Take in the next block: `finish` it and hold it against the truth."""
        truth = truth[self.order]
        made, order, rescale = self.made, self.order, self.rescale
        values, r2, constant, flat = finish(made, order, block, training, truth, rescale)
        self.note(block.columns, r2, constant, flat)
        self.likeness.add(truth, values)

    def note(self, columns: slice, r2: np.ndarray, constant: int, flat: int) -> None:
        """Take in what `finish` says of a block."""
        self.r2[columns] = r2
        self.constant += constant
        self.flat += flat

    def said(self) -> dict[str, Any]:
        """Return the scores over all targets."""
        named = metrics.two_way_identification(self.likeness.table(), running.TIE)
        return {
            "targets": self.made.targets,
            "r2_mean": float(self.r2.mean()),
            "r2_median": float(np.median(self.r2)),
            "identification": float(np.mean(named)),
            "constant_targets": self.constant,
            "flat_targets": self.flat,
        }
