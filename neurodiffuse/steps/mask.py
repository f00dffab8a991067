"""Mask: choose the voxels, average the repetitions, standardise on the training images."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from neurodiffuse import prepared, rois
from neurodiffuse.decoders.columns import column_stats, standardise
from neurodiffuse.errors import DataError, listing
from neurodiffuse.files import read_json, write_json
from neurodiffuse.progress import progress
from neurodiffuse.readers.stretches import Stretches
from neurodiffuse.run import Run, inputs
from neurodiffuse.run.hashing import Hasher
from neurodiffuse.store import create_betas, load_arrays, load_betas
from neurodiffuse.types import Subject, Trials

STRETCH = 1024
"""Rows that are standardised at a time."""

HASHED, TOLD = "hashed.json", "told.json"
"""Kept with prepared betas: what the files held that they were prepared from, what was odd."""


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
    inputs.begin(run, subject, "mask")
    about = run.subject(subject)
    expression = run.config.mask.select or about.mask
    voxels = run.mask(subject)
    single = run.config.mask.repetitions == "single"
    rows = len(_train_rows(about.trials, single)) + len(about.trials.images("test"))
    with run.writing(run.folder("mask", subject)) as folder:
        prepared.fill(
            folder,
            prepared.key_of(run, about, voxels),
            4 * rows * int(voxels.sum()),
            lambda place: _prepare(run, about, voxels, place),
            quiet=run.quiet,
        )
        made = load_arrays(folder / "voxels.npz")
        kept, constant = made["voxels"], int((made["sd"] == 0).sum())
        (folder / "input.txt").write_text(run.dataset.fingerprint(subject) + "\n", encoding="utf-8")
        rois.mask_image(kept, about.grid).to_filename(folder / "mask.nii.gz")
        said = _summary(run, about, expression, voxels, kept, constant)
        if told := read_json(folder / TOLD):
            said["remarks"] = told
        write_json(folder / "about.json", said)
        inputs.note(run, subject, "mask", folder, read_json(folder / HASHED))
        (folder / HASHED).unlink()
        (folder / TOLD).unlink()


def _prepare(run: Run, about: Subject, voxels: np.ndarray, folder: Path) -> None:
    """Write the standardised betas and what they were standardised with.

    The arrays are files that are mapped and changed in place, so memory is bounded by one block
    of trials and what the system keeps of the files.
    """
    files = inputs.begin(run, about.label, "mask").groups["responses"]
    with Hasher(tuple(files.values())) as hasher:
        train, test = _averaged(run, about, voxels, folder, hasher)
        digests = hasher.digests()
    write_json(folder / HASHED, {name: digests[path] for name, path in files.items()})
    finite = _finite(run, about, (train, test), voxels)
    kept = voxels.copy()
    kept[np.flatnonzero(voxels)[~finite]] = False
    if not finite.all():
        train, test = (_narrowed(folder, name, finite) for name in ("train", "test"))
    columns = column_stats(train)
    if not columns.sd.any():
        raise DataError(
            f"sub-{about.label}: no voxel of the mask varies over the training images: each has "
            "one and the same beta for all. Check the files of the betas, or choose another --mask."
        )
    for values in (train, test):
        for start in range(0, len(values), STRETCH):
            part = values[start : start + STRETCH]
            values[start : start + STRETCH] = standardise(part, columns)
        values.flush()
    np.savez(folder / "voxels.npz", voxels=kept, mean=columns.mean, sd=columns.sd)


def _averaged(
    run: Run, about: Subject, voxels: np.ndarray, folder: Path, hasher: Hasher
) -> tuple[np.memmap, np.memmap]:
    """Read the betas block by block and sum them into one row an image (or a training trial)."""
    trials, single = about.trials, run.config.mask.repetitions == "single"
    train_ids, test_ids = _train_rows(trials, single), trials.images("test")
    count = int(voxels.sum())
    stretches = Stretches(trials, count)
    train, test = (
        create_betas(folder, name, ids, count)
        for name, ids in (("train", train_ids), ("test", test_ids))
    )
    test_row = {image: row for row, image in enumerate(test_ids)}
    train_row = {} if single else {image: row for row, image in enumerate(train_ids)}
    weights = np.array(trials.counts(), np.float32)  # a row may be an average already
    done, singles = 0, 0
    for block in progress(
        run.dataset.betas(about.label, voxels), f"sub-{about.label} betas", quiet=run.quiet
    ):
        stretches.add(block)
        for beta, image, split, weight in zip(
            block, trials.stimulus[done:], trials.split[done:], weights[done:], strict=False
        ):
            if split == "test":
                test[test_row[image]] += beta * weight
            elif split == "train" and single:
                train[singles] = beta
                singles += 1
            elif split == "train":
                train[train_row[image]] += beta * weight
        done += len(block)
        hasher.reached(done / len(trials))
    if done != len(trials):
        raise DataError(
            f"sub-{about.label}: {done} betas for {len(trials)} trials of the events; they must "
            "be as many."
        )
    write_json(folder / TOLD, [remark.text for remark in stretches.remarks()])
    times: Counter[tuple[str, str]] = Counter()
    for split, image, count in zip(trials.split, trials.stimulus, trials.counts(), strict=True):
        times[split, image] += count
    test /= np.array([times["test", i] for i in test_ids], np.float32)[:, None]
    if not single:
        train /= np.array([times["train", i] for i in train_ids], np.float32)[:, None]
    return train, test


def _narrowed(folder: Path, name: str, kept: np.ndarray) -> np.memmap:
    """Rewrite a file of betas with some of its voxels, a stretch of rows at a time."""
    old = load_betas(folder, name)
    (folder / f"{name}.npy").rename(folder / "wide.npy")
    new = create_betas(folder, name, old.ids, int(kept.sum()))
    for start in range(0, len(new), STRETCH):
        new[start : start + STRETCH] = old.values[start : start + STRETCH][:, kept]
    (folder / "wide.npy").unlink()
    return new


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
    if not kept.any():
        _refuse_lost_rows(run, about, parts)
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


def _refuse_lost_rows(run: Run, about: Subject, parts: tuple[np.ndarray, ...]) -> None:
    """Name the images that have no finite beta at all: no choice of voxels would mend that."""
    single = run.config.mask.repetitions == "single"
    ids = (*_train_rows(about.trials, single), *about.trials.images("test"))
    rows = (row for part in parts for row in part)
    lost = {name for name, row in zip(ids, rows, strict=True) if not np.isfinite(row).any()}
    if lost:
        raise DataError(
            f"sub-{about.label}: no voxel of the mask has a finite beta in some trial of "
            f"{len(lost)} of {len(set(ids))} images ({listing(sorted(lost), most=3)}). Leave "
            "such trials out: mark them n/a in the data set's split."
        )


def _summary(
    run: Run, about: Subject, expression: str, asked: np.ndarray, voxels: np.ndarray, constant: int
) -> dict[str, object]:
    counts = {
        roi.name: int((run.dataset.roi(about.label, roi.name).astype(bool) & voxels).sum())
        for roi in about.rois
        if roi.kind == "mask" and not roi.detail
    }
    return {
        "expression": expression,
        "voxels": int(voxels.sum()),
        "constant_voxels": constant,
        "dropped_voxels": int(asked.sum() - voxels.sum()),
        "rois": counts,
        "train_trials": about.trials.total("train"),
        "test_trials": about.trials.total("test"),
        "train_images": len(about.trials.images("train")),
        "test_images": len(about.trials.images("test")),
        "space": about.grid.space,
        "task": about.task,
    }
