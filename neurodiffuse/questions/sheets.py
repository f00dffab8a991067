"""Picture sheets: a column an arm, a row an image, chosen by a rule that is printed."""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from neurodiffuse.questions.arms import Arm
from neurodiffuse.report.pictures import Picture, picture
from neurodiffuse.report.ranking import Choice, grid_rows
from neurodiffuse.report.wording import metric_label
from neurodiffuse.store import labels

CELL, SHOWN, LEFT, GAP, FONT = 164, 158, 110, 26, 15
"""Pixels: a cell and the picture in it, room for the blocks' names, between blocks, of a line."""

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
    return side_by_side([(arm, subject) for arm in arms], (reference, subject), each=each)


def across_subjects(arm: Arm, *, each: int = EACH) -> Sheet:
    """Return images as each subject's brain gave them; all must have the same test images.

    They may have seen them in any order. The ranking is that of the mean over subjects.
    """
    subjects = arm.run.config.subjects
    order = {s: places(arm.ids(subjects[0]), arm.ids(s)) for s in subjects}
    scores = []
    for name, score in arm.scores(subjects[0]).items():
        values = [arm.scores(s)[name].values for s in subjects]
        aligned = [v[order[s]] for s, v in zip(subjects, values, strict=True) if v is not None]
        mean = np.mean(aligned, axis=0)
        scores.append(dataclasses.replace(score, metric=metric_label(name), values=mean))
    choice, _ = grid_rows(scores, len(arm.ids(subjects[0])), each=each)
    return Sheet(
        ("Seen", *(f"sub-{s}" for s in subjects)),
        _blocks(choice, arm, subjects[0], [(arm, s) for s in subjects]),
        f"{choice.rule} The scores that rank are means over subjects.",
    )


def side_by_side(
    columns: Sequence[tuple[Arm, str]], by: tuple[Arm, str], *, each: int = EACH
) -> Sheet:
    """Return images as every column made them: an arm and a subject of it.

    The scores of ``by`` rank them; all subjects must have seen its test images.
    """
    reference, subject = by
    scores = [
        dataclasses.replace(score, metric=metric_label(name))
        for name, score in reference.scores(subject).items()
    ]
    choice, _ = grid_rows(scores, len(reference.ids(subject)), each=each)
    return Sheet(
        ("Seen", *(arm.name for arm, _ in columns)),
        _blocks(choice, reference, subject, columns),
        f"{choice.rule} The ranking is that of {reference.name}.",
    )


def _blocks(
    choice: Choice, reference: Arm, subject: str, columns: Sequence[tuple[Arm, str]]
) -> tuple[Block, ...]:
    """Return the chosen images: seen first, then a picture of each arm and subject."""
    ids = reference.ids(subject)
    names, stimuli = labels(ids), reference.run.dataset.stimuli(ids)
    blocks = []
    for group in choice.groups:
        made = [
            arm.pictures(who, places(ids, arm.ids(who))[list(group.rows)]) for arm, who in columns
        ]
        rows = tuple(
            (np.asarray(stimuli.images[row]), *(pictures[k] for pictures in made))
            for k, row in enumerate(group.rows)
        )
        blocks.append(Block(group.title, tuple(names[row] for row in group.rows), rows))
    return tuple(blocks)


def places(ids: Sequence[str], among: Sequence[str]) -> np.ndarray:
    """Return where each of some images is among the images of another order."""
    at = {image: k for k, image in enumerate(among)}
    return np.array([at[image] for image in ids], np.intp)


def png(sheet: Sheet) -> bytes:
    """Return the sheet as one picture for print; the same sheet is the same bytes."""
    font = _font()
    heads = [_folded(name) for name in sheet.columns]
    top = 2 * GAP + max(head.count("\n") + 1 for head in heads) * (FONT + 4)
    rows = sum(len(block.cells) for block in sheet.blocks)
    width = LEFT + CELL * len(sheet.columns)
    image = Image.new("RGB", (width, top + CELL * rows + GAP * len(sheet.blocks)), "white")
    draw = ImageDraw.Draw(image)
    for k, head in enumerate(heads):
        at = (LEFT + CELL * k + SHOWN // 2, top - GAP // 2)
        draw.multiline_text(at, head, "black", font, "md", align="center")
    for block in sheet.blocks:
        at = (LEFT - GAP // 2, top + SHOWN // 2)
        draw.text(at, block.title.partition(",")[0], "black", font, "rm")
        for cells in block.cells:
            for k, cell in enumerate(cells):
                if cell is not None:
                    image.paste(_enlarged(cell), (LEFT + CELL * k, top))
            top += CELL
        top += GAP
    file = io.BytesIO()
    image.save(file, format="PNG", dpi=(160, 160))
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


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Return a font with the letters of most names, which Pillow's own has not."""
    import matplotlib

    place = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(place, FONT)


def _enlarged(values: np.ndarray) -> Image.Image:
    """Return a picture that fills its cell: small ones pixel by pixel, large ones smoothly."""
    image = Image.fromarray(np.ascontiguousarray(values))
    scale = SHOWN / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    smooth = Image.Resampling.NEAREST if scale >= 1 else Image.Resampling.LANCZOS
    return image.resize(size, smooth)


def _folded(name: str, width: int = 17) -> str:
    """Return a name in lines that fit a column; settings break after dots and before ``=``."""
    lines: list[str] = []
    for piece in re.findall(r"\s*(?:[^\s.=]+\.?|=\S*|\.)", name):
        if lines and len(lines[-1]) + len(piece) <= width:
            lines[-1] += piece
        else:
            lines.append(piece.strip())
    return "\n".join(lines)
