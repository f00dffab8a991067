"""The regions and maps of a subject, by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from os.path import lexists
from pathlib import Path
from typing import Literal

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.readers.absent import why_absent
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.types import Grid, Roi
from neurodiffuse_nsd.atlases import FAMILIES, LABELS, QUALIFIED, UNIONS, read_ctab
from neurodiffuse_nsd.sheets import OUTSIDE, Sheet, surfaces_of, volumes_in
from neurodiffuse_nsd.tree import HEMISPHERES, AbsentFileError, Tree, first_of

UNITS = {
    "prf_eccentricity": "degree",
    "prf_angle": "degree",
    "prf_size": "degree",
    "prf_R2": "percent",
    "ncsnr": "arbitrary",
    "noiseceiling": "percent",
}

KEPT = 8
"""Files whose labels stay in memory, since many regions lie in one."""


@dataclass(frozen=True)
class Region:
    """A region or map and how it is read from a sheet.

    ``labels`` are those that belong to it, none for all of them; ``what`` is ``cortex`` for the
    hemisphere that a sheet is of, and ``ceiling`` for a noise ceiling made from ``ncsnr``.
    """

    roi: Roi
    sheet: Sheet
    labels: tuple[int, ...] = ()
    what: Literal["labels", "cortex", "map", "ceiling"] = "labels"


@dataclass
class Reader:
    """Reads regions of one subject; ``spread`` is the mean of 1/n, see `noise_ceiling`."""

    grid: Grid
    spread: float
    _kept: dict[Sheet, np.ndarray] = field(default_factory=dict)

    def read(self, region: Region) -> np.ndarray:
        """Return a mask as bool or a map as float32, both (grid.size,)."""
        if region.what == "map":
            return region.sheet.values(self.grid)
        if region.what == "ceiling":
            return noise_ceiling(region.sheet.values(self.grid), self.spread)
        labels = self._labels(region.sheet)
        if region.what == "cortex":
            return labels > OUTSIDE
        return np.isin(labels, region.labels) if region.labels else labels > 0

    def _labels(self, sheet: Sheet) -> np.ndarray:
        if sheet not in self._kept:
            while len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[sheet] = sheet.labels(self.grid)
        return self._kept[sheet]


def noise_ceiling(ncsnr: np.ndarray, spread: float) -> np.ndarray:
    """Return the share of a voxel's variance that its pictures explain at best, in percent.

    ``100 ncsnr^2 / (ncsnr^2 + 1/n)`` for the mean of n trials; ``spread`` is 1/n, averaged over
    the pictures where they were shown unequally often (NSD Data Manual, noise ceiling).
    """
    square = np.square(ncsnr, dtype=np.float32)
    return (100 * square / (square + np.float32(spread))).astype(np.float32)


def find_regions(
    tree: Tree, subject: str, grid: Grid, version: str, remarks: Remarks
) -> tuple[dict[str, Region], dict[str, DataError]]:
    """Return a subject's regions by name, then the maps; and what is wrong with others' files."""
    sheets = list(_sheets(tree, subject, grid))
    wrong = {sheet: error for sheet in sheets if (error := _unfit(sheet, grid, remarks))}
    regions: dict[str, Region] = {}
    whole = [sheet for sheet in sheets if not sheet.side]
    for sheet in sorted(whole, key=lambda s: (_rank(s.name), s.name)):
        try:
            names = _names(tree, subject, sheet, remarks)
            if names is None:
                names = {} if sheet in wrong else _numbers(sheet, grid)
        except DataError as error:  # of the table, or of the image that no table is of
            _leave_out(sheet, error, remarks)
            wrong[sheet] = error
            names = dict(enumerate(LABELS.get(sheet.name, ()), start=1))
        _add_atlas(regions, sheet, names)
    _add_unions(regions)
    sides = [sheet for sheet in sheets if sheet.side]
    _add_sides(regions, sorted(sides, key=lambda s: (s in wrong, _rank(s.name))))
    for name, region in _maps(tree, subject, grid, version):
        regions.setdefault(name, region)
    for sheet in dict.fromkeys(r.sheet for r in regions.values() if r.what in ("map", "ceiling")):
        if unfit := _unfit(sheet, grid, remarks, has_labels=False):
            wrong[sheet] = unfit
    absent = {name: wrong[r.sheet] for name, r in regions.items() if r.sheet in wrong}
    found = {name: region for name, region in regions.items() if name not in absent}
    return {name: _from_root(region, tree.root) for name, region in found.items()}, absent


def _unfit(
    sheet: Sheet, grid: Grid, remarks: Remarks, *, has_labels: bool = True
) -> DataError | None:
    """Return why a sheet is left out, if it is, and tell it."""
    try:
        sheet.check(grid, remarks)
        if has_labels:
            sheet.check_labels(grid)
    except DataError as error:
        _leave_out(sheet, error, remarks)
        return error
    return None


def _leave_out(sheet: Sheet, error: DataError, remarks: Remarks) -> None:
    path = _named(error, sheet)
    why = str(error).removeprefix(f"{path}: ")
    absent = isinstance(error, AbsentFileError)
    remarks.add(path, "its content was not fetched" if absent else why, "left out")


def _named(error: DataError, sheet: Sheet) -> Path:
    """Return which file of a sheet an error is about."""
    paths = (*sheet.paths, *sheet.ways)
    return next((path for path in paths if str(error).startswith(f"{path}: ")), sheet.path)


def _sheets(tree: Tree, subject: str, grid: Grid) -> Iterator[Sheet]:
    if grid.space != "fsaverage":
        yield from volumes_in(tree.volumes(subject, grid.space) / "roi")
        return
    tables = [
        path.name.removesuffix(".mgz.ctab")
        for place in ("fsaverage", subject)
        for path in tree.surface_labels(place).glob("*.mgz.ctab")
    ]
    yield from surfaces_of(tree, subject, dict.fromkeys((*LABELS, *QUALIFIED, *sorted(tables))))


def _rank(name: str) -> int:
    order = (*LABELS, *QUALIFIED)
    return order.index(name) if name in order else len(order)


def _names(tree: Tree, subject: str, sheet: Sheet, remarks: Remarks) -> Mapping[int, str] | None:
    """Return what a file's labels are called, by a colour table or the built-in one, or None."""
    for place in (subject, "fsaverage"):
        table = tree.surface_labels(place) / f"{sheet.name}.mgz.ctab"
        if lexists(table):
            if not why_absent(table):
                return read_ctab(table)
            remarks.add(table, "its content was not fetched", "left out")
    if sheet.name in LABELS:
        return dict(enumerate(LABELS[sheet.name], start=1))
    return None


