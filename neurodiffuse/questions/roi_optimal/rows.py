"""The rows of a figure: each subject, and the average of their latents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.errors import ConfigError, DataError, listing
from neurodiffuse.questions.coordinates import other_coordinates
from neurodiffuse.questions.roi_optimal.answers import Answer, answer
from neurodiffuse.questions.roi_optimal.patterns import patterns_of
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import Region, Selection, hidden, in_mask
from neurodiffuse.questions.roi_optimal.renormalise import check_reference, reference, to_norm
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, load_voxels, seed_of
from neurodiffuse.types import Latents
from neurodiffuse.work import Site, spread

AVERAGE = "average"


Found = dict[str, dict[str, Selection]]
"""The regions that have a voxel in the mask, by subject and key."""


@dataclass(frozen=True, eq=False)
class Said:
    """Latents of a region's patterns: ``count`` rows of a file, from ``first`` on."""

    file: LatentFile
    first: int
    count: int

    def __len__(self) -> int:
        return self.count

    def rows(self, start: int = 0, stop: int | None = None) -> Latents:
        """Return those of patterns ``start`` to ``stop`` in memory."""
        stop = self.count if stop is None else stop
        return self.file.rows(self.first + start, self.first + stop)


@dataclass(frozen=True, eq=False)
class Row:
    """What is painted in one row: ``latents[region key][feature]``, one image or one a picture.

    ``label`` is a subject or ``average``; ``inside[region key][subject]`` is the region in each
    subject that contributes.
    """

    label: str
    latents: dict[str, dict[str, Said]]
    inside: dict[str, dict[str, Selection]]

    @property
    def name(self) -> str:
        """The row's name for readers."""
        return "Average" if self.label == AVERAGE else f"sub-{self.label}"


def found_of(run: Run, question: Question, notes: list[str]) -> Found:
    """Return the regions that can be asked; what cannot is added to ``notes``, a sentence each.

    Raises
    ------
    ConfigError, DataError
        If a region that the user named exists in no subject, or has no voxel in any mask; if
        nothing is left to ask; or if it is too little for ``--renorm reference``.
    """
    inside = {s: load_voxels(run.folder("mask", s)) for s in question.subjects}
    found = _found(run, question, inside, notes)
    for kind in question.kinds.values():
        check_reference(kind, min(len(regions) for regions in found.values() if regions))
    return found


def rows_of(
    run: Run, question: Question, found: Found, folder: Path, notes: list[str]
) -> list[Row]:
    """Return the rows, whose latents are files of a folder, ``SUBJECT_FEATURE.npy``.

    They may be more than memory holds: 512 patterns of a region have 0.7 GB of Brain-Diffuser's
    latents. What could not be asked is added to ``notes``, one sentence each.
    """
    rows: list[Row] = []
    answers: dict[str, dict[str, Answer]] = {}
    for subject, said in _answers(run, question, found, folder).items():
        regions = [r for r in _distinct(question.regions) if r.key in found[subject]]
        _note_unread(subject, regions, said, question.patterns, notes)
        rows.append(_row(subject, regions, found[subject], said, question))
        answers[subject] = said
    if len(rows) > 1:
        if difference := other_coordinates(run, [row.label for row in rows]):
            notes.append(f"No average: {difference}")
        elif (mean := average(rows, answers, question, folder)).latents:
            rows.append(mean)
    return rows


def _answers(
    run: Run, question: Question, found: Found, folder: Path
) -> dict[str, dict[str, Answer]]:
    """Return what each feature's map says to the regions of each subject that has any."""
    tasks = [
        (subject, feature, folder.resolve() / f"sub-{subject}_{feature}.npy")
        for subject, regions in found.items()
        for feature in (run.config.features if regions else ())
    ]
    said: dict[str, dict[str, Answer]] = {subject: {} for subject, _, _ in tasks}
    work = dict(spread(run, answer_one, tasks, "regions' latents", shared=(question, found)))
    for number, (subject, feature, _) in enumerate(tasks):
        said[subject][feature] = work[number]
    return said


def answer_one(site: Site, subject: str, feature: str, place: Path) -> Answer:
    """Return what a feature's map says to a subject's regions, as long as the question wants it."""
    question, found = site.shared
    seed = seed_of(site.run.config.seed, subject)
    patterns = _patterns(question, found[subject], seed)
    said = answer(site.run, subject, feature, patterns, place)
    _renormalise(said, question, feature)
    return said


def _patterns(question: Question, regions: dict[str, Selection], seed: int) -> Iterator[np.ndarray]:
    """Yield the patterns (n_voxels,) of one region after the other."""
    for key, region in regions.items():
        yield from patterns_of(question, key, region.voxels, seed)


