"""Predict: the latents of the test images from the brain, rescaled to the spread of real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import maps, metrics, ridge
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, write_json
from neurodiffuse.store import LatentFile, load_betas


def predict(run: Run, subject: str) -> None:
    """Write the predicted latents of every feature and how well they fit the true ones.

    Targets are read block by block. R² is that of the predictions before rescaling, as in the
    published code; the identification is two-way among the test images, on rescaled latents.
    """
    about: dict[str, Any] = {}
    with run.writing(run.folder("predict", subject)) as folder:
        for feature in run.config.features:
            about[feature] = _predict_feature(run, subject, feature, folder)
        write_json(folder / "features.json", about)


def _predict_feature(run: Run, subject: str, feature: str, folder: Path) -> dict[str, Any]:
    settings, fitted = run.config.predict, maps.open_map(run, subject, feature)
    test = load_betas(run.folder("mask", subject), "test")
    true = LatentFile.open(run.latents(subject, feature) / "test.npy")
    made = LatentFile.create(folder / f"{feature}.npy", test.ids, true.shapes)
    n, order = len(test.ids), [true.ids.index(image) for image in test.ids]
    rows = fitted.hat(test.values)
    if settings.rescale == "train":
        rows = np.vstack([rows, fitted.held_out_hat(settings.calibration)])
    scores, constant, flat = np.empty(true.targets), 0, 0
    seen = progress(true.blocks(), f"{feature}", total=len(true.columns()), quiet=run.quiet)
    for block, (columns, truth) in zip(
        ridge.predict_blocks(rows, fitted.blocks()), seen, strict=True
    ):
        scores[columns] = ridge.r_squared(truth[order], block.values[:n])
        done = ridge.rescale_block(block, n, kind=settings.rescale)
        made.write_columns(columns, done.values)
        constant += int(block.constant.sum())
        flat += int((done.flat & ~block.constant).sum())
    np.save(folder / f"{feature}_r2.npy", scores.astype(np.float32))
    named = metrics.identification_from_features(true.rows().values[order], made.rows().values)
    return {
        "targets": true.targets,
        "r2_mean": float(scores.mean()),
        "r2_median": float(np.median(scores)),
        "identification": float(np.mean(named)),
        "constant_targets": constant,
        "flat_targets": flat,
    }
