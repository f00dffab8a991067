"""Grids of test images: seen above, what was made of it below, one column an image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodiffuse.report import wording
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.report.pictures import (
    CONTACT_SHEET_MOST,
    LARGE,
    THUMBNAIL,
    Picture,
    picture,
)
from neurodiffuse.report.ranking import Choice, ranking_metrics


@dataclass(frozen=True, eq=False)
class TestImages:
    """The test images of a grid: names, captions, the scores that rank them, their places."""

    __test__ = False

    ids: Sequence[str]
    captions: Sequence[str] = ()
    scores: tuple[ScoreRow, ...] = ()
    rank: Sequence[int] = ()


@dataclass(frozen=True)
class Layer:
    """One row of the grid: what it shows, where its pictures come from, its colour."""

    label: str
    alt: str
    pictures: np.ndarray | Sequence[Any]
    colour: str


@dataclass(frozen=True)
class Shown:
    """One picture of a pair with its label and alternative text."""

    label: str
    alt: str
    picture: Picture


@dataclass(frozen=True)
class Pair:
    """A test image with everything that was made of it."""

    id: str
    caption: str
    place: str
    shown: tuple[Shown, ...]
    values: str


@dataclass(frozen=True)
class GroupView:
    """A block of the grid."""

    title: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class GridView:
    """A grid of pictures and the rule that chose them."""

    groups: tuple[GroupView, ...]
    rule: str
    columns: int


def grid(images: TestImages, layers: Sequence[Layer], choice: Choice) -> GridView:
    """Return the chosen images with their pictures, each at most `LARGE` pixels."""
    groups = tuple(
        GroupView(
            group.title,
            tuple(_pair(images, layers, row, LARGE) for row in group.rows),
        )
        for group in choice.groups
    )
    columns = max((len(group.pairs) for group in groups), default=0)
    return GridView(groups, choice.rule, columns)


def contact_sheet(images: TestImages, layers: Sequence[Layer]) -> GridView:
    """Return every test image as thumbnails, or the first ones where there are very many."""
    n = len(images.ids)
    shown = min(n, CONTACT_SHEET_MOST)
    pairs = (_pair(images, layers, row, THUMBNAIL) for row in range(shown))
    rule = "Every test image, in the order of the test set."
    if shown < n:
        rule = (
            f"The first {shown} of {n} test images in the order of the test set, as thumbnails, "
            "to keep this file small; the run folder has them all."
        )
    return GridView((GroupView("", tuple(pairs)),), rule, shown)


def _pair(images: TestImages, layers: Sequence[Layer], row: int, side: int) -> Pair:
    name = images.ids[row]
    caption = images.captions[row] if row < len(images.captions) else ""
    about = f"{name}, {caption}" if caption else name
    shown = tuple(
        Shown(layer.label, f"{layer.alt} {about}", picture(layer.pictures[row], side))
        for layer in layers
    )
    values = ", ".join(
        f"{s.metric} {wording.number(s.values[row])}"
        for s in ranking_metrics(images.scores, len(images.ids))
        if s.values is not None
    )
    return Pair(
        name,
        caption,
        f"{images.rank[row]} of {len(images.rank)}" if images.rank else "",
        shown,
        values,
    )
