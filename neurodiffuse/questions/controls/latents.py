"""Other latents in the place of predicted ones: true, shuffled between images, the mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse import maps
from neurodiffuse.files import write_json
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile


def true(run: Run, subject: str) -> None:
    """Write the test images' true latents where predicted ones are read."""
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            stored = LatentFile.open(run.latents(subject, feature) / "test.npy")
            ids = run.subject(subject).trials.images("test")
            _taken(stored, [stored.ids.index(i) for i in ids], ids, folder / f"{feature}.npy")
        write_json(folder / "features.json", {"latents": "true"})


def shuffled(run: Run, subject: str) -> None:
    """Write each test image the latents that were predicted for another one."""
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            stored = LatentFile.open(_predicted(run, subject, feature))
            rows = derangement(len(stored.ids), run.config.seed)
            _taken(stored, rows, stored.ids, folder / f"{feature}.npy")
        write_json(folder / "features.json", {"latents": "shuffled"})


def mean(run: Run, subject: str) -> None:
    """Write every test image the mean latents of the training rows."""
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            fitted = maps.open_map(run, subject, feature)
            ids = run.subject(subject).trials.images("test")
            made = LatentFile.create(folder / f"{feature}.npy", ids, fitted.targets.shapes)
            for columns, block in fitted.blocks():
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


def _predicted(run: Run, subject: str, feature: str) -> Path:
    trunk = run.trunk or run
    return trunk.folder("predict", subject) / f"{feature}.npy"


def _taken(
    stored: LatentFile, rows: Sequence[int] | np.ndarray, ids: Sequence[str], place: Path
) -> None:
    """Write some rows of a file under other ids, block by block."""
    made = LatentFile.create(place, ids, stored.shapes)
    for columns, block in stored.blocks():
        made.write_columns(columns, block[rows])
