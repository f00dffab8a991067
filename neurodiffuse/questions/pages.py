"""What every page of a comparison has: heading, facts, notes, tables, sheets, methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from neurodiffuse.questions import sheets
from neurodiffuse.questions.sheets import Plate, Sheet
from neurodiffuse.questions.tables import Table
from neurodiffuse.report.environment import filled
from neurodiffuse.report.grid import GridView

Chart = tuple[str, Markup]
"""A chart and its title."""

Blocks = list[tuple[str, list[tuple[str, list[Plate]]]]]


@dataclass(frozen=True, eq=False)
class Grid:
    """A grid of pictures that a click enlarges, with the (name, colour) of its rows."""

    view: GridView
    labels: Sequence[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Part:
    """A section: a grid, a table with what it says in words, charts, a sheet; each may lack.

    ``file`` is the sheet or the grid as a picture for print.
    """

    title: str
    anchor: str
    table: Table | None = None
    said: tuple[str, ...] = ()
    sheet: Sheet | None = None
    file: str = ""
    charts: tuple[Chart, ...] = ()
    grid: Grid | None = None

    @property
    def blocks(self) -> Blocks:
        """The sheet's pictures for the page."""
        return sheets.plates(self.sheet) if self.sheet else []


@dataclass(frozen=True, eq=False)
class Page:
    """A page of parts; ``facts`` are (name, value), ``rows`` (name, meaning) of the arms."""

    command: str
    title: str
    lead: str
    facts: tuple[tuple[str, str], ...]
    notes: Sequence[str]
    sections: tuple[Part, ...]
    rows: tuple[tuple[str, str], ...]
    methods: tuple[str, ...]
    references: tuple[str, ...] = ()

    @property
    def parts(self) -> list[tuple[str, str]]:
        """Anchors and titles for the navigation."""
        named = [(part.anchor, part.title) for part in self.sections]
        return [*named, ("rows", "What is what"), ("methods", "Methods")]

    @property
    def zooms(self) -> bool:
        """Whether pictures are enlarged by a click, the only script of a page."""
        return any(part.grid for part in self.sections)


def render(page: Page) -> str:
    """Return the page as one HTML document without a second file."""
    return filled("comparison.html.j2", page=page)
