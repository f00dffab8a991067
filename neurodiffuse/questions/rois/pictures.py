"""Regions on the subject's own anatomy: an atlas in colours, a map on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import nibabel as nib
import numpy as np

from neurodiffuse.questions.rois.table import Region
from neurodiffuse.report.angles import degrees
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

    ``viewer`` is a page to explore it, empty where none was asked for.
    """

    title: str
    uri: str
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""
    viewer: str = ""


@dataclass(frozen=True, eq=False)
class Ground:
    """What everything of a subject is drawn on: the anatomy and the mask, bool (grid.size,)."""

    about: Subject
    mask: np.ndarray
    view: bool

    @property
    def anatomy(self) -> Any:
        """The anatomy, or None where there is none."""
        return nib.load(self.about.anatomy) if self.about.anatomy else None  # type: ignore[attr-defined]


def plates(
    about: Subject, mask: np.ndarray, found: Sequence[Region], *, view: bool = False
) -> list[Plate]:
    """Return a picture for every atlas and every map that has voxels, in the order listed.

    Where regions of an atlas overlap, the smaller one lies on top. Halves of a region that is
    itself listed (``lh.V1`` beside ``V1``), and other names for regions, are not drawn again.
    Nothing is drawn of vertices that are too few (`neurodiffuse.report.cortex.too_coarse`).
    """
    ground = Ground(about, mask, view)
    if image_of(mask, about.grid) is None:
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
    return [_atlas(ground, name, those) for name, those in atlases.items()] + drawn


def _whole(found: Sequence[Region]) -> list[Region]:
    names = {region.row.name for region in found}
    return [
        region
        for region in found
        if region.row.atlas != ALIAS
        and (region.row.name[:3] not in HEMISPHERES or region.row.name[3:] not in names)
    ]


def _atlas(ground: Ground, name: str, those: Sequence[Region]) -> Plate:
    order = sorted(range(len(those)), key=lambda k: -those[k].row.voxels)
    values = np.zeros(ground.about.grid.size, np.int16)
    for k in order:
        values[those[k].values] = k + 1
    image, mask = (image_of(v, ground.about.grid) for v in (values, ground.mask))
    few = len(those) <= len(REGION_COLOURS)
    colours = [region_colour(k + 1) for k in range(len(those))]
    legend = tuple((r.row.name, c) for r, c in zip(those, colours, strict=True)) if few else ()
    note = "" if few else f"{len(those)} regions; colours repeat."
    uri = data_uri(regions_picture(mask, image, ground.anatomy))
    viewer = ""
    if ground.view:
        title = f"sub-{ground.about.label} {name}"
        viewer = regions_viewer(image, colours, title, ground.anatomy)
    return Plate(name, uri, legend, note, viewer)


def _map(ground: Ground, region: Region) -> list[Plate]:
    """Return the map's picture inside the mask; nothing where it has no value there."""
    shown = ground.mask & np.isfinite(region.values)
    values = np.where(shown, region.values, np.nan)
    scale, units, note = Scale.of(values), region.row.units, "Inside the mask."
    if region.turn:
        values, scale, units = degrees(values, region.turn), ANGLES, "degree"
        note = "Inside the mask; 0 and 360 degrees are the same angle and the same colour."
    image, name = image_of(values, ground.about.grid), region.row.name
    drawn = map_picture(image, anatomy=ground.anatomy, scale=scale, units=units)
    if not drawn:
        return []
    viewer = ""
    if ground.view:
        title = f"sub-{ground.about.label} {name}"
        viewer = map_viewer(image, scale, title, ground.anatomy)
    return [Plate(name, data_uri(drawn), note=note, viewer=viewer)]
