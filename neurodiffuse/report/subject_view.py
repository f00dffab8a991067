"""One subject as the template wants it: pictures encoded, rows chosen, numbers in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neurodiffuse.report import brain, charts, wording
from neurodiffuse.report.cortex import is_cortex
from neurodiffuse.report.grid import GridView, Layer, TestImages, contact_sheet, grid
from neurodiffuse.report.model import FeatureRow, ReportData, RoiRow, ScoreRow, SubjectReport
from neurodiffuse.report.pictures import data_uri
from neurodiffuse.report.ranking import grid_rows


@dataclass(frozen=True)
class Cell:
    """A score in the table; ``clear`` says that it is better than chance, ``p`` is in words."""

    row: ScoreRow
    colour: str
    clear: bool
    p: str = ""


@dataclass(frozen=True)
class MetricView:
    """One metric over all stages: a line of the table and a chart."""

    name: str
    note: str
    higher_is_better: bool
    cells: tuple[Cell | None, ...]
    ceiling: ScoreRow | None
    exceeded: bool
    level: float | None
    shuffled: bool
    n: int
    chart: Markup


@dataclass(frozen=True)
class BrainPicture:
    """A picture of the brain."""

    title: str
    uri: str
    alt: str


@dataclass(frozen=True)
class SubjectView:
    """Everything the template shows of one subject.

    ``corrected`` is the number of tests of the last stage that are corrected for one another.
    """

    subject: SubjectReport
    anchor: str
    labels: tuple[tuple[str, str], ...]
    best: GridView
    first: GridView | None
    sheet: GridView
    metrics: tuple[MetricView, ...]
    brain: BrainPicture | None
    maps: tuple[BrainPicture, ...]
    drawn: tuple[RoiRow, ...]
    histograms: tuple[FeatureRow, ...]
    corrected: int
    ceiling: str = wording.CEILING


def subject_view(data: ReportData, subject: SubjectReport, anchor: str) -> SubjectView:
    """Encode the subject's pictures and choose what is shown."""
    layers = _layers(data, subject)
    last = [s for s in subject.scores if data.stages and s.stage == data.stages[-1]]
    best, first = grid_rows(last, len(subject.ids))
    images = TestImages(subject.ids, subject.captions, tuple(last), best.rank)
    return SubjectView(
        subject=subject,
        anchor=anchor,
        labels=tuple((layer.label, layer.colour) for layer in layers),
        best=grid(images, layers, best),
        first=None if first is None else grid(images, layers, first),
        sheet=contact_sheet(images, layers),
        metrics=_metrics(data, subject),
        brain=_mask(subject),
        maps=_maps(subject),
        drawn=tuple(roi for roi in subject.rois if roi.value and subject.regions is not None),
        histograms=tuple(f for f in subject.features if f.r2 is not None and len(f.r2) > 1),
        corrected=sum(s.corrected is not None for s in last),
    )


def _layers(data: ReportData, subject: SubjectReport) -> list[Layer]:
    layers = [Layer("Seen", "Seen", subject.seen, "seen")]
    for i, stage in enumerate(data.stages):
        if stage in subject.made:
            label = wording.stage_label(stage)
            colour = _colour(data, i)
            layers.append(Layer(label, f"{label} of", subject.made[stage], colour))
    if data.stages and data.stages[-1] in subject.oracle:
        ceiling = subject.oracle[data.stages[-1]]
        layers.append(Layer(wording.CEILING, "Made from the true latents of", ceiling, "ceiling"))
    return layers


def _colour(data: ReportData, stage: int) -> str:
    """Return a stage's CSS class: the reconstruction has its own, the stages before alternate."""
    return "final" if stage == len(data.stages) - 1 else f"stage-{stage % 3}"


def _metrics(data: ReportData, subject: SubjectReport) -> tuple[MetricView, ...]:
    names = dict.fromkeys(score.metric for score in subject.scores)
    return tuple(_metric(data, subject, name) for name in names)


