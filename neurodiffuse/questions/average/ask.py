"""Average predicted latents, paint and score them, resume where a killed command stopped."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import budget, metrics
from neurodiffuse.errors import DataError, RunError, listing
from neurodiffuse.files import read_json, remove_folder, write_json
from neurodiffuse.metrics.running import TIE
from neurodiffuse.progress import say
from neurodiffuse.questions.average import page
from neurodiffuse.questions.average.beside import AVERAGE, columns
from neurodiffuse.questions.coordinates import other_coordinates, other_coordinates_ahead
from neurodiffuse.questions.nearest import correlations
from neurodiffuse.run import Run
from neurodiffuse.steps.generate import generate
from neurodiffuse.steps.score import score
from neurodiffuse.store import LatentFile
from neurodiffuse.types import Trials


def average(run: Run) -> Run:
    """Average the subjects' predicted latents over common test images, paint and score them.

    ``RUN/average/index.html`` then shows the average beside the subjects (`page.write`).

    Parameters
    ----------
    run
        A run of two subjects or more whose latents are predicted.

    Returns
    -------
    Run
        The same run with ``average`` as its only subject; its folders are beside the others'.

    Raises
    ------
    RunError
        If the run has one subject only or a subject's latents are not predicted yet.
    DataError
        If fewer than two test images are common to all subjects, or the subjects' latents are
        not in the same coordinates.
    """
    subjects = run.config.subjects
    _check(run, subjects)
    ids = _common(run, subjects)
    view = _view(run, ids)
    sources = {s: _fingerprint(run, s) for s in subjects}
    if _stored_sources(view) != sources:
        for old in ("score", "generate", "predict", "encode"):
            remove_folder(view.folder(old, AVERAGE))
    if not view.folder("encode", AVERAGE).exists():
        _encode(view, subjects[0], tuple(sorted(ids)))
    if not view.folder("predict", AVERAGE).exists():
        _predict(view, subjects, sources)
    for name, step in (("generate", generate), ("score", score)):
        if not view.folder(name, AVERAGE).exists():
            step(view, AVERAGE)
            say(f"average {name}: done", quiet=run.quiet)
    page.write(view, run, columns(run, view, sources))
    return view


def check_ahead(run: Run) -> None:
    """Refuse, before anything is computed, a run of which no average can be taken.

    Raises
    ------
    DataError
        If fewer than two test images are common to all subjects, or encoders are going to learn
        from other training images in one subject than in another.
    """
    _common(run, run.config.subjects)
    if difference := other_coordinates_ahead(run, run.config.subjects):
        raise DataError(f"--average: no average can be taken: {difference}")


def summary(run: Run) -> str:
    """Return the scores on the common images, last stage, as a small table, and the page."""
    place = run.path / AVERAGE
    means: dict[str, dict[str, str]] = {}
    with (place / "scores.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            means.setdefault(row["metric"], {})[row["name"]] = f"{float(row['mean']):.3f}"
    who = [*(f"sub-{s}" for s in run.config.subjects), "Average"]
    rows = [("", *who[:-1], AVERAGE)]
    rows += [(metric, *(found[name] for name in who)) for metric, found in means.items()]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = ("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return "\n".join([*(line.rstrip() for line in lines), f"page: {place / 'index.html'}"])


def _check(run: Run, subjects: Sequence[str]) -> None:
    if len(subjects) < 2:
        raise RunError(
            f"{run.path}: is a run of sub-{subjects[0]} alone; an average needs two subjects. "
            "Decode with --sub given twice or more."
        )
    for subject in subjects:
        if not run.folder("score", subject).exists():
            raise RunError(
                f"{run.path}: sub-{subject} is not decoded to the end yet. Finish the run with "
                "the decode command that began it."
            )
    if difference := other_coordinates(run, subjects):
        raise DataError(f"{run.path}: no average can be taken: {difference}")
    budget.check_again(run, "score")
    check_memory(run, subjects)


def check_memory(run: Run, subjects: Sequence[str]) -> None:
    """Refuse a budget that averaging latents would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    if run.machine.memory is not None:
        budget.check(run, {"average": memory_needed(run, subjects)})


def memory_needed(run: Run, subjects: Sequence[str]) -> int:
    """Return the peak of averaging latents, in bytes."""
    most = max(len(run.subject(s).trials.images("test")) for s in subjects)
    voxels = read_json(run.folder("mask", subjects[0]) / "about.json")["voxels"]
    counts = dataclasses.replace(budget.counts_of(run, subjects[0], voxels), m=most)
    return int(budget.BASE + budget.MARGIN * budget.averaged(counts, len(subjects)))


