"""One table of runs and published results, each number with what sets it apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.metrics import PairedTest
from neurodiffuse.questions.arms import Arm, paired
from neurodiffuse.questions.compare.columns import Column, columns_of, placed
from neurodiffuse.questions.compare.published import STATUS, Published
from neurodiffuse.report.model import ScoreRow

MARKS = {
    "data": "another data set",
    "images": "other test images",
    "subjects": "other subjects",
    "protocol": "another protocol of this metric",
    "unknown": "protocol of this metric not stated",
    "quoted": "only quoted by others, not read at its source",
}
"""Why a number may not be compared with the first run, or trusted as it is, by mark."""

LETTERS = dict(zip(MARKS, "abcdef", strict=True))


@dataclass(frozen=True, eq=False)
class Value:
    """A number of the table; ``low`` to ``high`` is its interval or NaN, ``marks`` of `MARKS`.

    ``protocol`` is its own dialect, variant and size in words; empty where its metric names none.
    ``corrected`` is the test's p-value corrected for the other metrics of the row (Holm).
    """

    mean: float
    protocol: str = ""
    low: float = math.nan
    high: float = math.nan
    sem: float = math.nan
    test: PairedTest | None = None
    marks: tuple[str, ...] = ()
    corrected: float | None = None


@dataclass(frozen=True, eq=False)
class Row:
    """A line of the table; ``values`` by column, ``source`` and ``status`` say where it is from.

    ``people`` are the subjects of a published result in words.
    """

    name: str
    subject: str
    images: int | None
    dataset: str
    source: str
    status: str
    marks: tuple[str, ...] = ()
    values: dict[Column, Value] = field(default_factory=dict)
    people: str = ""

    @property
    def test_set(self) -> str:
        """How many images of which data set and, where the name does not say it, of whom."""
        if self.images is None:
            number = f"images of {self.dataset}, number not stated"
        else:
            number = f"{self.images} image{'s' * (self.images != 1)} of {self.dataset}"
        return f"{number}, {self.people}" if self.people else number

    @property
    def protocols(self) -> str:
        """How its numbers were computed, in words."""
        known = dict.fromkeys(value.protocol for value in self.values.values() if value.protocol)
        longest = [one for one in known if not any(o.startswith(f"{one},") for o in known)]
        return "; ".join(longest)

    @property
    def label(self) -> str:
        """The name with the subject."""
        return f"{self.name}, {self.subject}" if self.subject else self.name


def of_arms(arms: Sequence[Arm]) -> list[Row]:
    """Return a row for each arm and subject, then the mean over subjects where there are several.

    Every row is marked against the first one, and tested against the first arm's row of the same
    subject where both have the same test images.
    """
    return [row for arm in arms for row in _of_arm(arm, arms[0])]


def of_published(results: Sequence[Published], columns: Sequence[Column], first: Arm) -> list[Row]:
    """Return the published results that have a score in a column, marked against the first arm."""
    out = []
    for result in results:
        values = {}
        for column, (mean, same) in placed(result, columns).items():
            said = result.stated(column.metric)
            wrong = () if same else ("protocol",) if said else ("unknown",)
            values[column] = Value(mean, result.in_words(column.metric), marks=wrong)
        if values:
            marks = _against(result, first)
            marks += ("quoted",) if result.status == "quoted" else ()
            source = f"{result.source}. {result.note}".rstrip(". ") + "."
            out.append(
                Row(
                    result.name,
                    "",
                    result.images,
                    result.dataset,
                    source,
                    STATUS[result.status],
                    marks,
                    values,
                    result.people,
                )
            )
    return out


def comparable(result: Published, first: Arm) -> bool:
    """Return whether a published result has the data set and the test images of the first arm."""
    return not {"data", "images"} & set(_against(result, first))


def _of_arm(arm: Arm, first: Arm) -> list[Row]:
    subjects = arm.run.config.subjects
    rows = [_of_subject(arm, subject, first) for subject in subjects]
    if len(subjects) > 1:
        values = {c: _mean([row.values[c] for row in rows]) for c in rows[0].values}
        name = f"mean of {len(subjects)} subjects"
        marks = tuple(dict.fromkeys(m for row in rows for m in row.marks))
        rows.append(_row(arm, name, rows[0].images, marks, values))
    return rows


def _of_subject(arm: Arm, subject: str, first: Arm) -> Row:
    mine, theirs = columns_of(arm.run), columns_of(first.run)
    marks: list[str] = []
    if arm.run.config.dataset != first.run.config.dataset:
        marks.append("data")
    other = subject if subject in first.run.config.subjects else first.run.config.subjects[0]
    if arm.ids(subject) != first.ids(other):
        marks.append("images")
    if other != subject:
        marks.append("subjects")
    values = {}
    for name, score in arm.scores(subject).items():
        same = theirs.get(name) == mine[name]
        test = None
        if arm is not first and same and not marks:
            test = paired(arm, first, subject, name)
        values[mine[name]] = _value(score, mine[name], test)
    tested = list(values.items())
    holm = metrics.holm([value.test.p if value.test else None for _, value in tested])
    values = {c: replace(v, corrected=p) for (c, v), p in zip(tested, holm, strict=True)}
    return _row(arm, f"sub-{subject}", len(arm.ids(subject)), tuple(marks), values)


def _row(
    arm: Arm, subject: str, images: int | None, marks: tuple[str, ...], values: dict[Column, Value]
) -> Row:
    return Row(
        arm.name,
        subject,
        images,
        arm.run.config.dataset,
        "this comparison",
        "computed here",
        marks,
        values,
    )


def _value(score: ScoreRow, column: Column, test: PairedTest | None) -> Value:
    return Value(score.mean, column.words, score.low, score.high, test=test)


def _mean(values: Sequence[Value]) -> Value:
    means = [v.mean for v in values]
    sem = float(np.std(means, ddof=1) / math.sqrt(len(means)))
    return Value(float(np.mean(means)), values[0].protocol, sem=sem)


def _against(result: Published, first: Arm) -> tuple[str, ...]:
    """Return how a published test set differs from the first arm's."""
    run, marks = first.run, []
    if result.dataset != run.config.dataset:
        return ("data",)
    if result.images != len(first.ids(run.config.subjects[0])):
        marks.append("images")
    if tuple(result.subjects) != tuple(run.config.subjects):
        marks.append("subjects")
    return tuple(marks)
