"""Regions on the subject's own anatomy: an atlas in colours, a map on a scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from neurodiffuse.questions.rois.table import Region
from neurodiffuse.report import cortex, template
from neurodiffuse.report.angles import degrees, mean_angle
from neurodiffuse.report.brain import (
    REGION_COLOURS,
    image_of,
    map_picture,
    region_colour,
    regions_picture,
)
from neurodiffuse.report.pictures import data_uri
from neurodiffuse.report.scale import ANGLES, Scale
from neurodiffuse.report.viewers import map_viewer, regions_viewer
from neurodiffuse.types import Subject

HEMISPHERES = ("lh.", "rh.")
ALIAS = "alias"
"""The atlas of a name for regions that are listed themselves."""


@dataclass(frozen=True)
class Plate:
    """One picture: a PNG data URI, what it shows, and the colour of each region drawn.

    ``cortex`` tells the cortex from slices. ``viewer`` is a page to explore it, empty where none
    was asked for.
    """

    title: str
    uri: str
    cortex: bool
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""
    viewer: str = ""


@dataclass(frozen=True, eq=False)
class Ground:
    """What everything of a subject is drawn on: the anatomy and the mask, bool (grid.size,)."""

    about: Subject
    mask: np.ndarray
    view: bool

    @cached_property
    def anatomy(self) -> Any:
        """The anatomy, or the template in its own space; None where there is neither."""
        return template.ground(self.about)

    @cached_property
    def masks(self) -> tuple[Any, ...]:
        """The mask as each image of `images`."""
        return tuple(image for _, image in self.images(np.where(self.mask, 1, np.nan)))

    def images(
        self, values: np.ndarray, together: template.Together = template.most
    ) -> Iterator[tuple[str, Any]]:
        """Yield values, NaN where there is none, as images to draw, and what titles add.

        Of data in MNI space: slices, then the cortex if it meets any of them.
        """
        yield "", image_of(values, self.about.grid)
        if template.on_template(self.about.grid):
            image = template.on_cortex(values, self.about.grid, together)
            if np.isfinite(cortex.values_of(image)).any():
                yield f", on {cortex.MESH}", image


def plates(
    about: Subject, mask: np.ndarray, found: Sequence[Region], *, view: bool = False
) -> list[Plate]:
    """Return pictures of every atlas and every map that has voxels, in the order listed.

    Where regions of an atlas overlap, the smaller one lies on top. Halves of a region that is
    itself listed (``lh.V1`` beside ``V1``), and other names for regions, are not drawn again.
    Nothing is drawn of vertices that are too few (`neurodiffuse.report.cortex.too_coarse`).
    """
    ground = Ground(about, mask, view)
    if cortex.too_coarse(about.grid):
        return []
    atlases: dict[str, list[Region]] = {}
    drawn: list[Plate] = []
    for region in _whole(found):
        if not region.row.voxels:
            continue
        if region.values.dtype == bool:
            name = region.row.atlas or ("other masks" if region.row.kind == "mask" else "regions")
            atlases.setdefault(name, []).append(region)
        else:
            drawn += _map(ground, region)
    return [p for name, those in atlases.items() for p in _atlas(ground, name, those)] + drawn


def _whole(found: Sequence[Region]) -> list[Region]:
    names = {region.row.name for region in found}
    return [
        region
        for region in found
        if region.row.atlas != ALIAS
        and (region.row.name[:3] not in HEMISPHERES or region.row.name[3:] not in names)
    ]


def _atlas(ground: Ground, name: str, those: Sequence[Region]) -> list[Plate]:
    order = sorted(range(len(those)), key=lambda k: -those[k].row.voxels)
    values = np.full(ground.about.grid.size, np.nan, np.float32)
    for k in order:
        values[those[k].values] = k + 1
    few = len(those) <= len(REGION_COLOURS)
    colours = [region_colour(k + 1) for k in range(len(those))]
    legend = tuple((r.row.name, c) for r, c in zip(those, colours, strict=True)) if few else ()
    note = "" if few else f"{len(those)} regions; colours repeat."
    drawn = []
    for k, (where, image) in enumerate(ground.images(values)):
        mask = ground.masks[k] if k < len(ground.masks) else None
        uri = data_uri(regions_picture(mask, image, ground.anatomy))
        title, viewer = f"{name}{where}", ""
        if ground.view:
            called = f"sub-{ground.about.label} {title}"
            viewer = regions_viewer(image, colours, called, ground.anatomy)
        drawn.append(Plate(title, uri, cortex.is_cortex(image), legend, note, viewer))
    return drawn


def _map(ground: Ground, region: Region) -> list[Plate]:
    """Return the map's pictures inside the mask; none where it has no value there."""
    shown = ground.mask & np.isfinite(region.values)
    values = np.where(shown, region.values, np.nan)
    scale, units, note = Scale.of(values), region.row.units, "Inside the mask."
    together: template.Together = template.mean
    if region.turn:
        values, scale, units = degrees(values, region.turn), ANGLES, "degree"
        together = mean_angle
        note = "Inside the mask; 0 and 360 degrees are the same angle and the same colour."
    made = []
    for where, image in ground.images(values, together):
        drawn = map_picture(image, anatomy=ground.anatomy, scale=scale, units=units)
        if not drawn:
            continue
        title, viewer = f"{region.row.name}{where}", ""
        if ground.view:
            called = f"sub-{ground.about.label} {title}"
            viewer = map_viewer(image, scale, called, ground.anatomy)
        surface = cortex.is_cortex(image)
        made.append(Plate(title, data_uri(drawn), surface, note=note, viewer=viewer))
    return made
