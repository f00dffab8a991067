"""Arms of a comparison: pictures that were made one way, and their scores."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.files import read_json
from neurodiffuse.metrics import PairedTest
from neurodiffuse.report import wording
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.report.wording import anchor
from neurodiffuse.run import Run
from neurodiffuse.store import labels, load_images


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of making pictures; ``stage`` is empty for the last one of its recipe.

    ``meaning`` says in a sentence or two what it is there for.
    """

    name: str
    meaning: str
    run: Run
    source: str = "decoded"
    stage: str = ""

    @property
    def key(self) -> str:
        """The name for files and anchors."""
        return anchor(self.name)

    @property
    def shown(self) -> str:
        """The stage whose pictures are compared."""
        return self.stage or list(self.run.config.stages)[-1]

    def ids(self, subject: str) -> tuple[str, ...]:
        """Return the test images, in the order of scores and pictures."""
        return self.run.subject(subject).trials.images("test")

    def pictures(self, subject: str, rows: Sequence[int] | np.ndarray) -> list[np.ndarray]:
        """Return the pictures of some test images, uint8 (height, width, 3)."""
        place = self.run.folder("generate", subject) / self.source / self.shown
        names = labels(self.ids(subject))
        return list(load_images(place, [names[row] for row in rows])) if len(rows) else []

    def scores(self, subject: str) -> dict[str, ScoreRow]:
        """Return every metric's score by its name in the recipe."""
        return {s.metric: s for s in self._scores[subject]}

    @cached_property
    def _scores(self) -> dict[str, list[ScoreRow]]:
        return {s: _read(self, s) for s in self.run.config.subjects}


@dataclass(frozen=True, eq=False)
class Cell:
    """An arm's score by one metric for one subject, and how it differs from the reference.

    ``test`` is None for the reference itself and where the images are not the same; ``corrected``
    is its p-value corrected for the metrics of the arm (`corrected`).
    """

    arm: Arm
    subject: str
    score: ScoreRow
    test: PairedTest | None = None
    corrected: float | None = None

    @property
    def better(self) -> bool | None:
        """Whether it is clearly better or worse than the reference, else None.

        Clearly: p < 0.05, corrected for the metrics of the arm where it is (Holm).
        """
        if self.test is None or not wording.passes(self.test.p, self.corrected):
            return None
        return (self.test.difference > 0) == self.score.higher_is_better


def cells(arms: Sequence[Arm], reference: Arm, subject: str) -> list[Cell]:
    """Return a cell for each arm and metric, tested against the reference image by image.

    The test flips signs (`neurodiffuse.metrics.paired_test`) with the reference run's seed.
    """
    against = reference.scores(subject)
    out = []
    for arm in arms:
        for name, score in arm.scores(subject).items():
            test = None
            if arm is not reference and name in against:
                test = paired(arm, reference, subject, name)
            out.append(Cell(arm, subject, score, test))
    return corrected(out)


def corrected(found: Sequence[Cell]) -> list[Cell]:
    """Return cells with the p-values of each arm and subject corrected for its metrics (Holm)."""
    out = list(found)
    for mine in {(id(cell.arm), cell.subject) for cell in out}:
        places = [k for k, cell in enumerate(out) if (id(cell.arm), cell.subject) == mine]
        tests = [out[k].test for k in places]
        values = metrics.holm([test.p if test else None for test in tests])
        for k, value in zip(places, values, strict=True):
            out[k] = replace(out[k], corrected=value)
    return out


def paired(arm: Arm, reference: Arm, subject: str, metric: str) -> PairedTest | None:
    """Return the test of one metric on the images of both, or None if they are others."""
    if arm.ids(subject) != reference.ids(subject):
        return None
    a, b = arm.scores(subject)[metric].values, reference.scores(subject)[metric].values
    if a is None or b is None:
        return None
    run = reference.run
    return metrics.paired_test(a, b, run.config.seed, bounds=run.metric(metric).bounds)


def _read(arm: Arm, subject: str) -> list[ScoreRow]:
    """Return what the score step wrote of an arm's pictures."""
    folder, where = arm.run.folder("score", subject), (arm.source, arm.shown)
    values: dict[str, list[float]] = {}
    with (folder / "images.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if (row["source"], row["stage"]) == where:
                values.setdefault(row["metric"], []).append(float(row["value"]))
    return [
        ScoreRow(
            metric=row["metric"],
            stage=row["stage"],
            mean=row["mean"],
            low=nan if row["low"] is None else row["low"],
            high=nan if row["high"] is None else row["high"],
            n=row["n"],
            p=row["p"],
            chance=row["chance"] if row["chance_from"] == "theory" else None,
            null_mean=row["null_mean"],
            higher_is_better=row["higher_is_better"],
            values=np.array(values[row["metric"]]),
        )
        for row in read_json(folder / "scores.json")
        if (row["source"], row["stage"]) == where
    ]
