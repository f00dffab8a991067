"""A small study with a linear brain, decoded: in line it scores high, out of line about nothing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.files import read_json
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened

from . import coded
from .conftest import BETAS

pytest.importorskip("neurodiffuse_pixels")

SHAPE = (8, 8, 6)


def painted(parameters: np.ndarray) -> np.ndarray:
    """Return a picture with a gradient and a blob for each colour."""
    y, x = np.mgrid[0:1:24j, 0:1:24j]
    spots = [(0.25, 0.25), (0.7, 0.3), (0.4, 0.8)]
    base = 110 + 50 * (parameters[0] * (x - 0.5) + parameters[1] * (y - 0.5))
    planes = [
        base + 60 * p * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.04)
        for p, (a, b) in zip(parameters[2:], spots, strict=True)
    ]
    return np.clip(np.stack(planes, -1), 0, 255).astype(np.uint8)


@pytest.fixture
def linear(empty):
    """Two runs: 60 pictures train and 12 test, shown twice; the tables are sorted by condition."""
    rng = np.random.default_rng(3)
    parameters = rng.normal(size=(72, 5))
    shown = [*range(60), *range(60, 72), *range(60, 72)]
    rng.shuffle(shown)
    weights = rng.normal(size=(5, int(np.prod(SHAPE))))
    betas = parameters[shown] @ weights + 0.3 * rng.normal(size=(len(shown), weights.shape[1]))
    for n, some in enumerate(parameters):
        Image.fromarray(painted(some)).save(empty.path(f"stimuli/stim-{n}_image.png"))
    for run in (1, 2):
        part = range(42 * (run - 1), 42 * run)
        stem = f"sub-01/func/sub-01_task-look_run-{run}"
        values = betas[list(part)].T.reshape(*SHAPE, 42).astype(np.float32)
        empty.image(f"{stem}{BETAS}", values)
        rows = [
            {"onset": 4 * k, "stim_id": shown[t], "split": "train" if shown[t] < 60 else "test"}
            for k, t in enumerate(part)
        ]
        rows.sort(key=lambda row: (row["split"], row["stim_id"]))
        coded.events(empty, f"{stem}_events.tsv", rows)
    return empty


def pixcorr(tree, out, *options: str) -> float:
    registry = Registry.installed()
    config = resolve(
        registry,
        dataset="bids",
        root=str(tree.root),
        subjects=["01"],
        recipe="pixels",
        settings=[f"datasets.bids.{option}" for option in options],
    )
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(out, config, registry, dataset, quiet=True)
    plan_of(run)
    with opened(run):
        pipeline.execute(run, until="score")
    scores = read_json(run.folder("score", "01") / "scores.json")
    (mean,) = (s["mean"] for s in scores if (s["metric"], s["source"]) == ("pixcorr", "decoded"))
    return float(mean)


def test_rows_out_of_line_are_put_in_line(linear, tmp_path):
    assert pixcorr(linear, tmp_path / "onset", "order=onset") > 0.98
    assert pixcorr(linear, tmp_path / "rows", "order=file") < 0.5  # what the refusal is for


def test_runs_in_other_units(linear, tmp_path):
    import nibabel as nib

    path = next(linear.root.rglob(f"*run-2{BETAS}"))
    image = nib.load(path)
    values = np.rint(np.asarray(image.dataobj) * 300).astype(np.int16)
    nib.Nifti1Image(values, image.affine).to_filename(path)
    plain = pixcorr(linear, tmp_path / "plain", "order=onset")
    scaled = pixcorr(linear, tmp_path / "run", "order=onset", "standardise=run")
    assert scaled > 0.95
    assert scaled > plain + 0.02
