"""Refit the maps without some training images, or with wrong names on them.

Images of natural scenes come in clusters, so that a test image can have near doubles in the
training set; a decoder may then merely recall one (Shirakawa et al. 2024, arXiv:2405.10078).
Refitting without the nearest training images asks for more; refitting without as many random
ones says what the smaller training set alone costs.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence

import numpy as np

from neurodiffuse.decoders.columns import column_stats, standardise
from neurodiffuse.errors import DataError
from neurodiffuse.files import read_json, write_json
from neurodiffuse.questions.nearest import correlations
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, create_betas, load_arrays, load_betas

LEAST = 2
"""Training images that must be left."""

STRETCH = 1024
"""Rows that are standardised at a time."""


def neighbours(run: Run, subject: str, feature: str, k: int) -> tuple[str, ...]:
    """Return the training images that are among the k nearest of any test image, sorted.

    Near is what correlates in the true latents of a feature.

    Raises
    ------
    DataError
        If hardly a training image would be left.
    """
    place = run.latents(subject, feature)
    train, test = (LatentFile.open(place / f"{split}.npy") for split in ("train", "test"))
    table = correlations(train, test)
    k = min(k, len(table))
    rows = np.argsort(-table, axis=0, kind="stable")[:k]
    gone = {train.ids[row] for row in np.unique(rows)}
    if len(train.ids) - len(gone) < LEAST:
        raise DataError(
            f"--neighbours {k}: the {k} nearest training images of each test image are "
            f"{len(gone)} of sub-{subject}'s {len(train.ids)}; fewer than {LEAST} would be left. "
            "Give a smaller number."
        )
    return tuple(sorted(gone))


def at_random(run: Run, subject: str, count: int) -> tuple[str, ...]:
    """Return as many training images drawn at random, sorted."""
    images = sorted(set(trained(run, subject)))
    rng = np.random.default_rng([run.config.seed, count])
    return tuple(sorted(str(i) for i in rng.choice(images, count, replace=False)))


def mask_without(run: Run, subject: str, gone: Collection[str]) -> None:
    """Write the trunk's betas without the rows of some training images, standardised anew.

    This is what the mask step makes of the trials that are left: standardising is affine, so the
    trunk's standardised betas say as much as the raw ones.
    """
    left_out = set(gone)
    ids = trained(run, subject)
    rows = np.array([row for row, image in enumerate(ids) if image not in left_out])
    _write_mask(run, subject, rows, [ids[row] for row in rows])


def mask_mislabelled(run: Run, subject: str) -> None:
    """Write the trunk's betas with the training images' names exchanged at random.

    All rows of an image get the same wrong name, so that averages stay averages.
    """
    ids = trained(run, subject)
    images = list(dict.fromkeys(ids))
    order = np.random.default_rng([run.config.seed, 1]).permutation(len(images))
    names = {image: images[k] for image, k in zip(images, order, strict=True)}
    _write_mask(run, subject, np.arange(len(ids)), [names[image] for image in ids])


def trained(run: Run, subject: str) -> tuple[str, ...]:
    """Return the image of each training row."""
    trunk = run.trunk or run
    return load_betas(trunk.folder("mask", subject), "train").ids


def _write_mask(run: Run, subject: str, rows: np.ndarray, names: Sequence[str]) -> None:
    source = (run.trunk or run).folder("mask", subject)
    train, test = load_betas(source, "train"), load_betas(source, "test")
    columns = column_stats(train.values[rows])
    with run.writing(run.folder("mask", subject)) as folder:
        kept = create_betas(folder, "train", names, train.values.shape[1])
        for start in range(0, len(rows), STRETCH):
            part = rows[start : start + STRETCH]
            kept[start : start + STRETCH] = standardise(train.values[part], columns)
        shown = create_betas(folder, "test", test.ids, test.values.shape[1])
        shown[:] = standardise(np.asarray(test.values), columns)
        for values in (kept, shown):
            values.flush()
        before = load_arrays(source / "voxels.npz")
        scaled = {
            "voxels": before["voxels"],
            "mean": before["mean"] + before["sd"] * columns.mean,
            "sd": before["sd"] * columns.sd,
        }
        np.savez(folder / "voxels.npz", **scaled)
        for name in ("mask.nii.gz", "input.txt"):
            shutil.copyfile(source / name, folder / name)
        about = read_json(source / "about.json")
        about |= {"train_images": len(set(names)), "constant_voxels": int(columns.constant.sum())}
        write_json(folder / "about.json", about)
