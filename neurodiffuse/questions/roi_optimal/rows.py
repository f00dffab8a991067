"""The rows of a figure: each subject, and the average of their latents."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import ConfigError, DataError, listing
from neurodiffuse.questions.coordinates import other_coordinates
from neurodiffuse.questions.roi_optimal.answers import Answer, answer
from neurodiffuse.questions.roi_optimal.patterns import patterns_of
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import Region, Selection, in_mask
from neurodiffuse.questions.roi_optimal.renormalise import reference, to_norm
from neurodiffuse.run import Run
from neurodiffuse.store import seed_of
from neurodiffuse.types import Latents
from neurodiffuse.work import Site, spread

AVERAGE = "average"


@dataclass(frozen=True, eq=False)
class Row:
    """What is painted in one row: ``latents[region key][feature]``, one image or one a picture.

    ``label`` is a subject or ``average``; ``inside[region key][subject]`` is the region in each
    subject that contributes.
    """

    label: str
    latents: dict[str, dict[str, Latents]]
    inside: dict[str, dict[str, Selection]]

    @property
    def name(self) -> str:
        """The row's name for readers."""
        return "Average" if self.label == AVERAGE else f"sub-{self.label}"


def rows_of(run: Run, question: Question, notes: list[str]) -> list[Row]:
    """Return the rows; what could not be asked is added to ``notes``, one sentence each.

    Raises
    ------
    ConfigError, DataError
        If a region that the user named exists in no subject, or has no voxel in any mask; or if
        nothing is left to ask.
    """
    inside = {s: _mask(run, s) for s in question.subjects}
    found = _found(run, question, inside, notes)
    rows: list[Row] = []
    answers: dict[str, dict[str, Answer]] = {}
    for subject, said in _answers(run, question, found).items():
        regions = [r for r in _distinct(question.regions) if r.key in found[subject]]
        _note_unread(subject, regions, said, question.patterns, notes)
        rows.append(_row(subject, regions, found[subject], said, question))
        answers[subject] = said
    if len(rows) > 1:
        if difference := other_coordinates(run, [row.label for row in rows]):
            notes.append(f"No average: {difference}")
        elif (mean := average(rows, answers, question)).latents:
            rows.append(mean)
    return rows


def _answers(
    run: Run, question: Question, found: dict[str, dict[str, Selection]]
) -> dict[str, dict[str, Answer]]:
    """Return what each feature's map says to the regions of each subject that has any."""
    patterns = {
        subject: np.concatenate(
            [
                patterns_of(question, key, region.voxels, seed_of(run.config.seed, subject))
                for key, region in regions.items()
            ]
        )
        for subject, regions in found.items()
        if regions
    }
    tasks = [(subject, feature) for subject in patterns for feature in run.config.features]
    said: dict[str, dict[str, Answer]] = {subject: {} for subject in patterns}
    work = dict(spread(run, answer_one, tasks, "regions' latents", shared=(patterns,)))
    for number, (subject, feature) in enumerate(tasks):
        said[subject][feature] = work[number]
    return said


def answer_one(site: Site, subject: str, feature: str) -> Answer:
    """Return what a feature's map says to a subject's regions."""
    return answer(site.run, subject, feature, site.shared[0][subject])


def average(rows: Sequence[Row], answers: dict[str, dict[str, Answer]], question: Question) -> Row:
    """Return the row of the mean latents of all subjects that have a region (two at least).

    Under ``train-norm`` averaging shortens the latents, so they get the subjects' mean norm again.
    """
    latents: dict[str, dict[str, Latents]] = {}
    inside: dict[str, dict[str, Selection]] = {}
    for key in dict.fromkeys(key for row in rows for key in row.latents):
        those = [row for row in rows if key in row.latents]
        if len(those) < 2:
            continue
        inside[key] = {row.label: row.inside[key][row.label] for row in those}
        latents[key] = {}
        for feature, one in those[0].latents[key].items():
            values = np.mean([row.latents[key][feature].values for row in those], axis=0)
            if question.renorm == "train-norm":
                said = [answers[row.label][feature] for row in those]
                mean = np.mean([a.mean for a in said], axis=0)
                norm = float(np.mean([a.norm for a in said]))
                values = to_norm(values - mean, mean, norm)
            ids = _ids(AVERAGE, len(values))
            latents[key][feature] = Latents(ids, values.astype(np.float32), one.shapes)
    return Row(AVERAGE, latents, inside)


def _row(
    subject: str,
    regions: Sequence[Region],
    inside: dict[str, Selection],
    said: dict[str, Answer],
    question: Question,
) -> Row:
    latents: dict[str, dict[str, Latents]] = {region.key: {} for region in regions}
    n = question.patterns
    for feature, one in said.items():
        values = _renormalised(one, question, feature)
        for k, region in enumerate(regions):
            part = np.asarray(values[k * n : (k + 1) * n], np.float32)
            latents[region.key][feature] = Latents(_ids(subject, n), part, one.shapes)
    return Row(subject, latents, {r.key: {subject: inside[r.key]} for r in regions})


def _ids(who: str, patterns: int) -> tuple[str, ...]:
    return tuple(f"{who}/{k}" for k in range(patterns)) if patterns > 1 else (who,)


def _renormalised(said: Answer, question: Question, feature: str) -> np.ndarray:
    if question.renorm == "train-norm":
        return to_norm(said.deviations, said.mean, said.norm)
    if question.renorm == "reference":
        return reference(question.kinds[feature], said.deviations, said.mean, said.sd)
    return said.deviations + said.mean


def _mask(run: Run, subject: str) -> np.ndarray:
    with np.load(run.folder("mask", subject) / "voxels.npz") as stored:
        return np.asarray(stored["voxels"])


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