def _renormalise(said: Answer, question: Question, feature: str) -> None:
    """Write latents in the place of their deviations, a row at a time where none needs another."""
    file = said.latents
    if question.renorm == "reference":
        rows = reference(question.kinds[feature], file.rows().values, said.mean, said.sd)
        file.write(0, rows.astype(np.float32))
        return
    for row in range(len(file.ids)):
        deviation = file.rows(row, row + 1).values
        if question.renorm == "train-norm":
            file.write(row, to_norm(deviation, said.mean, said.norm))
        else:
            file.write(row, (deviation + said.mean).astype(np.float32))


def average(
    rows: Sequence[Row], answers: dict[str, dict[str, Answer]], question: Question, folder: Path
) -> Row:
    """Return the row of the mean latents of all subjects that have a region (two at least).

    Under ``train-norm`` averaging shortens the latents, so they get the subjects' mean norm again.
    """
    n = question.patterns
    inside: dict[str, dict[str, Selection]] = {}
    for key in dict.fromkeys(key for row in rows for key in row.latents):
        those = {row.label: row.inside[key][row.label] for row in rows if key in row.latents}
        if len(those) > 1:
            inside[key] = those
    latents: dict[str, dict[str, Said]] = {key: {} for key in inside}
    names = tuple(map(str, range(n * len(inside))))
    for feature, one in answers[rows[0].label].items() if inside else ():
        file = LatentFile.create(folder / f"{AVERAGE}_{feature}.npy", names, one.latents.shapes)
        for k, (key, subjects) in enumerate(inside.items()):
            each = [row.latents[key][feature] for row in rows if row.label in subjects]
            said = [answers[subject][feature] for subject in subjects]
            for pattern in range(n):
                values = np.mean([s.rows(pattern, pattern + 1).values for s in each], axis=0)
                if question.renorm == "train-norm":
                    values = _lengthened(values, said)
                file.write(n * k + pattern, values.astype(np.float32))
            latents[key][feature] = Said(file, n * k, n)
    return Row(AVERAGE, latents, inside)


def _lengthened(values: np.ndarray, said: Sequence[Answer]) -> np.ndarray:
    """Return latents (1, t) that have the subjects' mean norm."""
    mean = np.mean([a.mean for a in said], axis=0)
    norm = float(np.mean([a.norm for a in said]))
    return to_norm(values - mean, mean, norm)


def _row(
    subject: str,
    regions: Sequence[Region],
    inside: dict[str, Selection],
    said: dict[str, Answer],
    question: Question,
) -> Row:
    n = question.patterns
    latents = {
        region.key: {feature: Said(one.latents, n * k, n) for feature, one in said.items()}
        for k, region in enumerate(regions)
    }
    return Row(subject, latents, {r.key: {subject: inside[r.key]} for r in regions})


def _distinct(regions: Sequence[Region]) -> list[Region]:
    return list({region.key: region for region in regions}.values())


def _found(
    run: Run, question: Question, inside: dict[str, np.ndarray], notes: list[str]
) -> dict[str, dict[str, Selection]]:
    """Return the regions, by subject and key, that have a voxel in the mask."""
    found: dict[str, dict[str, Selection]] = {s: {} for s in question.subjects}
    missing: dict[tuple[str, str], list[str]] = {}
    for region in _distinct(question.regions):
        problems: dict[str, ConfigError | None] = {}
        for subject in question.subjects:
            try:
                selection = in_mask(run, subject, inside[subject], region)
            except ConfigError as error:
                problems[subject] = error
                continue
            if selection.voxels.any():
                found[subject][region.key] = selection
            else:
                problems[subject] = None
        if not region.group and len(problems) == len(question.subjects):
            raise next(filter(None, problems.values()), None) or _empty(region, question.subjects)
        for subject, problem in problems.items():
            why = "has no voxel in the mask for" if problem is None else "has no region for"
            missing.setdefault((subject, why), []).append(region.name)
    left_out = [
        f"sub-{subject} {why} {listing(names)}; left out."
        for (subject, why), names in missing.items()
    ]
    left_out += hidden(run, question.subjects, question.regions)
    if not any(found.values()):
        raise DataError(f"--roi: there is nothing to paint. {' '.join(left_out)}")
    notes += left_out
    return found


def _empty(region: Region, subjects: Sequence[str]) -> DataError:
    who = listing(f"sub-{s}" for s in subjects)
    return DataError(
        f"--roi {region.choices[0]!r}: has no voxel in the mask of {who}. Choose another region, "
        "or decode from a wider --mask."
    )


def _note_unread(
    subject: str,
    regions: Sequence[Region],
    said: dict[str, Answer],
    patterns: int,
    notes: list[str],
) -> None:
    for feature, one in said.items():
        unread = one.unread[::patterns]
        names = [r.name for r, blind in zip(regions, unread, strict=True) if blind]
        if names:
            notes.append(
                f"sub-{subject}: {feature} is predicted from other voxels than those of "
                f"{listing(names)}; it stays at its mean there."
            )
