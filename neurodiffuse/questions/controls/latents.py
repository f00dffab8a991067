"""Other latents in the place of predicted ones: true, shuffled between images, the mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.decoding import targets_of
from neurodiffuse.files import write_json
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile


def true(run: Run, subject: str) -> None:
    """Write the test images' true latents where predicted ones are read."""
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            stored = _true(run, subject, feature)
            _taken(stored, stored.ids, stored.ids, folder / f"{feature}.npy")
        write_json(folder / "features.json", {"latents": "true"})


def shuffled(run: Run, subject: str) -> None:
    """Write each test image the latents that were predicted for another one."""
    ids = run.subject(subject).trials.images("test")
    rows = derangement(len(ids), run.config.seed)
    other = {image: ids[row] for image, row in zip(ids, rows, strict=True)}
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            order = _true(run, subject, feature).ids
            stored = LatentFile.open(_predicted(run, subject, feature))
            _taken(stored, [other[image] for image in order], order, folder / f"{feature}.npy")
        write_json(folder / "features.json", {"latents": "shuffled"})


def mean(run: Run, subject: str) -> None:
    """Write every test image the mean latents of the training rows."""
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            targets = targets_of(run, subject, feature)
            ids = _true(run, subject, feature).ids
            made = LatentFile.create(folder / f"{feature}.npy", ids, targets.shapes)
            for columns, block in targets.blocks():
                row = block.mean(axis=0, dtype=np.float64)
                made.write_columns(columns, np.tile(row, (len(ids), 1)))
        write_json(folder / "features.json", {"latents": "mean"})


def derangement(n: int, seed: int) -> np.ndarray:
    """Return a random order of n (2 or more) in which nobody keeps their place.

    A cycle through a random order: uniform over the cyclic ones.
    """
    order = np.random.default_rng([seed, n]).permutation(n)
    rows = np.empty(n, np.intp)
    rows[order] = np.roll(order, 1)
    return rows


def _true(run: Run, subject: str, feature: str) -> LatentFile:
    return LatentFile.open(run.latents(subject, feature) / "test.npy")


def _predicted(run: Run, subject: str, feature: str) -> Path:
    trunk = run.trunk or run
    return trunk.folder("predict", subject) / f"{feature}.npy"


def _taken(stored: LatentFile, images: Sequence[str], ids: Sequence[str], place: Path) -> None:
    """Write the latents of some images of a file under other ids, block by block."""
    rows = stored.places(images)
    made = LatentFile.create(place, ids, stored.shapes)
    for columns, block in stored.blocks():
        made.write_columns(columns, block[rows])
