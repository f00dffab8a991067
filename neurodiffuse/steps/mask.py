"""Mask: choose the voxels, average the repetitions, standardise on the training images."""

from __future__ import annotations

from collections import Counter

import numpy as np

from neurodiffuse import ridge, rois
from neurodiffuse.errors import DataError
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, write_json
from neurodiffuse.store import save_betas
from neurodiffuse.types import Betas, Subject, Trials


def mask(run: Run, subject: str) -> None:
    """Write the standardised betas of the voxels that are decoded from.

    Each voxel becomes ``(beta - mean) / sd`` with mean and standard deviation (ddof 1) of the
    training rows, so that nothing of the test set touches the training (Ozcelik & VanRullen
    2023 do the same). A voxel without variance on the training rows becomes 0 and is counted.
    The rows of the test set are always averages over an image's repetitions; those of the
    training set are averages or, with ``mask.repetitions = "single"``, single trials.

    Raises
    ------
    DataError
        If the expression selects no voxel, or betas are missing, too many or not finite.
    """
    about = run.subject(subject)
    expression = run.config.mask.select or about.mask
    voxels = run.select(subject, expression)
    single = run.config.mask.repetitions == "single"
    train_ids, train, test_ids, test = _rows(run, about, voxels, single)
    kept = _finite(run, about, (train, test), voxels)
    if not kept.all():
        voxels[np.flatnonzero(voxels)[~kept]] = False
        train, test = train[:, kept], test[:, kept]
    columns = ridge.column_stats(train)
    with run.writing(run.folder("mask", subject)) as folder:
        for name, ids, values in (("train", train_ids, train), ("test", test_ids, test)):
            save_betas(folder, name, Betas(tuple(ids), ridge.standardise(values, columns)))
        np.savez(folder / "voxels.npz", voxels=voxels, mean=columns.mean, sd=columns.sd)
        (folder / "input.txt").write_text(run.dataset.fingerprint(subject) + "\n", encoding="utf-8")
        image = rois.mask_image(voxels, about.grid)
        image.to_filename(folder / "mask.nii.gz")
        write_json(
            folder / "about.json", _summary(run, about, expression, voxels, columns.constant, kept)
        )


def _rows(
    run: Run, about: Subject, voxels: np.ndarray, single: bool
) -> tuple[list[str], np.ndarray, list[str], np.ndarray]:
    """Read the betas block by block and sum them into one row an image (or a training trial)."""
    trials = about.trials
    train_ids = _train_rows(trials, single)
    test_ids = list(trials.images("test"))
    train = np.zeros((len(train_ids), int(voxels.sum())), np.float32)
    test = np.zeros((len(test_ids), train.shape[1]), np.float32)
    test_row = {image: row for row, image in enumerate(test_ids)}
    train_row = {} if single else {image: row for row, image in enumerate(train_ids)}
    done, singles = 0, 0
    for block in progress(
        run.dataset.betas(about.label, voxels), f"sub-{about.label} betas", quiet=run.quiet
    ):
        for beta, image, split in zip(
            block, trials.stimulus[done:], trials.split[done:], strict=False
        ):
            if split == "test":
                test[test_row[image]] += beta
            elif split == "train" and single:
                train[singles] = beta
                singles += 1
            elif split == "train":
                train[train_row[image]] += beta
        done += len(block)
    if done != len(trials):
        raise DataError(
            f"sub-{about.label}: {done} betas for {len(trials)} trials of the events; they must "
            "be as many."
        )
    times = Counter(zip(trials.split, trials.stimulus, strict=True))
    test /= np.array([times["test", i] for i in test_ids], np.float32)[:, None]
    if not single:
        train /= np.array([times["train", i] for i in train_ids], np.float32)[:, None]
    return train_ids, train, test_ids, test


def _train_rows(trials: Trials, single: bool) -> list[str]:
    if not single:
        return list(trials.images("train"))
    pairs = zip(trials.stimulus, trials.split, strict=True)
    return [image for image, split in pairs if split == "train"]


def _finite(
    run: Run, about: Subject, parts: tuple[np.ndarray, ...], voxels: np.ndarray
) -> np.ndarray:
    """Return which voxels are finite in every row; refuse the others unless told to drop them."""
    kept = np.logical_and.reduce([np.isfinite(part.sum(axis=0)) for part in parts])
    if not kept.all() and run.config.mask.nonfinite == "error":
        at = np.unravel_index(np.flatnonzero(voxels)[~kept][0], about.grid.shape)
        raise DataError(
            f"sub-{about.label}: betas are NaN or infinite in {int((~kept).sum())} of "
            f"{len(kept)} voxels of the mask, first at voxel {tuple(int(i) for i in at)}. "
            "Choose a narrower --mask, or leave those voxels out: --set mask.nonfinite=drop."
        )
    if not kept.any():
        raise DataError(f"sub-{about.label}: no voxel of the mask has finite betas in all trials.")
    return kept


def _summary(
    run: Run,
    about: Subject,
    expression: str,
    voxels: np.ndarray,
    constant: np.ndarray,
    kept: np.ndarray,
) -> dict[str, object]:
    counts = {
        roi.name: int((run.dataset.roi(about.label, roi.name).astype(bool) & voxels).sum())
        for roi in about.rois
        if roi.kind == "mask" and not roi.detail
    }
    split = Counter(about.trials.split)
    return {
        "expression": expression,
        "voxels": int(voxels.sum()),
        "constant_voxels": int(constant.sum()),
        "dropped_voxels": int((~kept).sum()),
        "rois": counts,
        "train_trials": split["train"],
        "test_trials": split["test"],
        "train_images": len(about.trials.images("train")),
        "test_images": len(about.trials.images("test")),
        "space": about.grid.space,
        "task": about.task,
    }
