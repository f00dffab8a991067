"""Tables of arms and metrics: as a file to compute with and as a table to read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.metrics import PairedTest
from neurodiffuse.questions.arms import Arm, Cell
from neurodiffuse.report import wording
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.run import Run
from neurodiffuse.steps.report import metric_in_words

COLUMNS = {
    "subject": "Subject label",
    "name": "Which pictures are scored",
    "stage": "Stage of the recipe that made them",
    "metric": "Metric, as the recipe calls it",
    "protocol": "What the metric is, with its dialect and variant where it has them",
    "n": "Number of test images",
    "mean": "Mean over images",
    "low": "Lower end of the 95 % interval over images",
    "high": "Upper end of that interval",
    "chance": "Level expected by chance: of theory, or the mean over shuffled pairs",
    "p": "Permutation test against shuffled pairs, one-sided",
    "difference": "Mean difference from the reference on the same images",
    "difference_low": "Lower end of the 95 % interval of that difference",
    "difference_high": "Upper end of that interval",
    "p_difference": "Paired sign-flip test of that difference, two-sided, uncorrected",
    "p_holm": "That p-value corrected for the metrics of the row's pictures (Holm)",
    "higher_is_better": "Direction of the metric",
    "meaning": "What these pictures are there for",
}


BOLD = "Bold: clearly better than what it is compared with, p < 0.05 after that correction."
"""What bold means in every table of arms."""


@dataclass(frozen=True)
class Head:
    """A metric at the head of a column."""

    name: str
    higher_is_better: bool


@dataclass(frozen=True)
class Shown:
    """A cell to read: the mean, what is below it, and how it stands among its column.

    ``against`` is the paired test in words, ``mark`` is ``better``, ``worse`` or empty,
    ``raised`` are letters of notes.
    """

    mean: float
    below: str
    against: str = ""
    mark: str = ""
    raised: str = ""


@dataclass(frozen=True)
class Line:
    """A row to read; ``reference`` marks the one that the others are tested against."""

    name: str
    meaning: str
    cells: tuple[Shown | None, ...]
    reference: bool = False


@dataclass(frozen=True)
class Table:
    """A table to read: of one subject, or of the mean over subjects."""

    title: str
    anchor: str
    caption: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]


def write(folder: Path, found: Sequence[Cell]) -> None:
    """Write ``scores.tsv``, a row a subject, arm and metric, and what its columns mean."""
    lines = ["\t".join(COLUMNS)]
    for cell in found:
        score, test = cell.score, cell.test
        values = {
            "subject": cell.subject,
            "name": cell.arm.name,
            "stage": score.stage,
            "metric": score.metric,
            "protocol": metric_in_words(cell.arm.run, score.metric),
            "n": str(score.n),
            "mean": _number(score.mean),
            "low": _number(score.low),
            "high": _number(score.high),
            "chance": _number(level(score)),
            "p": _number(score.p),
            "difference": _number(test.difference if test else None),
            "difference_low": _number(test.interval.low if test and test.interval else None),
            "difference_high": _number(test.interval.high if test and test.interval else None),
            "p_difference": _number(test.p if test else None),
            "p_holm": _number(cell.corrected),
            "higher_is_better": "true" if score.higher_is_better else "false",
            "meaning": cell.arm.meaning,
        }
        lines.append("\t".join(values[name] for name in COLUMNS))
    (folder / "scores.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {name: {"Description": text} for name, text in COLUMNS.items()}
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "scores.json").write_text(text + "\n", encoding="utf-8")


def protocols(run: Run) -> str:
    """Return what a run's scores are, with dialects and variants, for the methods of a page."""
    said = [
        f"{wording.metric_label(name)}: {metric_in_words(run, name).rstrip('.')}."
        for name in run.config.metrics
    ]
    return " ".join(
        [
            *said,
            "Scores compare only in the same dialect and variant, at one size, on one test set.",
        ]
    )


def level(score: ScoreRow) -> float | None:
    """Return what chance gives: by theory, or the mean over shuffled pairs."""
    return score.chance if score.chance is not None else score.null_mean


def of_subject(found: Sequence[Cell], reference: Arm, subject: str) -> Table:
    """Return the table of one subject: means, intervals, tests against the reference."""
    mine = [cell for cell in found if cell.subject == subject]
    return of_cells(
        mine, reference, f"sub-{subject}", f"scores-{subject}", f"against {reference.name.lower()}"
    )


def of_cells(found: Sequence[Cell], reference: Arm, title: str, anchor: str, against: str) -> Table:
    """Return a table of arms on the same images; ``against`` names the paired test."""
    heads = heads_of(found)
    n = max(cell.score.n for cell in found)
    chance = chance_in_words([c for c in found if c.arm is reference])
    return Table(
        title,
        anchor,
        f"Mean over {wording.counted(n, 'test image')}; below it the 95 % interval over images, "
        f"the difference {against} with its 95 % interval, and the paired test of that difference, "
        f"in brackets corrected for the metrics of a row (Holm). {BOLD} {chance}"
        f"{skewed([cell.test for cell in found])}",
        heads,
        tuple(_line(arm, found, heads, reference) for arm in arms_of(found)),
    )


