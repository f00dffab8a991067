"""Picture sheets: a column an arm, a row an image, chosen by a rule that is printed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurodiffuse.questions.arms import Arm
from neurodiffuse.report.pictures import Picture, picture
from neurodiffuse.report.ranking import grid_rows
from neurodiffuse.store import labels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CELL, LEFT, TOP, GAP = 1.0, 0.95, 0.5, 0.16
"""Inches: side of a picture, room for the rows' and the columns' names, between blocks."""

EACH = 4
"""Images in each block: the best, the median, the worst."""

SIDE = 160
"""Pixels of a picture on a page; the folder of the branch has it in full."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some images one below the other: ``cells[row][column]`` is uint8 (height, width, 3)."""

    title: str
    names: tuple[str, ...]
    cells: tuple[tuple[np.ndarray | None, ...], ...]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Blocks of images under one row of column names, and the rule that chose the images."""

    columns: tuple[str, ...]
    blocks: tuple[Block, ...]
    rule: str


@dataclass(frozen=True)
class Plate:
    """A picture on a page with its words for those who do not see it."""

    picture: Picture | None
    alt: str


def ranked(arms: Sequence[Arm], reference: Arm, subject: str, *, each: int = EACH) -> Sheet:
    """Return best, median and worst images of the reference, as every arm made them.

    Seen pictures are the first column. All arms must have the same test images.
    """
    ids = reference.ids(subject)
    names = labels(ids)
    scores = list(reference.scores(subject).values())
    choice, _ = grid_rows(scores, len(ids), each=each)
    stimuli = reference.run.dataset.stimuli(ids)
    blocks = []
    for group in choice.groups:
        made = [arm.pictures(subject, group.rows) for arm in arms]
        rows = tuple(
            (np.asarray(stimuli.images[row]), *(pictures[k] for pictures in made))
            for k, row in enumerate(group.rows)
        )
        blocks.append(Block(group.title, tuple(names[row] for row in group.rows), rows))
    rule = f"{choice.rule} The ranking is that of {reference.name}."
    return Sheet(("Seen", *(arm.name for arm in arms)), tuple(blocks), rule)


def png(sheet: Sheet) -> bytes:
    """Return the sheet as one picture for print; the same sheet is the same bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = _figure(sheet)
    FigureCanvasAgg(figure)
    file = io.BytesIO()
    figure.savefig(file, dpi=160, metadata={"Software": None}, format="png")
    return file.getvalue()


def plates(sheet: Sheet) -> list[tuple[str, list[tuple[str, list[Plate]]]]]:
    """Return the blocks for a page: title, and for each image its name and its pictures."""

    def row(name: str, cells: Sequence[np.ndarray | None]) -> tuple[str, list[Plate]]:
        pairs = zip(cells, sheet.columns, strict=True)
        return name, [_plate(cell, f"{column}: {name}") for cell, column in pairs]

    return [
        (block.title, [row(*pair) for pair in zip(block.names, block.cells, strict=True)])
        for block in sheet.blocks
    ]


def _plate(cell: np.ndarray | None, alt: str) -> Plate:
    return Plate(None if cell is None else picture(cell, SIDE), alt)


def _figure(sheet: Sheet) -> Figure:
    from matplotlib.figure import Figure

    rows = sum(len(block.cells) for block in sheet.blocks)
    width = LEFT + CELL * len(sheet.columns)
    height = TOP + CELL * rows + GAP * len(sheet.blocks)
    figure = Figure(figsize=(width, height), facecolor="white")
    side, top = CELL * 0.96, TOP
    for b, block in enumerate(sheet.blocks):
        for i, row in enumerate(block.cells):
            for j, cell in enumerate(row):
                place = (LEFT + CELL * j, height - top - side)
                axes = figure.add_axes(
                    (place[0] / width, place[1] / height, side / width, side / height)
                )
                axes.set_axis_off()
                if cell is not None:
                    axes.imshow(cell, interpolation="nearest")
                if b == i == 0:
                    axes.set_title(_folded(sheet.columns[j]), fontsize=7, pad=3)
            if i == 0 and block.title:
                y = 1 - (top + side / 2) / height
                at = (LEFT - 0.08) / width
                figure.text(at, y, _folded(block.title), ha="right", va="center", fontsize=7)
            top += CELL
        top += GAP
    return figure


def _folded(name: str, width: int = 17) -> str:
    """Return a name in lines that fit a column."""
    lines: list[str] = []
    for word in name.split():
        if lines and len(lines[-1]) + len(word) < width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
