"""The figures, laid out as the paper's: a column a region, a row a subject and their average."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import Region
from neurodiffuse.questions.roi_optimal.results import Made, shown_in
from neurodiffuse.questions.roi_optimal.rows import Row

CELL, LEFT, TOP = 1.35, 0.95, 0.42
"""Inches: side of a picture, room for the rows' and the columns' names."""


def draw(
    folder: Path, question: Question, rows: Sequence[Row], made: Sequence[Made]
) -> dict[str, str]:
    """Write ``figure-PRESET.png`` for each preset, ``figure-regions.png`` for other expressions.

    Each cell is the best kept picture of a region and row, as ``--display`` shows it. Figs 9, 10
    and 11 of Ozcelik & VanRullen 2023 have this layout.

    Returns
    -------
    dict
        File name by group.
    """
    drawn = {}
    for group, regions in groups(question).items():
        name = f"figure-{group or 'regions'}.png"
        figure = _sheet(folder, regions, rows, best(made))
        FigureCanvasAgg(figure)
        figure.savefig(folder / name, dpi=160, metadata={"Software": None})
        drawn[group] = name
    return drawn


def groups(question: Question) -> dict[str, list[Region]]:
    """Return the regions by preset, in the order in which they were asked for."""
    out: dict[str, list[Region]] = {}
    for region in question.regions:
        out.setdefault(region.group, []).append(region)
    return out


def best(made: Sequence[Made]) -> dict[tuple[str, str], Made]:
    """Return the first-ranked kept picture by (row label, region key)."""
    out: dict[tuple[str, str], Made] = {}
    for one in made:
        where = (one.subject, one.region.key)
        if one.kept and (where not in out or one.rank < out[where].rank):
            out[where] = one
    return out


def _sheet(
    folder: Path, regions: Sequence[Region], rows: Sequence[Row], cells: dict[tuple[str, str], Made]
) -> Figure:
    rows = [row for row in rows if any((row.label, r.key) in cells for r in regions)]
    width, height = LEFT + CELL * len(regions), TOP + CELL * max(len(rows), 1)
    figure = Figure(figsize=(width, height), facecolor="white")
    for i, j, axes in _axes(figure, len(rows), len(regions), width, height):
        axes.set_axis_off()
        one = cells.get((rows[i].label, regions[j].key))
        if one is None:
            axes.text(0.5, 0.5, "–", ha="center", va="center", color="0.5", fontsize=11)
        else:
            axes.imshow(shown_in(folder, one), interpolation="nearest")
        if i == 0:
            axes.set_title(regions[j].name, fontsize=9, pad=4)
    for i, row in enumerate(rows):
        y = 1 - (TOP + CELL * (i + 0.5)) / height
        figure.text((LEFT - 0.08) / width, y, row.name, ha="right", va="center", fontsize=9)
    return figure


def _axes(
    figure: Figure, rows: int, columns: int, width: float, height: float
) -> Iterator[tuple[int, int, Any]]:
    """Yield the place of each picture, row by row, a little apart from its neighbours."""
    side = CELL * 0.96
    for i in range(rows):
        for j in range(columns):
            x, y = LEFT + CELL * j, height - TOP - CELL * i - side
            yield i, j, figure.add_axes((x / width, y / height, side / width, side / height))
