"""Masks, segmentations and maps of a subject, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.readers import volumes
from neurodiffuse.readers.tables import read_table
from neurodiffuse.types import Grid, Roi
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.sidecars import Sidecars

HEMISPHERES = {"L": "lh", "R": "rh"}

NO_SPACE = "no space- label"


@dataclass(frozen=True)
class Part:
    """Voxels of a file: those above 0, or those of some labels of a segmentation."""

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
class _Found:
    """A name that a file, or a label of it, has; ``family`` says which files belong together."""

    name: str
    family: str
    kind: str
    part: Part
    file: BidsFile
    units: str = ""


@dataclass
class Reader:
    """Reads regions; a file of labels is kept, since many regions lie in one."""

    grid: Grid
    _labels: dict[Path, np.ndarray] = field(default_factory=dict)

    def read(self, region: Region) -> np.ndarray:
        """Return a mask as bool or a map as float32, both (grid.size,)."""
        if region.together == "value":
            return volumes.values(region.parts[0].path)
        masks = [self._part(part) for part in region.parts]
        masks += [self.read(member) for member in region.members]
        join = np.logical_and if region.together == "every" else np.logical_or
        return np.asarray(join.reduce(masks), bool)

    def _part(self, part: Part) -> np.ndarray:
        if not part.labels:
            return volumes.values(part.path) > 0
        if part.path not in self._labels:
            while len(self._labels) >= 4:
                self._labels.pop(next(iter(self._labels)))
            self._labels[part.path] = volumes.labels(part.path)
        return np.isin(self._labels[part.path], part.labels)


def find_regions(
    files: Sequence[BidsFile],
    betas: BidsFile,
    grid: Grid,
    sidecars: Sidecars,
    wanted: Mapping[str, Any],
) -> dict[str, Region]:
    """Return a subject's regions and maps by name, masks first.

    Raises
    ------
    DataError
        If a file says it is of the betas' space and has another grid, or two files name the
        same region.
    """
    images = [f for f in files if f["extension"] in (".nii", ".nii.gz") and f.fits(wanted)]
    found: list[_Found] = []
    for file in images:
        name = _namer(file)
        if name and _same_space(file, betas) and _on_grid(file, betas, grid):
            found += name(file, files, sidecars)
    named = sorted(_regions(found), key=lambda item: item[1].roi.kind != "mask")
    return {name: _from_root(region, sidecars.root) for name, region in named}


def _from_root(region: Region, root: Path) -> Region:
    """Return a region whose source is told from the root of the data set, as reports show it."""
    source = Path(region.roi.source).relative_to(root).as_posix()
    return replace(region, roi=replace(region.roi, source=source))


def _namer(file: BidsFile) -> Callable[..., Iterable[_Found]] | None:
    suffix = file["suffix"]
    if suffix in ("mask", "brainmask"):
        return _mask
    if suffix == "dseg":
        return _segmentation
    if suffix == "probseg" and (file["label"] or file["desc"]):
        return _map
    if suffix == "statmap" and not file["run"] and not file["trial"] and not file["stim"]:
        return _map
    return None


def _same_space(file: BidsFile, betas: BidsFile) -> bool:
    if file["task"] and betas["task"] and file["task"] != betas["task"]:
        return False
    return file["space"] == betas["space"]


def _on_grid(file: BidsFile, betas: BidsFile, grid: Grid) -> bool:
    """Return whether a file is on the betas' grid; refuse one whose name says that it is."""
    own, count = volumes.grid_of(file.path)
    if count != 1:
        return False
    if volumes.same_grid(own, grid):
        return True
    if any(file[e] != betas[e] for e in ("resolution", "density")):
        return False
    if not betas["space"] and file.path.parent.name != betas.path.parent.name:
        return False  # without a label, anat/ and func/ are in spaces of their own
    space = f"space-{betas['space']}" if betas["space"] else NO_SPACE
    raise DataError(
        f"{file.path}: is on another grid than the betas ({betas.path}), though both have {space}: "
        f"{volumes.difference(own, grid)}. Resample it, or leave it out with "
        "datasets.bids.regions_filter."
    )


def _mask(file: BidsFile, files: Sequence[BidsFile], sidecars: Sidecars) -> list[_Found]:
    default = "brain" if file["suffix"] == "brainmask" else "mask"
    name = file["label"] or file["roi"] or file["desc"] or file["contrast"] or default
    further = (file["atlas"], file["segmentation"], file["desc"])
    family = next((text for text in further if text and text != name), "")
    return [_Found(name, family, "mask", Part(file.path), file)]


