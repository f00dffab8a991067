"""Write a simulated study as a BIDS derivative, with what was planted beside it.

The layout::

    dataset_description.json  README.md  participants.tsv  descriptions.tsv  .bidsignore
    stimuli/                  pictures, stimuli.tsv, captions.tsv
    sub-01/anat/              background, mask, lookup tables, eccentricity, noise ceiling
    sub-01/ses-01/func/       betas (volume k = row k of the events) and events of each run
    sourcedata/truth/         what was planted; BIDS leaves sourcedata/ unchecked
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.errors import RunError
from neurodiffuse.places import check_replaceable, replacing
from neurodiffuse.progress import progress
from neurodiffuse.simulate.atlases import write_anatomy
from neurodiffuse.simulate.describe import write_description
from neurodiffuse.simulate.design import SHOWN, Trial
from neurodiffuse.simulate.files import write_image, write_png, write_table
from neurodiffuse.simulate.layout import Layout
from neurodiffuse.simulate.study import Settings, Study, plan
from neurodiffuse.simulate.truth import write_truth

TASK = "viewing"

SLOPE = 0.02
"""Percent signal change of one step of integer betas."""


class BidsLayout(Layout):
    """Write a study as a BIDS derivative."""

    def write(self, out: Path, settings: Settings, *, quiet: bool = True) -> str:
        """Write a study into a folder, which must be empty or absent; return what it holds."""
        study = plan(settings, quiet=quiet)
        write(out, study, quiet=quiet)
        n_subjects, trials = len(study.brains), sum(map(len, study.trials))
        voxels = ", ".join(str(brain.geometry.n_voxels) for brain in study.brains)
        said = (
            f"{n_subjects} subject{'s' if n_subjects > 1 else ''} ({voxels} voxels), "
            f"{len(study.album.pictures)} pictures, {trials} trials."
        )
        if any(picture.labels.any() for picture in study.album.pictures):
            return said
        return f"{said}\nNo captions: category-selective regions respond to layout only."


def write(out: Path, study: Study, *, quiet: bool = True) -> None:
    """Write a study into a folder, which must be empty or absent.

    Everything is written beside the folder and moved there when it is complete.

    Raises
    ------
    RunError
        If the folder holds something, or cannot be written.
    """
    with beside(out) as root:
        write_description(root, study)
        write_stimuli(root / "stimuli", study, quiet=quiet)
        for subject in range(len(study.brains)):
            write_anatomy(root, study.brains[subject].geometry, study.brains[subject].tuning)
            write_responses(root, study, subject, quiet=quiet)
        write_truth(root / "sourcedata" / "truth", study)


def check_empty(out: Path) -> None:
    """Raise RunError unless ``out`` is absent or an empty folder."""
    check_replaceable(out, "OUT")
    if out.exists() and any(out.iterdir()):
        raise RunError(f"OUT: {out} is there already and not empty. Name a new folder.")


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Give a new folder next to ``out`` that becomes ``out`` when the block ends well."""
    check_empty(out)
    with replacing(out, "OUT") as partial:
        yield partial


# --- stimuli -----------------------------------------------------------------------------------


def write_stimuli(folder: Path, study: Study, *, quiet: bool) -> None:
    """Write pictures, their catalogue and their captions."""
    pictures = study.album.pictures
    for picture in progress(pictures, "write images", quiet=quiet):
        write_png(folder / f"{picture.id}_image.png", picture.image)
    write_table(
        folder / "stimuli.tsv",
        ("stim_id", "type", "filename", "description", "held_out"),
        ((p.id, "image", f"{p.id}_image.png", p.description, p.held_out) for p in pictures),
    )
    write_table(
        folder / "captions.tsv",
        ("stim_id", "caption"),
        ((p.id, caption) for p in pictures for caption in p.captions),
    )


# --- responses ---------------------------------------------------------------------------------


def write_responses(root: Path, study: Study, subject: int, *, quiet: bool) -> None:
    """Write betas and events of every run of a subject (0, 1, …)."""
    label = study.brains[subject].geometry.subject
    signal = study.signal(subject)
    runs = [list(g) for _, g in groupby(study.trials[subject], key=lambda t: (t.session, t.run))]
    for trials in progress(runs, f"write betas of sub-{label}", quiet=quiet):
        session = f"ses-{trials[0].session:02d}"
        stem = f"sub-{label}_{session}_task-{TASK}_run-{trials[0].run:02d}"
        folder = root / f"sub-{label}" / session / "func"
        _write_betas(folder, stem, study, subject, study.betas(subject, signal, tuple(trials)))
        _write_events(folder / f"{stem}_events.tsv", study, trials)


def _write_betas(folder: Path, stem: str, study: Study, subject: int, betas: np.ndarray) -> None:
    geometry = study.brains[subject].geometry
    whole = study.settings.dtype == "int16"
    values = np.rint(betas / SLOPE).clip(-32767, 32767) if whole else betas
    series = np.zeros((*geometry.shape, len(betas)), dtype=study.settings.dtype)
    series.reshape(-1, len(betas))[geometry.voxels] = values.T
    sidecar: dict[str, Any] = {
        "Description": "Single-trial responses, simulated: volume k belongs to row k of the events",
        "Units": "percent signal change",
        "TaskName": TASK,
        "SkullStripped": True,
        "SpatialReference": geometry.reference,
        "Sources": [f"bids::sub-{geometry.subject}/{folder.parent.name}/func/{stem}_events.tsv"],
    }
    name = f"{stem}_space-{geometry.space}_stat-effect_desc-singletrial_statmap.nii.gz"
    slope = SLOPE if whole else 0
    write_image(folder / name, series, geometry.affine, sidecar, slope=slope)


def _write_events(path: Path, study: Study, trials: list[Trial]) -> None:
    names = [study.album.pictures[trial.picture].id for trial in trials]
    write_table(
        path,
        ("onset", "duration", "trial_type", "stim_file", "stim_id", "repetition", "split"),
        (
            (t.onset, SHOWN, "image", f"{name}_image.png", name, t.repetition, t.split)
            for t, name in zip(trials, names, strict=True)
        ),
    )
