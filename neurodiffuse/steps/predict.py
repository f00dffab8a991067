"""Predict: the latents of the test images from the brain, rescaled to the spread of real ones."""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.decoders.columns import r_squared
from neurodiffuse.decoders.rescaling import rescale_block, rescale_left_out
from neurodiffuse.decoding import Opened, aligned, checked
from neurodiffuse.files import write_json
from neurodiffuse.metrics import running
from neurodiffuse.overlap import follow
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, StoredTargets, seed_of
from neurodiffuse.types import Block, HeldOut, InBlocks, Moments
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
    settings, refiner = run.config.predict, run.config.refined_by().get(feature)
    wanted = settings.rescale == "train" or refiner is not None
    left_out = settings.calibration if wanted else 0
    test = opened.test
    seeds = [seed_of(run.config.seed, image) for image in test.ids]
    predictions = opened.predict(feature, test.values, seeds=seeds, left_out=left_out)
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    order = true.places(test.ids)
    if refiner is not None:
        rows = opened.left_out_rows(feature, left_out)
        with scratch(folder) as beside:
            made = LatentFile.create(beside / "predicted.npy", true.ids, true.shapes)
            held = LatentFile.create(beside / "held_out.npy", [str(r) for r in rows], true.shapes)
            tally = Tally(made, order, settings.rescale, held)
            _stream(run, feature, opened, predictions, true, tally)
            about = tally.said()
            about |= _refine(run, feature, opened, refiner, tally, rows, folder, true)
    else:
        made = LatentFile.create(folder / f"{feature}.npy", true.ids, true.shapes)
        tally = Tally(made, order, settings.rescale)
        if run.machine.executor.apart and isinstance(predictions, InBlocks):
            _spread(run, subject, feature, predictions, true, tally)
        else:
            _stream(run, feature, opened, predictions, true, tally)
        about = tally.said()
    np.save(folder / f"{feature}_r2.npy", tally.r2.astype(np.float32))
    return about


def _stream(
    run: Run,
    feature: str,
    opened: Opened,
    predictions: Iterable[Block],
    true: LatentFile,
    tally: Tally,
) -> None:
    """Take in predictions block by block."""
    seen = progress(true.blocks(), f"{feature}", total=len(true.columns()), quiet=run.quiet)
    blocks = opened.blocks(feature, predictions, len(tally.order))

    def work(pair: tuple[Block, tuple[slice, np.ndarray]]) -> None:
        tally.add(pair[0], opened.moments(feature, pair[0]), pair[1][1])

    # one is rescaled, scored and written while the next is multiplied
    follow(zip(blocks, seen, strict=True), work)


def _spread(
    run: Run, subject: str, feature: str, predictions: InBlocks, true: LatentFile, tally: Tally
) -> None:
    """Have the blocks predicted and written by other processes."""
    made, order = tally.made, tally.order
    tasks = [(subject, feature, made.path.resolve(), k) for k in range(len(made.columns()))]
    for k, said in spread(run, predict_block, tasks, feature, shared=(predictions, order)):
        tally.note(made.columns()[k], *said)
    for (_, truth), (_, values) in zip(true.blocks(), made.blocks(), strict=True):
        tally.likeness.add(truth[order], values[order])


def _refine(
    run: Run,
    feature: str,
    opened: Opened,
    name: str,
    tally: Tally,
    rows: np.ndarray,
    folder: Path,
    true: LatentFile,
) -> dict[str, Any]:
    """Let a refiner learn from held-out predictions and write what it makes of the test images'.

    Return how well the refined latents are told apart, and how well those before were.
    """
    assert tally.held is not None
    part = run.config.refiners[name]
    who = f"refiners.{name} ({part.refiner!r}): {feature}"
    targets, images = opened.targets(feature), opened.responses(feature).images
    first, own = np.unique(images, return_index=True, return_inverse=True)[1:]
    held_out = HeldOut(
        feature,
        StoredTargets(tally.held, np.arange(len(rows))),
        targets.of(rows),
        targets.of(first),
        own[rows],
        run.config.seed,
    )
    place = folder / f"{feature}_refiner"
    place.mkdir()
    refiner = run.refiner(name)
    refiner.fit(held_out, place)
    predicted = StoredTargets(tally.made, np.arange(len(true.ids)))
    made = LatentFile.create(folder / f"{feature}.npy", true.ids, true.shapes)
    seeds = [seed_of(run.config.seed, image) for image in true.ids]
    refined = (
        Block(columns, np.asarray(values, np.float32))
        for columns, values in refiner.refine(held_out, place, predicted, seeds=seeds)
    )
    likeness = metrics.RunningCorrelation()
    blocks = aligned(checked(who, refined, made.targets, len(true.ids)), made.columns())
    for block, (_, truth) in zip(blocks, true.blocks(), strict=True):
        made.write_columns(block.columns, block.values)
        likeness.add(truth[tally.order], block.values[tally.order])
    told = metrics.two_way_identification(likeness.table(), running.TIE)
    before = tally.said()["identification"]
    return {"identification": float(np.mean(told)), "identification_unrefined": before}


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Give a folder in another one that is gone at the end."""
    place = folder / "scratch"
    place.mkdir()
    yield place
    shutil.rmtree(place)


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
    images as they come with the betas. ``held`` is where predictions of left-out rows go.
    """

    made: LatentFile
    order: np.ndarray
    rescale: str
    held: LatentFile | None = None
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
        if self.held is not None:
            left_out = rescale_left_out(block, training, kind=self.rescale)
            self.held.write_columns(block.columns, left_out)

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
