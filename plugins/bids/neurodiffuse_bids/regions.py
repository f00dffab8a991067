"""Masks, segmentations and maps of a subject: what they are made of, and their voxels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.readers import volumes
from neurodiffuse.readers.grids import why_unplaced
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.volumes import Target
from neurodiffuse.readers.voxels import labels_of, mask_of
from neurodiffuse.types import Grid, Roi
from neurodiffuse_bids.index import BidsFile


@dataclass(frozen=True)
class Part:
    """Voxels of a file: those of a mask, or those of some labels of a segmentation."""

    path: Path
    labels: tuple[int, ...] = ()


@dataclass(frozen=True)
class Region:
    """A region or map and what it is made of.

    ``together="any"``: voxels of any part or member. ``"every"``: voxels that all parts share.
    ``"value"``: the values of the one part, a map.
    """

    roi: Roi
    parts: tuple[Part, ...] = ()
    members: tuple[Region, ...] = ()
    together: Literal["any", "every", "value"] = "any"


@dataclass(frozen=True)
class Regions:
    """A subject's regions and maps by name, masks first, and why others are not among them.

    ``absent`` are names of files that were left out, with the reason; ``claimed`` those of them
    whose files say that they are on the betas' grid.
    """

    found: Mapping[str, Region]
    absent: Mapping[str, str]
    claimed: frozenset[str]


@dataclass
class Reader:
    """Reads regions; a file of labels is kept, since many regions lie in one."""

    target: Target
    _labels: dict[Path, np.ndarray] = field(default_factory=dict)

    def read(self, region: Region) -> np.ndarray:
        """Return a mask as bool or a map as float32, both (grid.size,)."""
        if region.together == "value":
            return volumes.values(region.parts[0].path, self.target)
        masks = [self._part(part) for part in region.parts]
        masks += [self.read(member) for member in region.members]
        join = np.logical_and if region.together == "every" else np.logical_or
        return np.asarray(join.reduce(masks), bool)

    def labels(self, path: Path) -> np.ndarray:
        """Return a segmentation's labels, (grid.size,)."""
        if path not in self._labels:
            while len(self._labels) >= 4:
                self._labels.pop(next(iter(self._labels)))
            self._labels[path] = labels_of(path, volumes.read(path, self.target))
        return self._labels[path]

    def mask(self, path: Path) -> tuple[np.ndarray, str]:
        """Return a mask, bool (grid.size,), and what is to be told of it."""
        return mask_of(path, volumes.read(path, self.target))

    def _part(self, part: Part) -> np.ndarray:
        if not part.labels:
            return self.mask(part.path)[0]
        return np.isin(self.labels(part.path), part.labels)


def find_anatomy(
    files: Sequence[BidsFile], betas: BidsFile, grid: Grid, remarks: Remarks
) -> Path | None:
    """Return an image in the betas' world space to draw maps on, a structural one if there is.

    Without a space label only an image of the functional series itself is known to fit; betas
    without a place have none.
    """
    if not grid.placed:
        return None
    order = ("T1w", "T2w", "boldref", "sbref") if betas["space"] else ("boldref", "sbref")
    spaces = ("T1w", "") if betas["space"] == "T1w" else (betas["space"],)
    found = [
        file
        for file in files
        if file["suffix"] in order
        and file["extension"] in (".nii", ".nii.gz")
        and file["space"] in (spaces if file["suffix"] in ("T1w", "T2w") else spaces[:1])
    ]
    found.sort(key=lambda f: (order.index(f["suffix"]), f["desc"] != "preproc", f.order()))
    for file in found:
        try:
            own, _ = volumes.grid_of(file.path)
        except DataError as error:
            remarks.add(file.path, str(error).removeprefix(f"{file.path}: "), "left out")
            continue
        if own.placed:
            if said := volumes.about_two_places(file.path):
                remarks.add(file.path, said)
            return file.path
        remarks.add(file.path, f"has no place to draw maps on ({why_unplaced(own)})", "left out")
    return None
