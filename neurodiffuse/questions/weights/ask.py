"""Ask where in the brain features are read from: statmaps, pictures, regions and a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neurodiffuse import budget
from neurodiffuse.decoding import feature_voxels
from neurodiffuse.places import replacing
from neurodiffuse.progress import progress
from neurodiffuse.questions.weights import (
    bars,
    explained,
    page,
    pictures,
    region_table,
    statmaps,
    surface,
)
from neurodiffuse.questions.weights.members import Members, find_members
from neurodiffuse.questions.weights.project import (
    Projection,
    Source,
    check_memory,
    percentile,
    project,
)
from neurodiffuse.questions.weights.question import Plan, Question, check_place, plan_of
from neurodiffuse.questions.weights.region_table import RegionResult
from neurodiffuse.questions.weights.statmaps import BrainValues
from neurodiffuse.report import template
from neurodiffuse.report.brain import map_picture
from neurodiffuse.run import Run
from neurodiffuse.store import load_voxels

PICTURED = {
    False: ("percentile", "l1", "explained", "pattern"),
    True: ("l1", "pattern", "percentile", "explained"),
}
"""The measure shown interactively is the first of these asked for: of norms, of signed maps."""


@dataclass(frozen=True)
class Answer:
    """What came out: the folder, its maps, the regions compared, by what of."""

    folder: Path
    maps: tuple[BrainValues, ...]
    regions: tuple[RegionResult, ...]


@dataclass(frozen=True, eq=False)
class Found:
    """Every map, and by what it is of, subject and feature, its values over the mask."""

    maps: list[BrainValues] = field(default_factory=list)
    norms: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)


def weights(run: Run, question: Question, out: Path | None = None) -> Answer:
    """Write where in the brain the features of a fitted run are read from.

    Parameters
    ----------
    run
        A run whose subjects are fitted.
    question
        What is asked.
    out
        Folder of the answer, replaced when it holds an earlier one. Default: ``weights`` in the
        run, or ``weights-FEATURE-tokenK`` for parts of a feature.

    Returns
    -------
    Answer
        Its folder holds ``index.html``, ``maps.tsv`` with a row a map, ``sub-XX/func`` with
        statmaps and pictures and, where features are whole and the data set has regions,
        ``regions.tsv`` with a figure ``regions_STAT.png``.

    Raises
    ------
    ConfigError, MissingDataError, RunError
        As `question.plan_of`, `question.check_place`, `members.find_members` and
        `project.check_memory` say, before anything is computed.
    """
    plan = plan_of(run, question)
    place = out or run.path / question.folder
    check_place(place)
    sources = {f: Source(run, plan.subjects[0], f) for f in plan.parts}
    for source in sources.values():
        source.check(question.measures)
    linear = {feature: source.linear for feature, source in sources.items()}
    check_memory(run, plan.subjects, tuple(plan.parts), patterns="pattern" in question.measures)
    if "explained" in question.measures:
        explained.check_memory(run, plan.subjects, tuple(plan.parts))
    if question.pictures:
        budget.check(run, {"pictures": int(budget.BASE + budget.MARGIN * budget.DRAWING)})
    members = find_members(run, plan.subjects, question.regions) if question.whole else None
    found = _project(run, plan)
    regions = () if members is None else _compare(plan, found, members)
    with replacing(place) as folder:
        rows = [row for made in found.maps for row in statmaps.write_map(run, folder, made)]
        drawn = found.maps if question.pictures else []
        shown = [
            _picture(run, plan, folder, made)
            for made in progress(drawn, "pictures", quiet=run.quiet)
        ]
        figures = _write_regions(folder, regions)
        # maps.tsv marks the folder as ours, so it comes last but for the page
        statmaps.write_table(folder, "maps", statmaps.COLUMNS, rows)
        (folder / "index.html").write_text(
            page.render(run, plan, rows, shown, regions, figures, linear), encoding="utf-8"
        )
    return Answer(place, tuple(found.maps), regions)


def _project(run: Run, plan: Plan) -> Found:
    found = Found()
    for subject in plan.subjects:
        mask = load_voxels(run.folder("mask", subject))
        for feature, parts in plan.parts.items():
            voxels = feature_voxels(run, subject, feature)
            inside = statmaps.within(run.subject(subject).grid, mask, voxels)
            patterns = "pattern" in plan.question.measures
            if any(measure != "explained" for measure in plan.question.measures) or (
                Source(run, subject, feature).linear
            ):
                projections = project(run, subject, feature, parts, patterns=patterns)
            else:
                projections = [Projection(None, None) for _ in parts]
            if "explained" in plan.question.measures:
                projections = explained.with_explained(run, subject, feature, parts, projections)
            for stat, values in vars(projections[0]).items():
                if values is not None:
                    norms = np.full(int(mask.sum()), np.nan)
                    norms[voxels] = values
                    found.norms.setdefault(stat, {}).setdefault(subject, {})[feature] = norms
            for part, projection in zip(parts, projections, strict=True):
                for measure in plan.question.measures:
                    stem = statmaps.stem_of(run, subject, feature, part, measure)
                    values = _values(projection, measure)
                    found.maps.append(
                        BrainValues(subject, feature, part, measure, values, inside, stem)
                    )
    return found


def _values(projection: Projection, measure: str) -> np.ndarray:
    if measure == "percentile":
        assert projection.weight is not None
        return percentile(projection.weight)
    if measure == "pattern":
        assert projection.pattern is not None
        return projection.pattern
    if measure == "explained":
        assert projection.explained is not None
        return projection.explained
    assert projection.weight is not None
    return projection.weight


def _picture(run: Run, plan: Plan, folder: Path, made: BrainValues) -> page.Shown:
    """Write the pictures of a map beside it and return what the page shows."""
    func = folder / f"sub-{made.subject}" / "func"
    about = run.subject(made.subject)
    grid = about.grid
    slices = b""
    extra, views = [], []
    first = next(m for m in PICTURED[made.part.signed] if m in plan.question.measures)
    interactive = plan.question.view and made.measure == first and bool(np.any(made.values))
    if not grid.is_surface:
        slices = pictures.save(func / f"{made.stem}_slices.png", pictures.slices(run, made))
        if interactive:
            volume = pictures.volume_of(run, made)
            views.append(("Slices", pictures.explore(made, volume, template.ground(about))))
    if template.on_template(grid):
        glass = pictures.save(func / f"{made.stem}_glass.png", pictures.glass_brain(run, made))
        extra.append((page.GLASS, glass))
    if not template.why_not(grid):
        cortex = surface.project(run, made)
        if not grid.is_surface:
            surface.write(func, made, cortex)
        drawn = map_picture(cortex, scale=pictures.scale_of(made), units=pictures.units_of(made))
        extra.append((page.SURFACE, pictures.save(func / f"{made.stem}_surface.png", drawn)))
        if interactive:
            views.append(("Cortex", pictures.explore(made, cortex)))
    return page.Shown(made, slices, tuple(extra), tuple(views))


def _compare(plan: Plan, found: Found, members: Members) -> tuple[RegionResult, ...]:
    results = (
        region_table.compare_regions(
            stat,
            norms,
            plan.against,
            members,
            permutations=plan.question.permutations,
            seed=plan.question.seed,
        )
        for stat, norms in found.norms.items()
    )
    return tuple(result for result in results if result is not None)


def _write_regions(folder: Path, regions: tuple[RegionResult, ...]) -> list[bytes]:
    if not regions:
        return []
    rows = [row for result in regions for row in region_table.rows_of(result)]
    statmaps.write_table(folder, "regions", region_table.COLUMNS, rows)
    return [
        pictures.save(folder / f"regions_{result.stat}.png", bars.bar_plot(result))
        for result in regions
    ]


def summary(answer: Answer) -> str:
    """Return what the command says at its end."""
    lines = [f"{len(answer.maps)} maps in {answer.folder}, listed in maps.tsv"]
    for result in answer.regions:
        lines += _region_lines(result)
    if answer.regions and answer.regions[0].left_out:
        lines += ["", f"not compared: {region_table.why_left_out(answer.regions[0])}"]
    return "\n".join([*lines, "", f"page: {answer.folder / 'index.html'}"])


def _region_lines(found: RegionResult) -> list[str]:
    several = len(found.features) > 1
    against = found.features[found.against]
    values = found.all.normalised if several else found.all.level
    columns: Mapping[str, int] = {
        f: k for k, f in enumerate(found.features) if not several or k != found.against
    }
    words = region_table.STATS[found.stat]
    head = f"percentile of {words}" + (f" against {against}, %" if several else ", mean")
    lines = ["", f"{'region':12}" + "".join(f"{f:>16}" for f in columns) + f"   {head}"]
    for r in found.shown:
        cells = (values.mean[k, r] * (100 if several else 1) for k in columns.values())
        lines.append(
            f"{found.regions[r].name:12}"
            + "".join(
                f"{'–' if np.isnan(c) else f'{c:+.1f}' if several else f'{c:.1f}':>16}"
                for c in cells
            )
        )
    return lines
