"""Fill the template: one self-contained page from a `ReportData`."""

from __future__ import annotations

from dataclasses import dataclass, replace

from markupsafe import Markup

from neurodiffuse.report import charts, wording
from neurodiffuse.report.brain import region_colour
from neurodiffuse.report.environment import filled
from neurodiffuse.report.model import ReportData, ScoreRow, StepRow
from neurodiffuse.report.subject_view import SubjectView, subject_view


@dataclass(frozen=True)
class StepView:
    """A step for the page: its time in words and its share of the longest step in percent."""

    name: str
    time: str
    share: float
    note: str


@dataclass(frozen=True)
class SectionView:
    """A plugin's section with an anchor that no other heading has."""

    title: str
    anchor: str
    html: Markup


def render(data: ReportData) -> str:
    """Return the page; see `neurodiffuse.report.build`."""
    data = _named(data)
    taken = {"content", "methods", "reproduce", "provenance", "subjects"}
    subjects: list[SubjectView] = []
    for subject in data.subjects:
        anchor = wording.anchor(f"sub-{subject.label}", taken)
        taken.add(anchor)
        subjects.append(subject_view(data, subject, anchor))
    return filled(
        "report.html.j2",
        data=data,
        headline=wording.headline(data),
        subjects=subjects,
        sections=_sections(data, taken),
        steps=_steps(data.steps),
        settings=wording.settings(data.config),
        machine=wording.lines(data.machine),
        total=wording.duration(sum(step.seconds for step in data.steps)),
        region_colour=region_colour,
        histogram=charts.histogram,
    )


def _named(data: ReportData) -> ReportData:
    """Return the report with the metrics' names as a reader wants them."""

    def named(rows: tuple[ScoreRow, ...]) -> tuple[ScoreRow, ...]:
        return tuple(replace(row, metric=wording.metric_label(row.metric)) for row in rows)

    subjects = (
        replace(s, scores=named(s.scores), oracle_scores=named(s.oracle_scores))
        for s in data.subjects
    )
    return replace(data, subjects=tuple(subjects))


def _sections(data: ReportData, taken: set[str]) -> list[SectionView]:
    views = []
    for section in sorted(data.sections, key=lambda s: s.order):
        anchor = wording.anchor(section.anchor or section.title, taken)
        taken.add(anchor)
        views.append(SectionView(section.title, anchor, Markup(section.html)))
    return views


def _steps(steps: tuple[StepRow, ...]) -> list[StepView]:
    longest = max((step.seconds for step in steps), default=0.0) or 1.0
    return [
        StepView(s.name, wording.duration(s.seconds), 100 * s.seconds / longest, s.note)
        for s in steps
    ]
