"""The figure of energies: maps of every region, a row a subject, and profiles over eccentricity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from neurodiffuse.questions.roi_optimal.energy import Energy
from neurodiffuse.questions.roi_optimal.energy_table import relatives
from neurodiffuse.report import wording

CELL, LEFT, TOP = 1.35, 0.95, 0.34
"""Inches: side of a map, room for the rows' and the columns' names."""

GAP, PROFILE, BELOW = 0.3, 1.5, 0.6
"""Inches: room above a profile, its height, room below it for its axis."""

LEAST = 7.6
"""Inches: a figure is at least so wide, that two profiles fit beside each other."""

WHITEST = 99.5
"""Percentile of a map that gets the brightest colour."""


def draw_energies(folder: Path, energies: Sequence[Energy]) -> dict[tuple[str, str], str]:
    """Write ``energy-PRESET_stage-NAME.png`` for each preset and stage; return names by both.

    Expressions that belong to no preset share ``energy-regions_stage-NAME.png``. Each map has a
    colour scale of its own, from 0; circles are the borders between the rings. Below are the mean
    energies of the rings, with standard errors over pictures, and the same relative to the mean
    over regions; a ring that is the region's own band has a larger mark.
    """
    sheets: dict[tuple[str, str], list[Energy]] = {}
    for one in energies:
        sheets.setdefault((one.panel.region.group, one.stage), []).append(one)
    drawn = {}
    for (group, stage), those in sheets.items():
        name = f"energy-{group or 'regions'}_stage-{stage}.png"
        with matplotlib.rc_context({"font.size": 8, "axes.linewidth": 0.6}):
            figure = _sheet(those)
            FigureCanvasAgg(figure)
            figure.savefig(folder / name, dpi=160, metadata={"Software": None})
        drawn[group, stage] = name
    return drawn


def _sheet(energies: Sequence[Energy]) -> Figure:
    """Return a block of maps and profiles for each row, one below the other."""
    rows = list({one.panel.row.label: one.panel.row for one in energies}.values())
    names = list({one.panel.region.name: None for one in energies})
    height = (TOP + CELL + GAP + PROFILE + BELOW) * len(rows)
    figure = Figure(figsize=(max(LEFT + CELL * len(names) + 0.1, LEAST), height), facecolor="white")
    shades = matplotlib.colormaps["viridis"](np.linspace(0, 0.82, len(names)))
    colours = dict(zip(names, shades, strict=True))
    both = list(zip(energies, relatives(energies), strict=True))
    for i, row in enumerate(rows):
        top = height - height / len(rows) * i - TOP
        ours = [(one, over) for one, over in both if one.panel.row.label == row.label]
        _maps(figure, top, row.name, [one for one, _ in ours], colours)
        _profiles(figure, top - CELL - GAP - PROFILE, ours, colours)
    return figure


def _maps(
    figure: Figure, top: float, name: str, energies: Sequence[Energy], colours: Mapping[str, Any]
) -> None:
    """Draw the maps of a row, each below its region's name."""
    wide, high = figure.get_size_inches()
    figure.text((LEFT - 0.1) / wide, (top - CELL / 2) / high, name, ha="right", va="center")
    columns, side = list(colours), CELL * 0.96
    for one in energies:
        region = one.panel.region.name
        axes = _at(figure, LEFT + CELL * columns.index(region), top - side, side, side)
        axes.set_title(region, fontsize=9, pad=4, color=colours[region])
        _map(axes, one)


def _profiles(
    figure: Figure,
    low: float,
    energies: Sequence[tuple[Energy, np.ndarray]],
    colours: Mapping[str, Any],
) -> None:
    """Draw the rings' energies of a row, and those relative to its regions' mean if it has any."""
    wide = (figure.get_size_inches()[0] - LEFT - 0.85) / 2
    left = _at(figure, LEFT, low, wide, PROFILE)
    for one, _ in energies:
        _profile(left, one, np.ones(len(one.density)), colours[one.panel.region.name])
    left.set_ylabel("energy")
    if len(energies) < 2:
        return
    right = _at(figure, LEFT + wide + 0.75, low, wide, PROFILE)
    right.axhline(1, color="0.7", linewidth=0.6, zorder=0)
    for one, relative in energies:
        _profile(right, one, relative / one.density, colours[one.panel.region.name])
    right.set_ylabel("over the regions' mean")


def _at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """Return axes at a place in inches."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((left / wide, bottom / high, width / wide, height / high))


def _map(axes: Axes, one: Energy) -> None:
    height, width = one.map.shape
    axes.imshow(one.map, cmap="magma", vmin=0, vmax=np.percentile(one.map, WHITEST))
    axes.set_axis_off()
    pixel = (2.0 if one.rings.width is None else one.rings.width) / width
    own = one.rings.own(one.panel.region.name)
    for k, border in enumerate(one.rings.borders):
        bold = own is not None and k in (own - 1, own)
        centre = (width / 2 - 0.5, height / 2 - 0.5)
        circle = Circle(
            centre,
            border / pixel,
            fill=False,
            edgecolor="white",
            linewidth=1.3 if bold else 0.5,
            alpha=1.0 if bold else 0.6,
        )
        circle.set_clip_path(axes.patch)
        axes.add_patch(circle)


def _profile(axes: Axes, one: Energy, scale: np.ndarray, colour: Any) -> None:
    """Draw a region's energy in each ring, times ``scale`` (n_rings,), with standard errors."""
    values, rings = one.density * scale, one.rings
    axes.errorbar(
        range(len(values)),
        values,
        one.error * scale,
        color=colour,
        linewidth=1,
        elinewidth=0.8,
        marker="o",
        markersize=2,
    )
    own = rings.own(one.panel.region.name)
    if own is not None:
        axes.plot(own, values[own], "o", color=colour, markersize=6)
    axes.set_xticks(range(len(values)), rings.names)
    axes.set_xlabel("ring, degrees" if rings.width is not None else "ring, half widths")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(width=0.6, length=2.5)


def in_words(energies: Sequence[Energy]) -> str:
    """Return what a figure shows, for those who do not see it."""
    parts = [
        f"{one.panel.row.name}, {one.panel.region.name}: most in ring {one.rings.names[one.peak]}"
        for one in energies
    ]
    return f"Energy maps, {wording.stage_label(energies[0].stage)}. {'; '.join(parts)}."
