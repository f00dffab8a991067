"""Predict: the latents of the test images from the brain, rescaled to the spread of real ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import maps, metrics, ridge
from neurodiffuse.files import write_json
from neurodiffuse.metrics import running
from neurodiffuse.overlap import follow
from neurodiffuse.progress import progress
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, load_betas
from neurodiffuse.work import Site, spread

Rows = np.ndarray | ridge.Hats


def predict(run: Run, subject: str) -> None:
    """Write the predicted latents of every feature and how well they fit the true ones.

    Rows are in the order of the true latents' file, which is that of the images' ids. Targets are
    read block by block, once. R² is that of the predictions before rescaling, as in the published
    code; the identification is two-way among the test images, on rescaled latents.
    """
    about: dict[str, Any] = {}
    rows_of = _rows(run, subject)
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            about[feature] = _predict_feature(run, subject, feature, rows_of(feature), folder)
        write_json(folder / "features.json", about)


def _rows(run: Run, subject: str) -> Callable[[str], Rows]:
    """Return a function that gives a feature's rows: test images, then left-out training rows.

    Features that read the same voxels share the inner products with the test betas. The map is
    let go of before any target is read.
    """
    test = load_betas(run.folder("mask", subject), "test").values
    crosses: dict[tuple[bytes, str], np.ndarray] = {}

    def rows_of(feature: str) -> Rows:
        fitted = maps.open_map(run, subject, feature)
        # betas scaled in bands are a feature's own
        key = (fitted.voxels.tobytes(), fitted.gram.dtype.char if fitted.scale is None else feature)
        if key not in crosses:
            crosses[key] = fitted.cross(test)
        rows = fitted.hat_of(crosses[key])
        if run.config.predict.rescale != "train":
            return rows
        return ridge.above(rows, fitted.held_out_hat(run.config.predict.calibration))

    return rows_of


def _predict_feature(
    run: Run, subject: str, feature: str, rows: Rows, folder: Path
) -> dict[str, Any]:
    ids = load_betas(run.folder("mask", subject), "test").ids
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    made = LatentFile.create(folder / f"{feature}.npy", true.ids, true.shapes)
    order = true.places(ids)
    intercept = run.config.features[feature].intercept
    tally = Tally(made, order, run.config.predict.rescale, intercept)
    if run.machine.executor.apart:
        tasks = [(subject, feature, made.path.resolve(), k) for k in range(len(made.columns()))]
        for k, said in spread(run, predict_block, tasks, feature, shared=(rows, order)):
            tally.note(made.columns()[k], *said)
        for (_, truth), (_, values) in zip(true.blocks(), made.blocks(), strict=True):
            tally.likeness.add(truth[order], values[order])
    else:
        seen = progress(true.blocks(), f"{feature}", total=len(true.columns()), quiet=run.quiet)
        training = maps.latent_blocks(*maps.training_latents(run, subject, feature))
        made_blocks = ridge.predict_blocks(_placed(run, rows), training)
        # one is rescaled, scored and written while the next is multiplied
        follow(zip(made_blocks, seen, strict=True), lambda pair: tally.add(pair[0], pair[1][1]))
    np.save(folder / f"{feature}_r2.npy", tally.r2.astype(np.float32))
    return tally.said()


def _placed(run: Run, rows: Rows) -> ridge.Placed:
    """Return rows on the device that multiplies them with targets."""
    return ridge.placed(rows, run.algebra())


def predict_block(
    site: Site, subject: str, feature: str, path: Path, number: int
) -> tuple[np.ndarray, int, int]:
    """Predict one block of targets in another process and write it; return what `finish` does."""
    run, (rows, order) = site.run, site.shared
    training, which = site.keep("train", lambda: maps.training_latents(run, subject, feature))
    columns, values = training.block(number)
    if not np.array_equal(which, np.arange(len(training.ids))):
        values = values[which]
    placed = site.keep("placed", lambda: _placed(run, rows))
    block = next(ridge.predict_blocks(placed, [(columns, values)]))
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    truth = true.block(number)[1][order]
    made, intercept = LatentFile.open(path), run.config.features[feature].intercept
    return finish(made, order, block, truth, run.config.predict.rescale, intercept)[1:]


def finish(
    made: LatentFile,
    order: np.ndarray,
    block: ridge.Predicted,
    truth: np.ndarray,
    rescale: str,
    intercept: bool,
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Rescale a block and write it, each row at its place in the file (``order``).

    Return its values, the R² of each target before rescaling, and how many targets are constant
    or, while varying, have no spread to rescale.
    """
    if not intercept:  # the mean of the training latents, since betas are centred
        block = replace(block, mean=np.zeros_like(block.mean))
    n = len(truth)
    r2 = ridge.r_squared(truth, block.first(n).values)
    done = ridge.rescale_block(block, n, kind=rescale)
    placed = np.empty_like(done.values)
    placed[order] = done.values
    made.write_columns(block.columns, placed)
    flat = int((done.flat & ~block.constant).sum())
    return np.asarray(done.values, np.float32), r2, int(block.constant.sum()), flat


@dataclass(eq=False)
class Tally:
    """What becomes of each block of predictions: rescaled, written, scored and counted.

    ``order`` are the rows of the latents' files, true and predicted, that belong to the test
    images as they come with the betas.
    """

    made: LatentFile
    order: np.ndarray
    rescale: str
    intercept: bool = True
    constant: int = 0
    flat: int = 0

    def __post_init__(self) -> None:
        """Begin with no score."""
        self.r2 = np.empty(self.made.targets)
        self.likeness = metrics.RunningCorrelation()

    def add(self, block: ridge.Predicted, truth: np.ndarray) -> None:
        """Take in the next block: `finish` it and hold it against the truth."""
        truth = truth[self.order]
        made, order, rescale = self.made, self.order, self.rescale
        values, r2, constant, flat = finish(made, order, block, truth, rescale, self.intercept)
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