def _numbers(sheet: Sheet, grid: Grid) -> Mapping[int, str]:
    """Return a file's labels as their own names, none if there is but one."""
    found = np.unique(sheet.labels(grid))
    return {int(k): str(k) for k in found if k > 0} if len(found[found > 0]) > 1 else {}


def _add_atlas(regions: dict[str, Region], sheet: Sheet, names: Mapping[int, str]) -> None:
    """Add a region for each label and one for all of them, under names that are free."""
    plain = sheet.name in LABELS
    for number, label in names.items():
        name = label if plain and label not in regions else f"{sheet.name}.{label}"
        if name == f"{sheet.name}.{sheet.name}":
            continue
        roi = Roi(name, atlas=sheet.name, source=str(sheet.path), detail=name != label)
        regions[name] = Region(roi, sheet, (number,))
    roi = Roi(sheet.name, atlas=sheet.name, source=str(sheet.path))
    regions.setdefault(sheet.name, Region(roi, sheet))


def _add_unions(regions: dict[str, Region]) -> None:
    for name, members in UNIONS.items():
        there = [regions[m] for m in members if m in regions]
        if there and name not in regions:
            labels = tuple(k for region in there for k in region.labels)
            own = replace(there[0].roi, name=name)
            regions[name] = Region(own, there[0].sheet, labels)
    for name, atlas in FAMILIES.items():
        if atlas in regions and name not in regions:
            whole = regions[atlas]
            regions[name] = replace(whole, roi=replace(whole.roi, name=name))


def _add_sides(regions: dict[str, Region], sheets: Iterable[Sheet]) -> None:
    """Add ``lh.NAME`` and ``rh.NAME`` from the files of one hemisphere, and ``lh`` and ``rh``."""
    both = dict(regions)
    for sheet in sheets:
        for name, region in both.items():
            if region.sheet.name == sheet.name:
                own = f"{sheet.side}.{name}"
                roi = replace(region.roi, name=own, source=str(sheet.path), detail=True)
                regions[own] = Region(roi, sheet, region.labels)
        roi = Roi(sheet.side, atlas="cortex", source=str(sheet.path))
        regions.setdefault(sheet.side, Region(roi, sheet, what="cortex"))


def _maps(tree: Tree, subject: str, grid: Grid, version: str) -> Iterator[tuple[str, Region]]:
    folder = tree.volumes(subject, grid.space)
    betas = tree.betas(subject, grid.space, version)
    if grid.space == "fsaverage":
        own = tree.surface_labels(subject).glob("lh.prf*.mgz")
        names = sorted(path.name.removeprefix("lh.").removesuffix(".mgz") for path in own)
        prf = [s for s in surfaces_of(tree, subject, names) if not s.side and "-" not in s.name]
        found = [(f"prf_{s.name.removeprefix('prf')}", s) for s in prf]
        signal = first_of([[betas / f"{h}.ncsnr.mgh" for h in HEMISPHERES]])
    else:
        found = [
            (s.name, s) for pattern in ("prf_*", "floc_*") for s in volumes_in(folder, pattern)
        ]
        signal = first_of([[betas / "ncsnr.nii.gz"]])
    noise = [Sheet("ncsnr", "", signal)] if signal else []
    for name, sheet in [*found, *((s.name, s) for s in noise)]:
        yield name, _map(name, sheet, "map")
    for name, sheet in found:
        if name == "prf_eccentricity":
            yield "eccentricity", _map("eccentricity", sheet, "map")
    for sheet in noise:
        yield "noiseceiling", _map("noiseceiling", sheet, "ceiling")


def _map(name: str, sheet: Sheet, what: Literal["map", "ceiling"]) -> Region:
    units = UNITS.get(name, UNITS.get(f"prf_{name}", ""))
    return Region(Roi(name, "map", sheet.name, units, str(sheet.path)), sheet, what=what)


def _from_root(region: Region, root: Path) -> Region:
    """Return a region whose source is told from the root of the tree, as reports show it."""
    source = Path(region.roi.source).relative_to(root).as_posix()
    return replace(region, roi=replace(region.roi, source=source))