def _common(run: Run, subjects: Sequence[str]) -> tuple[str, ...]:
    """Return the test images that all subjects saw, in the first one's order."""
    seen = {s: run.subject(s).trials.images("test") for s in subjects}
    common = set.intersection(*(set(ids) for ids in seen.values()))
    if len(common) < 2:
        counts = listing(f"sub-{s} {len(ids)}" for s, ids in seen.items())
        many = "1 test image is" if len(common) == 1 else f"{len(common)} test images are"
        raise DataError(
            f"{run.path}: {many} common to all subjects (of {counts}); an average needs 2 or more. "
            "Decode the subjects without it, or choose subjects who saw the same test images."
        )
    return tuple(image for image in seen[subjects[0]] if image in common)


def _view(run: Run, ids: tuple[str, ...]) -> Run:
    """Return the run with the average as its only subject, who saw each test image once."""
    n = len(ids)
    trials = Trials(ids, ("test",) * n, ("",) * n, ("",) * n)
    about = dataclasses.replace(
        run.subject(run.config.subjects[0]), label=AVERAGE, trials=trials, anatomy=None
    )
    config = dataclasses.replace(
        run.config,
        subjects=(AVERAGE,),
        score=dataclasses.replace(run.config.score, oracle=False),
    )
    return dataclasses.replace(run, config=config, _subjects={AVERAGE: about})


def _encode(view: Run, first: str, ids: tuple[str, ...]) -> None:
    """Say where the true latents are: the first subject's, or a part of them."""
    places = {}
    for feature in view.config.features:
        whole = view.latents(first, feature)
        true = LatentFile.open(whole / "test.npy")
        places[feature] = whole.name
        if true.ids != ids:
            digest = hashlib.sha256("\n".join((whole.name, *ids)).encode()).hexdigest()[:12]
            places[feature] = f"{feature}-{digest}"
            _part(view, whole, view.path / "latents" / places[feature], ids)
    with view.writing(view.folder("encode", AVERAGE)) as folder:
        write_json(folder / "features.json", places)


def _part(view: Run, whole: Path, place: Path, ids: tuple[str, ...]) -> None:
    """Write the true latents of some test images, with what the encoder has learned."""
    true = LatentFile.open(whole / "test.npy")
    rows = true.places(ids)
    with view.writing(place) as folder:
        shutil.copyfile(whole / "state.npz", folder / "state.npz")
        part = LatentFile.create(folder / "test.npy", ids, true.shapes)
        for columns, block in true.blocks():
            part.write_columns(columns, block[rows])


def _predict(view: Run, subjects: Sequence[str], sources: dict[str, str]) -> None:
    """Write the mean of the subjects' predicted latents, block by block."""
    about: dict[str, Any] = {"sources": sources}
    with view.writing(view.folder("predict", AVERAGE)) as folder:
        for feature in view.config.features:
            files = [
                LatentFile.open(view.folder("predict", s) / f"{feature}.npy") for s in subjects
            ]
            true = LatentFile.open(view.latents(AVERAGE, feature) / "test.npy")
            made = LatentFile.create(folder / f"{feature}.npy", true.ids, files[0].shapes)
            spread = write_mean(made, files)
            named = metrics.two_way_identification(correlations(true, made), TIE)
            about[feature] = {
                "targets": made.targets,
                "identification": float(np.mean(named)),
                "spread": spread,
            }
        write_json(folder / "features.json", about)


def write_mean(made: LatentFile, files: Sequence[LatentFile]) -> float:
    """Write the mean of files' rows of the same images; return how much of their spread it has.

    That is the root of the variance over images, summed over targets, of the mean over that of
    the files: 1 where they agree.
    """
    rows = [file.places(made.ids) for file in files]
    ours = theirs = 0.0
    for parts in zip(*(file.blocks() for file in files), strict=True):
        blocks = np.stack([block[at] for (_, block), at in zip(parts, rows, strict=True)])
        mean = blocks.mean(axis=0, dtype=np.float64)
        made.write_columns(parts[0][0], mean)
        ours += float(mean.var(axis=0).sum())
        theirs += float(blocks.var(axis=1, dtype=np.float64).sum()) / len(files)
    return float(np.sqrt(ours / theirs)) if theirs else 1.0


def _fingerprint(run: Run, subject: str) -> str:
    """Return a digest of a subject's predicted latents."""
    digest = hashlib.sha256()
    for feature in run.config.features:
        with (run.folder("predict", subject) / f"{feature}.npy").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _stored_sources(view: Run) -> dict[str, str]:
    stored = view.folder("predict", AVERAGE) / "features.json"
    return dict(read_json(stored)["sources"]) if stored.exists() else {}