def _metric(data: ReportData, subject: SubjectReport, name: str) -> MetricView:
    by_stage = {s.stage: s for s in subject.scores if s.metric == name}
    cells: list[Cell | None] = []
    plotted: list[tuple[ScoreRow, str, str]] = []
    for i, stage in enumerate(data.stages):
        row, colour = by_stage.get(stage), _colour(data, i)
        cells.append(None if row is None else _cell(row, colour, stage == data.stages[-1]))
        if row is not None:
            plotted.append((row, wording.stage_label(stage), colour))
    ceiling = _ceiling(data, subject.oracle_scores, name)
    if ceiling is not None:
        plotted.append((ceiling, wording.CEILING, "ceiling"))
    first = next(iter(by_stage.values()))
    return MetricView(
        name=name,
        note=next((row.note for row in by_stage.values() if row.note), ""),
        higher_is_better=first.higher_is_better,
        cells=tuple(cells),
        ceiling=ceiling,
        exceeded=_exceeds(by_stage.get(data.stages[-1]) if data.stages else None, ceiling),
        level=_level(by_stage),
        shuffled=first.chance is None,
        n=first.n,
        chart=_chart([p for p in plotted if p[0].values is not None and len(p[0].values) > 1]),
    )


def _cell(row: ScoreRow, colour: str, last: bool) -> Cell:
    """Return a score; tests of stages before the last one are called uncorrected."""
    p = wording.p_value(row.p, row.corrected)
    if p and row.corrected is None and not last:
        p += ", uncorrected"
    return Cell(row, colour, wording.beats_chance(row) is True, p)


def _exceeds(row: ScoreRow | None, ceiling: ScoreRow | None) -> bool:
    """Return whether a mean is better than the ceiling's."""
    if row is None or ceiling is None:
        return False
    return row.mean > ceiling.mean if row.higher_is_better else row.mean < ceiling.mean


def _level(by_stage: Mapping[str, ScoreRow]) -> float | None:
    rows = list(by_stage.values())
    known = [row.chance for row in rows if row.chance is not None]
    shuffled = [row.null_mean for row in rows if row.null_mean is not None]
    return known[-1] if known else shuffled[-1] if shuffled else None


def _ceiling(data: ReportData, scores: Sequence[ScoreRow], metric: str) -> ScoreRow | None:
    """Return the score from true latents of the last stage that has one."""
    for stage in reversed(data.stages):
        for score in scores:
            if (score.metric, score.stage) == (metric, stage):
                return score
    return None


def _chart(plotted: Sequence[tuple[ScoreRow, str, str]]) -> Markup:
    if not plotted:
        return Markup("")
    rows, labels, colours = zip(*plotted, strict=True)
    return charts.strips(rows, labels, colours)


def _mask(subject: SubjectReport) -> BrainPicture | None:
    drawn = brain.regions_picture(subject.mask_image, subject.regions, subject.anatomy)
    if not drawn:
        return None
    where = "a black ground: no anatomy was given"
    if is_cortex(subject.mask_image):
        where = "fsaverage, inflated and flat"
    elif subject.anatomy is not None:
        where = "this subject's anatomy"
    regions = [roi.name for roi in subject.rois if roi.value]
    with_regions = f" and the regions {wording.joined(regions)}" if regions else ""
    return BrainPicture(
        f"The mask (white line) on {where}",
        data_uri(drawn),
        f"{_how(subject)} of sub-{subject.label}: the decoding mask{with_regions} on {where}.",
    )


def _maps(subject: SubjectReport) -> tuple[BrainPicture, ...]:
    drawn = (
        (m, brain.map_picture(m.image, anatomy=subject.anatomy, units=m.units))
        for m in subject.maps
    )
    return tuple(
        BrainPicture(
            f"{m.title} ({m.units})" if m.units else m.title,
            data_uri(picture),
            f"{_how(subject)} of sub-{subject.label}: {m.title}.",
        )
        for m, picture in drawn
        if picture
    )


def _how(subject: SubjectReport) -> str:
    return "Cortex" if is_cortex(subject.mask_image) else "Axial slices"