def _segmentation(file: BidsFile, files: Sequence[BidsFile], sidecars: Sidecars) -> list[_Found]:
    """Return a region for each name of the lookup table, or each label where there is none."""
    family = file["segmentation"] or file["atlas"] or file["desc"] or "dseg"
    by_name: dict[str, list[int]] = {}
    table = _lookup(file, files)
    if table is None:
        values = np.unique(volumes.labels(file.path))
        by_name = {f"{family}{value}": [int(value)] for value in values if value > 0}
    else:
        content = read_table(table.path)
        for text, name in zip(content["index"], content["name"], strict=True):
            try:
                value = int(float(text))
            except ValueError as error:
                raise DataError(f"{table.path}: the index {text!r} is no number.") from error
            if value > 0 and name:
                by_name.setdefault(name, []).append(value)
    return [
        _Found(name, family, "dseg", Part(file.path, tuple(labels)), file)
        for name, labels in by_name.items()
    ]


def _lookup(file: BidsFile, files: Sequence[BidsFile]) -> BidsFile | None:
    """Return the lookup table of a segmentation: that with the most entities of its name."""
    tables = [f for f in files if f["suffix"] == "dseg" and f["extension"] == ".tsv"]
    fitting = []
    for table in tables:
        own = {k: v for k, v in table.entities.items() if k != "extension"}
        if file.fits(own):
            fitting.append((len(own), table.path.as_posix(), table))
    return max(fitting, key=lambda item: item[:2])[2] if fitting else None


def _map(file: BidsFile, files: Sequence[BidsFile], sidecars: Sidecars) -> list[_Found]:
    if file["suffix"] == "probseg":
        name, family = f"prob.{file['label'] or file['desc']}", file["segmentation"]
    else:
        name = file["stat"] or file["desc"] or file["contrast"] or "statmap"
        further = (file["contrast"], file["desc"], file["model"])
        family = next((text for text in further if text and text != name), "")
    units = sidecars.of(file.path).get("Units", "")
    return [_Found(name, family, "map", Part(file.path), file, str(units))]


def _regions(found: Sequence[_Found]) -> list[tuple[str, Region]]:
    """Give every region its name: qualified by its family where several share one."""
    families: dict[str, dict[tuple[str, str], list[_Found]]] = {}
    for item in found:
        families.setdefault(item.name, {}).setdefault((item.kind, item.family), []).append(item)
    named: dict[str, Region] = {}
    for name, own in families.items():
        masks = [key for key in own if key[0] == "mask"]
        plain = masks if len(masks) == 1 else list(own) if len(own) == 1 else []
        for key, items in own.items():
            qualified = name if key in plain or not key[1] else f"{key[1]}.{name}"
            for full, region in _hemispheres(qualified, items):
                if full in named:
                    raise DataError(
                        f"{region.roi.source}: names the region {full}, as does "
                        f"{named[full].roi.source}; rename one, or leave it out with "
                        "datasets.bids.regions_filter."
                    )
                named[full] = region
    return list(named.items())


def _hemispheres(name: str, items: Sequence[_Found]) -> Iterable[tuple[str, Region]]:
    """Yield a region, and before it those of its hemispheres where files have ``hemi-``."""
    sides: dict[str, list[_Found]] = {}
    for item in items:
        sides.setdefault(HEMISPHERES.get(item.file["hemisphere"], ""), []).append(item)
    halves = []
    for side, some in sides.items():
        kept = _without_runs(some)
        if kept:
            region = _region(f"{side}.{name}" if side else name, kept)
            halves.append(region)
            yield region.roi.name, region
    if halves and "" not in sides and halves[0].roi.kind == "mask":
        roi = Roi(name, "mask", halves[0].roi.atlas, "", halves[0].roi.source)
        yield name, Region(roi, members=tuple(halves))


def _without_runs(items: Sequence[_Found]) -> list[_Found]:
    """Return the files of the whole subject; else the masks of its runs; else a single file."""
    whole = [i for i in items if not i.file["session"] and not i.file["run"]]
    if whole or items[0].kind == "mask" or len(items) == 1:
        return whole or list(items)
    return []


def _region(name: str, items: Sequence[_Found]) -> Region:
    first = items[0]
    whole = not first.file["session"] and not first.file["run"]
    if len(items) > 1 and (whole or first.kind != "mask"):
        raise DataError(
            f"{items[1].file.path}: names the region {name}, as does {first.file.path}; rename "
            "one, or leave it out with datasets.bids.regions_filter."
        )
    kind = "map" if first.kind == "map" else "mask"
    atlas = first.file["segmentation"] or first.file["atlas"] or first.family
    source = first.file.path.as_posix()
    roi = Roi(name, kind, atlas, first.units, source)
    together: Literal["every", "value"] = "value" if kind == "map" else "every"
    return Region(roi, tuple(item.part for item in items), together=together)


def find_anatomy(files: Sequence[BidsFile], betas: BidsFile) -> Path | None:
    """Return an image in the betas' world space to draw maps on, a structural one if there is.

    Without a space label only an image of the functional series itself is known to fit.
    """
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
    return found[0].path if found else None