def over_subjects(found: Sequence[Cell], reference: Arm) -> Table | None:
    """Return the table of means over subjects with their standard error; None for one subject."""
    subjects = list(dict.fromkeys(cell.subject for cell in found))
    if len(subjects) < 2:
        return None
    heads = heads_of(found)
    rows: dict[str, list[Shown | None]] = {}
    arms = arms_of(found)
    for arm in arms:
        rows[arm.name] = []
        for head in heads:
            means = [c.score.mean for c in found if c.arm is arm and c.score.metric == head.name]
            rows[arm.name].append(_mean(means))
    lines = tuple(
        Line(arm.name, arm.meaning, tuple(rows[arm.name]), arm is reference) for arm in arms
    )
    images = sorted({wording.counted(cell.score.n, "test image") for cell in found})
    caption = (
        f"Mean over {len(subjects)} subjects, ± standard error of the mean, of "
        f"{' or '.join(images)} each. Nothing is tested over so few subjects."
    )
    return Table("All subjects", "scores-all", caption, heads, lines)


def arms_of(found: Sequence[Cell]) -> list[Arm]:
    """Return the arms in their order."""
    return list({id(cell.arm): cell.arm for cell in found}.values())


def heads_of(found: Sequence[Cell]) -> tuple[Head, ...]:
    """Return the metrics in their order."""
    known = {c.score.metric: c.score.higher_is_better for c in found}
    return tuple(Head(name, higher) for name, higher in known.items())


def chance_in_words(found: Sequence[Cell]) -> str:
    """Return the levels that chance gives, in a sentence."""
    levels = [(c.score.metric, level(c.score), c.score.chance is None) for c in found]
    said = [
        f"{wording.metric_label(name)} {wording.number(at, 3)}{' (shuffled pairs)' * shuffled}"
        for name, at, shuffled in levels
        if at is not None
    ]
    return f"By chance: {wording.joined(said)}." if said else ""


def verdicts(found: Sequence[Cell], reference: Arm) -> list[str]:
    """Say of each arm in which metrics the test tells it from the reference, in words."""
    out = []
    for arm in arms_of(found):
        mine = [c for c in found if c.arm is arm and c.test]
        if arm is reference or not mine:
            continue
        won = [wording.metric_label(c.score.metric) for c in mine if c.better is True]
        lost = [wording.metric_label(c.score.metric) for c in mine if c.better is False]
        said = [f"better in {wording.joined(won)}"] if won else []
        said += [f"worse in {wording.joined(lost)}"] if lost else []
        if said:
            out.append(
                f"{arm.name}: {' and '.join(said)} than {reference.name.lower()} (p < 0.05, Holm)."
            )
        else:
            out.append(
                f"{arm.name}: no metric tells it from {reference.name.lower()} "
                "(all p ≥ 0.05, Holm)."
            )
    return out


def _line(arm: Arm, found: Sequence[Cell], heads: Sequence[Head], reference: Arm) -> Line:
    mine = {c.score.metric: c for c in found if c.arm is arm}
    shown = []
    for head in heads:
        cell = mine.get(head.name)
        shown.append(None if cell is None else _shown(cell))
    return Line(arm.name, arm.meaning, tuple(shown), arm is reference)


def _shown(cell: Cell) -> Shown:
    score = cell.score
    against = difference_in_words(cell.test, cell.corrected) if cell.test else ""
    mark = {True: "better", False: "worse", None: ""}[cell.better]
    return Shown(score.mean, wording.interval(score.low, score.high, 3), against, mark)


def difference_in_words(test: PairedTest, corrected: float | None) -> str:
    """Return the difference, its interval and its test, ``+0.02 (0.01 to 0.03), p = 0.004``."""
    sign = "+" if test.difference > 0 else ""
    said = f"{sign}{wording.number(test.difference, 3)}"
    if test.interval:
        said += f" ({wording.interval(test.interval.low, test.interval.high, 3)})"
        said += "*" if test.interval.coverage is not None else ""
    p = wording.p_value(test.p, corrected)
    return f"{said}, {p}" if p else said


def skewed(tests: Sequence[PairedTest | None]) -> str:
    """Return what an asterisk means, where differences are so skewed that one stands there."""
    low = [t.interval.coverage for t in tests if t and t.interval and t.interval.coverage]
    if not low:
        return ""
    return (
        " *: the differences are so skewed that such an interval holds the true one in about "
        f"{min(low):.0%} of cases, not 95 %."
    )


def _mean(means: Sequence[float]) -> Shown | None:
    if not means:
        return None
    sem = np.std(means, ddof=1) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    return Shown(float(np.mean(means)), f"± {wording.number(sem, 3)}")


def _number(value: float | None) -> str:
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.6g}"
