"""Regions on the subject's own anatomy: an atlas in colours, a map on a scale."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import nibabel as nib
import numpy as np

from neurodiffuse import rois
from neurodiffuse.questions.rois.table import Region
from neurodiffuse.report.brain import REGION_COLOURS, map_picture, mask_picture, region_colour
from neurodiffuse.report.model import BrainMap, SubjectReport
from neurodiffuse.types import Subject

HEMISPHERES = ("lh.", "rh.")
ALIAS = "alias"
"""The atlas of a name for regions that are listed themselves."""


@dataclass(frozen=True)
class Plate:
    """One picture: a PNG data URI, what it shows, and the colour of each region drawn."""

    title: str
    uri: str
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""


def plates(about: Subject, mask: np.ndarray, found: Sequence[Region]) -> list[Plate]:
    """Return a picture for every atlas and every map that has voxels, in the order listed.

    Where regions of an atlas overlap, the smaller one lies on top. Halves of a region that is
    itself listed (``lh.V1`` beside ``V1``), and other names for regions, are not drawn again.
    Nothing is drawn of a surface.
    """
    if about.grid.is_surface:
        return []
    blank = _blank(about, mask)
    atlases: dict[str, list[Region]] = {}
    drawn: list[Plate] = []
    for region in _whole(found):
        if not region.row.voxels:
            continue
        if region.values.dtype == bool:
            atlases.setdefault(region.row.atlas or region.row.kind, []).append(region)
        else:
            drawn += _map(blank, about, mask, region)
    return [_atlas(blank, about, name, those) for name, those in atlases.items()] + drawn


def _whole(found: Sequence[Region]) -> list[Region]:
    names = {region.row.name for region in found}
    return [
        region
        for region in found
        if region.row.atlas != ALIAS
        and (region.row.name[:3] not in HEMISPHERES or region.row.name[3:] not in names)
    ]


def _blank(about: Subject, mask: np.ndarray) -> SubjectReport:
    return SubjectReport(
        label=about.label,
        n_train_images=0,
        n_test_images=0,
        n_train_trials=0,
        n_test_trials=0,
        n_voxels=int(mask.sum()),
        mask_expression="",
        ids=(),
        seen=(),
        made={},
        anatomy=nib.load(about.anatomy) if about.anatomy else None,  # type: ignore[arg-type]
        mask_image=rois.mask_image(mask, about.grid),
    )


def _atlas(blank: SubjectReport, about: Subject, name: str, those: Sequence[Region]) -> Plate:
    order = sorted(range(len(those)), key=lambda k: -those[k].row.voxels)
    volume = np.zeros(about.grid.size, np.int16)
    for k in order:
        volume[those[k].values] = k + 1
    image = nib.Nifti1Image(volume.reshape(about.grid.shape), about.grid.affine)
    few = len(those) <= len(REGION_COLOURS)
    legend = tuple((r.row.name, region_colour(k + 1)) for k, r in enumerate(those)) if few else ()
    note = "" if few else f"{len(those)} regions; colours repeat."
    return Plate(name, mask_picture(replace(blank, regions=image)), legend, note)


def _map(blank: SubjectReport, about: Subject, mask: np.ndarray, region: Region) -> list[Plate]:
    """Return the map's picture inside the mask; nothing where it has no value there."""
    shown = mask & np.isfinite(region.values)
    if not shown.any():
        return []
    image: Any = rois.to_image(region.values[shown], shown, about.grid)
    uri = map_picture(blank, BrainMap(region.row.name, image, region.row.units))
    return [Plate(region.row.name, uri, note="Inside the mask.")] if uri else []
