"""Whether a data set keeps its promises."""

from __future__ import annotations

import numpy as np

from neurodiffuse.testing.findings import Finding, Findings, constructor
from neurodiffuse.types import Dataset, Trials


def examine_dataset(dataset: Dataset) -> list[Finding]:
    """Look at whether trials, betas, regions and stimuli of every subject fit together."""
    found = constructor(dataset, Dataset)
    with found.trying("subjects are listed and read"):
        labels = dataset.subjects()
        found.that(len(labels) > 0, "a data set has subjects")
        found.that(list(labels) == sorted(labels), "subjects are sorted", labels)
        bare = not any(label.startswith("sub-") for label in labels)
        found.that(bare, "labels come without 'sub-'", labels)
        for label in labels:
            _examine_subject(found, dataset, label)
    return found


def _examine_subject(found: Findings, dataset: Dataset, label: str) -> None:
    about, who = dataset.subject(label), f"sub-{label}: "
    _trials(found, about.trials, who)
    size = about.grid.size
    few = np.zeros(size, bool)
    few[:: max(1, size // 50)] = True
    fewer = few & (np.cumsum(few) % 3 == 0)
    blocks, part = (list(dataset.betas(label, voxels)) for voxels in (few, fewer))
    rows = sum(len(block) for block in blocks)
    found.that(rows == len(about.trials), f"{who}as many betas as trials", rows)
    types = {str(block.dtype) for block in blocks}
    found.that(types == {"float32"}, f"{who}betas are float32", types)
    widths = {block.shape[1] for block in blocks}
    found.that(widths == {few.sum()}, f"{who}betas have the voxels that were asked for", widths)
    if rows and widths == {few.sum()}:
        found.that(
            np.array_equal(np.vstack(blocks)[:, fewer[few]], np.vstack(part), equal_nan=True),
            f"{who}a voxel's betas do not depend on which others are asked for",
        )
    flat, kinds = [], []
    for roi in about.rois:
        values = dataset.roi(label, roi.name)
        if values.shape != (size,):
            flat.append(f"{roi.name} has shape {values.shape}")
        if values.dtype != np.dtype(bool if roi.kind == "mask" else np.float32):
            kinds.append(f"{roi.name}, a {roi.kind}, is {values.dtype}")
    found.that(not flat, f"{who}regions are flat over the grid", ", ".join(flat))
    found.that(not kinds, f"{who}masks are bool and maps float32", ", ".join(kinds))
    ids = about.trials.images("test")[::-1]
    stimuli = dataset.stimuli(ids)
    found.that(stimuli.ids == tuple(ids), f"{who}stimuli come in the order they are asked for")
    image = stimuli.images[0]
    found.that(
        image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3,
        f"{who}an image is uint8 (height, width, 3)",
        f"{image.dtype} {image.shape}",
    )
    same = dataset.fingerprint(label) == dataset.fingerprint(label)
    found.that(same, f"{who}the fingerprint of the same data is the same")


def _trials(found: Findings, trials: Trials, who: str) -> None:
    n = len(trials)
    same = len(trials.split) == len(trials.session) == len(trials.run) == n
    found.that(same, f"{who}every column of the trials is equally long")
    found.that(set(trials.split) <= {"train", "test"}, f"{who}a split is 'train' or 'test'")
    both = set(trials.images("train")) & set(trials.images("test"))
    found.that(not both, f"{who}no image is in training and test at once", sorted(both)[:3])
