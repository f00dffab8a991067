"""Which regions a subject has: its files sorted into those on the betas' grid and the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurodiffuse.errors import DataError, listing
from neurodiffuse.readers import volumes
from neurodiffuse.readers.freesurfer import SEGMENTATIONS
from neurodiffuse.readers.grids import NOTED, Alignment, align, difference
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.volumes import AFFINE_FROM, VOLUMES
from neurodiffuse.readers.voxels import counts_of, negatives_of
from neurodiffuse.types import Grid, Roi
from neurodiffuse_bids import segmentations
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.region_names import family_of, is_single, kind_of, name_of
from neurodiffuse_bids.regions import Part, Reader, Region, Regions
from neurodiffuse_bids.sidecars import Sidecars

HEMISPHERES = {"L": "lh", "R": "rh"}

RESAMPLE = "datasets.bids.resample"
"""The option by which regions on other grids are resampled."""


@dataclass(frozen=True)
class _Found:
    """A name that a file, or a label of it, has; ``family`` says which files belong together."""

    name: str
    family: str
    kind: str
    part: Part
    file: BidsFile
    units: str = ""

    @property
    def side(self) -> str:
        """The hemisphere, empty for a file of both."""
        return HEMISPHERES.get(self.file["hemisphere"], "")

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What two files of one region share."""
        return self.kind, self.family, self.name, self.side


@dataclass(frozen=True)
class _Away:
    """A name that a file which was left out would have given, and why it was."""

    name: str
    family: str
    side: str
    claimed: bool
    why: str
    file: BidsFile | None = None

    def names(self) -> tuple[str, ...]:
        """Return what its region would have been called, alone and as part of others."""
        plain = (self.name, f"{self.family}.{self.name}") if self.family else (self.name,)
        sided = tuple(f"{self.side}.{name}" for name in plain) if self.side else ()
        return (*plain, *sided)


@dataclass
class Finder:
    """Finds the regions of one subject among its files and notes what it leaves out.

    Parameters
    ----------
    files
        The subject's images and tables.
    betas
        A file of its betas, whose grid is the target's.
    reader
        Reads what is found.
    sidecars
        Of the data set.
    remarks
        Takes what is to be told.
    lookup
        A table of labels that the user gave.
    """

    files: Sequence[BidsFile]
    betas: BidsFile
    reader: Reader
    sidecars: Sidecars
    remarks: Remarks
    lookup: Path | None = None
    _families: dict[str, list[set[str]]] = field(default_factory=dict)
    _away: list[_Away] = field(default_factory=list)
    _unused: dict[Path, str] = field(default_factory=dict)
    _runs: dict[tuple[str, str], set[Path]] = field(default_factory=dict)
    _not_shared: dict[Path, list[str]] = field(default_factory=dict)

    def regions(self, wanted: Mapping[str, Any]) -> Regions:
        """Return the regions of the files whose names have the wanted entities."""
        files = [file for file in self.files if kind_of(file) and file.fits(wanted)]
        for file in files:
            scales, descs = self._families.setdefault(family_of(file), [set(), set()])
            scales.add(file["scale"])
            descs.add(file["desc"])
        found: list[_Found] = []
        others: list[tuple[BidsFile, Grid]] = []
        self._tell_single(wanted)
        for file in files:
            if reason := self._elsewhere(file):
                self._leave_out(file, reason)
                continue
            own = self._grid(file)
            if own is None:
                continue
            if said := volumes.about_two_places(file.path):
                self.remarks.add(file.path, said)
            way = align(own, self.reader.target.grid)
            if way is not None and way.is_same:
                self._tell(file, way)
                found += self._named(file)
            else:
                others.append((file, own))
        found += self._resampled(others, {item.key for item in found})
        named = self._together(found)
        self._tell_unused(named.values())
        ordered = sorted(named.items(), key=lambda item: item[1].roi.kind != "mask")
        regions = {name: _from_root(r, self.sidecars.root) for name, r in ordered}
        absent = {name: away.why for away in self._away for name in away.names()}
        claimed = {name for away in self._away if away.claimed for name in away.names()}
        return Regions(
            regions,
            {name: why for name, why in absent.items() if name not in regions},
            frozenset(claimed - set(regions)),
        )

    # --- files --------------------------------------------------------------------------------

    def _tell_single(self, wanted: Mapping[str, Any]) -> None:
        """Tell of images of a run or trial that are neither betas that are read nor regions."""
        for file in self.files:
            if is_single(file) and file.fits(wanted):
                why = self._elsewhere(file) or (
                    "of a run or trial, and neither among the betas that are read nor a map of the "
                    "subject"
                )
                self.remarks.add(file.path, why, "left out")

    def _elsewhere(self, file: BidsFile) -> str:
        """Return why a file is not in the betas' space, empty where it is or may be."""
        if file["extension"] not in VOLUMES and file.path.name not in SEGMENTATIONS:
            return f"surface data ({file['extension']}) are not read, volumes are"
        if file["task"] and self.betas["task"] and file["task"] != self.betas["task"]:
            return f"of another task than the betas: {file['task']}"
        if file["space"] == self.betas["space"] or self._is_anatomical(file):
            return ""
        mine, theirs = (
            f"space-{f['space']}" if f["space"] else "no space- label" for f in (file, self.betas)
        )
        return f"in another space: {mine} where the betas have {theirs}"

    def _is_anatomical(self, file: BidsFile) -> bool:
        """Return whether a file without a space label is in T1w, where the betas are."""
        own = file.path.parent.name in ("anat", "mri")
        return self.betas["space"] == "T1w" and own and not file["space"] and not file["task"]

    def _grid(self, file: BidsFile) -> Grid | None:
        """Return the grid of a file, None and a remark where it has none that can be used."""
        try:
            own, count = volumes.grid_of(file.path, template=self.reader.target.template)
        except DataError as error:
            self._leave_out(file, _reason(file, error))
            return None
        reason = f"holds {count} volumes where one is read" if count != 1 else ""
        if file["suffix"] == "probseg" and not (file["label"] or file["desc"]):
            reason = f"{reason}; " * bool(reason) + "no label- or desc- says of what its values are"
        if reason:
            self._leave_out(file, reason)
            return None
        return own

    def _tell(self, file: BidsFile, way: Alignment) -> None:
        """Tell how a file lies on the grid, where not exactly or in another order."""
        if way.mm > NOTED:
            self.remarks.add(
                file.path,
                f"its voxels lie up to {way.mm:.2g} mm ({way.voxels:.2g} voxels) from those of the "
                "betas, as rounding does, and are taken for the same",
            )
        if not way.is_plain:
            self.remarks.add(file.path, "its axes are put in the order of the betas'")

    def _named(self, file: BidsFile) -> list[_Found]:
        """Return what a file is or holds; what is wrong with it leaves it out."""
        kind = kind_of(file)
        read = {"mask": self._mask, "dseg": self._segmentation, "map": self._map}[kind]
        try:
            return list(read(file))
        except DataError as error:
            self._leave_out(file, _reason(file, error))
            return []

    def _resampled(
        self, others: Sequence[tuple[BidsFile, Grid]], there: set[tuple[str, ...]]
    ) -> list[_Found]:
        """Return what files on another grid hold, where they may be resampled."""
        found = []
        moved: dict[str, list[BidsFile]] = {}
        grid = self.reader.target.grid
        for file, own in others:
            if not (self.reader.target.resample and own.placed and grid.placed):
                self._leave_out(file, f"on another grid: {self._remedy(file, own)}")
                continue
            items = self._named(file)
            new = [item for item in items if item.key not in there]
            if new:
                moved.setdefault(difference(own, grid), []).append(file)
            elif items:
                why = "its regions are in a file on the betas' own grid too"
                self.remarks.add(file.path, why, "left out")
            there |= {item.key for item in new}
            found += new
        for way, files in moved.items():
            self._tell_resampled(way, files)
        return found

    def _tell_resampled(self, way: str, files: Sequence[BidsFile]) -> None:
        """Tell of files that are resampled how they lay, and their voxels before and after."""
        counts = []
        for file in files:
            own, _ = volumes.grid_of(file.path, template=self.reader.target.template)
            with suppress(DataError):  # masks of runs are checked when they are read
                before = self._voxels(file, Reader(replace(self.reader.target, grid=own)))
                after = self._voxels(file, self.reader)
                counts.append((after / max(1, before), before, after, file.path.name))
        said = [f"{before:,} and {after:,} ({n})" for _, before, after, n in sorted(counts)]
        for file in files:
            self.remarks.add(
                file.path,
                f"resampled to the betas' grid (nearest voxel), as {RESAMPLE} says: {way}; voxels "
                f"before and after: {listing(said, most=3)}",
            )

    @staticmethod
    def _voxels(file: BidsFile, reader: Reader) -> int:
        """Return how many voxels of a file are in a region, or have a value."""
        kind = kind_of(file)
        if kind == "mask":
            return int(reader.mask(file.path)[0].sum())
        if kind == "dseg":
            return int((reader.labels(file.path) > 0).sum())
        values = volumes.values(file.path, reader.target)
        return int((np.isfinite(values) & (values != 0)).sum())

    def _remedy(self, file: BidsFile, own: Grid) -> str:
        """Return how a file's grid differs from the betas', and what can be done."""
        grid = self.reader.target.grid
        said = difference(own, grid)
        if own.placed and grid.placed:
            return f"{said}; --set {RESAMPLE}=true takes the nearest voxels"
        if own.shape != grid.shape:
            return said
        source = self.betas.path if grid.placed else "FILE"
        return (
            f"{said}; if their voxels are in the same order, --set {AFFINE_FROM}={source} gives "
            "both one place"
        )

    def _leave_out(self, file: BidsFile, why: str) -> None:
        self.remarks.add(file.path, why, "left out")
        told = why.rstrip(".").replace(f"{AFFINE_FROM}=FILE", f"{AFFINE_FROM}={file.path}")
        line = f"{file.path}: was left out: {told}."
        side, family = HEMISPHERES.get(file["hemisphere"], ""), self._family(file)
        for name in self._names(file):
            self._away.append(_Away(name, family, side, self._claims(file), line, file))

    def _names(self, file: BidsFile) -> Sequence[str]:
        """Return the names that a file gives, as far as its own name and its table say."""
        if kind_of(file) != "dseg":
            return (name_of(file),)
        try:
            given = segmentations.lookup_of(file, self.files, self.sidecars.root, self.lookup)
        except DataError:
            return ()
        return tuple(name for label, name in given.names.items() if label > 0 and name)

    def _claims(self, file: BidsFile) -> bool:
        """Return whether a file says by its name that it is on the betas' grid."""
        if any(file[e] != self.betas[e] for e in ("resolution", "density", "space")):
            return False
        if file["task"] and self.betas["task"] and file["task"] != self.betas["task"]:
            return False
        # without a label, anat/ and func/ are in spaces of their own
        return bool(file["space"]) or file.path.parent.name == self.betas.path.parent.name

    # --- what they hold -----------------------------------------------------------------------

    def _family(self, file: BidsFile) -> str:
        """Return which files a name belongs to, with scale and desc where these tell them apart."""
        family = family_of(file)
        scales, descs = self._families[family]
        if len(scales) > 1 and family:
            family += f"{'.' if family[-1].isdigit() else ''}{file['scale']}"
        own = name_of(file).removeprefix("prob.") if kind_of(file) != "dseg" else ""
        if len(descs) > 1 and file["desc"] not in ("", family, own):
            family += f".{file['desc']}" if family else file["desc"]
        return family

    def _mask(self, file: BidsFile) -> Iterator[_Found]:
        if not (file["run"] or file["session"]):  # masks of many runs are checked when read
            _, note = self.reader.mask(file.path)
            if note:
                self.remarks.add(file.path, note)
        yield _Found(name_of(file), self._family(file), "mask", Part(file.path), file)

    def _segmentation(self, file: BidsFile) -> Iterator[_Found]:
        """Yield a region for each name of the lookup table, or each label without one."""
        given = segmentations.lookup_of(file, self.files, self.sidecars.root, self.lookup)
        image = self.reader.labels(file.path)
        counts = counts_of(image)
        if not counts:
            self._unused[file.path] = "holds no label above 0"
        note, kind = segmentations.misfit(given, counts)
        if note:
            self.remarks.add(file.path, note, kind)
        for note in (
            segmentations.joined(given, counts),
            segmentations.dropped(given, negatives_of(image)),
        ):
            if note:
                self.remarks.add(file.path, note)
        family = self._family(file)
        for name, labels in segmentations.by_name(given, family, counts).items():
            yield _Found(name, family, "dseg", Part(file.path, tuple(labels)), file)

    def _map(self, file: BidsFile) -> Iterator[_Found]:
        units = str(self.sidecars.of(file.path).get("Units", ""))
        yield _Found(name_of(file), self._family(file), "map", Part(file.path), file, units)

    # --- names --------------------------------------------------------------------------------

    def _together(self, found: Sequence[_Found]) -> dict[str, Region]:
        """Give every region its name: qualified by its family where several share one."""
        families: dict[str, dict[tuple[str, str], list[_Found]]] = {}
        complete = self._complete(found)
        for item in complete:
            if item.kind == "dseg" and not _is_whole(item):
                self._runs.setdefault((item.family, item.side), set()).add(item.file.path)
        for item in complete:
            families.setdefault(item.name, {}).setdefault((item.kind, item.family), []).append(item)
        named: dict[str, Region] = {}
        twice: set[str] = set()
        for name, own in families.items():
            masks = [key for key in own if key[0] == "mask"]
            plain = masks if len(masks) == 1 else list(own) if len(own) == 1 else []
            for key, items in own.items():
                qualified = name if key in plain or not key[1] else f"{key[1]}.{name}"
                for full, region in self._hemispheres(qualified, items):
                    if full in named or full in twice:
                        self._clash(full, items[0], named.pop(full, None))
                        twice.add(full)
                    else:
                        named[full] = region
        return named

    def _complete(self, found: Sequence[_Found]) -> list[_Found]:
        """Return what was found but for files of runs, some of which had to be left out."""
        lost = {
            (a.name, a.family, a.side, _series(a.file)): a
            for a in self._away
            if a.claimed and a.file is not None
        }
        out = []
        for item in found:
            other = lost.get((item.name, item.family, item.side, _series(item.file)))
            if other and not _is_whole(item):
                self._away.append(_Away(item.name, item.family, item.side, True, other.why))
                self._unused[item.file.path] = f"{other.why.removesuffix('.')}, of another run"
            else:
                out.append(item)
        return out

    def _without_runs(self, items: Sequence[_Found], full: str) -> list[_Found]:
        """Return the files of the whole subject; else those of its runs; else a single map."""
        whole = [item for item in items if _is_whole(item)]
        first = items[0]
        runs = self._runs.get((first.family, first.side), set()) if first.kind == "dseg" else set()
        if not whole and len(items) < len(runs):
            self._not_shared.setdefault(min(runs), []).append(full)
            return []
        if whole or len(items) == 1:
            for item in items:
                if item not in whole:
                    why = "a file of the whole subject has its regions"
                    self._unused.setdefault(item.file.path, why)
            return whole or list(items)
        if first.kind == "map":
            for item in items:
                self._leave_out(
                    item.file,
                    f"one of {len(items)} maps {full!r} of sessions or runs, of which one is read; "
                    "choose it with datasets.bids.regions_filter",
                )
            return []
        return list(items)

    def _tell_unused(self, regions: Iterable[Region]) -> None:
        """Tell of the files, and of the labels of runs, of which no region is made."""
        for path, names in self._not_shared.items():
            why = f"no region is made of labels that not all runs have: {listing(names, most=4)}"
            self.remarks.add(path, why)
        used, open_ = set[Path](), list(regions)
        while open_:
            region = open_.pop()
            used |= {part.path for part in region.parts}
            open_ += region.members
        for path, why in self._unused.items():
            if path not in used:
                self.remarks.add(path, why, "left out")

    def _hemispheres(self, name: str, items: Sequence[_Found]) -> Iterable[tuple[str, Region]]:
        """Yield a region, and before it those of its hemispheres where files have ``hemi-``."""
        sides: dict[str, list[_Found]] = {}
        for item in items:
            sides.setdefault(item.side, []).append(item)
        halves = []
        for side, some in sides.items():
            full = f"{side}.{name}" if side else name
            kept = self._without_runs(some, full)
            if len(kept) > 1 and _is_whole(kept[0]):
                self._clash(full, kept[1], _region(full, kept[:1]))
            elif kept:
                region = _region(full, kept)
                halves.append(region)
                yield region.roi.name, region
        lost = any(
            (a.name, a.family) == (items[0].name, items[0].family)
            and a.side not in ("", *sides)
            and a.claimed
            for a in self._away
        )
        if halves and "" not in sides and halves[0].roi.kind == "mask" and not lost:
            roi = Roi(name, "mask", halves[0].roi.atlas, "", halves[0].roi.source)
            yield name, Region(roi, members=tuple(halves))

    def _clash(self, name: str, item: _Found, other: Region | None) -> None:
        """Leave out a name that two files give to different voxels."""
        one = other.roi.source if other else "another file"
        why = (
            f"names the region {name}, as does {one}; rename one, or leave one out with "
            "datasets.bids.regions_filter"
        )
        self.remarks.add(item.file.path, why, "left out")
        line = f"{item.file.path}: {why}."
        self._away.append(_Away(name, "", "", True, line))


def _reason(file: BidsFile, error: DataError) -> str:
    """Return what is wrong with a file without its name."""
    return str(error).removeprefix(f"{file.path}: ")


def _from_root(region: Region, root: Path) -> Region:
    """Return a region whose source is told from the root of the data set, as reports show it."""
    source = Path(region.roi.source).relative_to(root).as_posix()
    return replace(region, roi=replace(region.roi, source=source))


def _is_whole(item: _Found) -> bool:
    """Return whether a file is of the whole subject, and not of a session or run."""
    return not item.file["session"] and not item.file["run"]


def _series(file: BidsFile) -> tuple[object, ...]:
    """Return what files share that differ by their session or run alone."""
    apart = ("session", "run", "extension")
    own = sorted((k, v) for k, v in file.entities.items() if k not in apart)
    return file.path.parent.name, *own


def _region(name: str, items: Sequence[_Found]) -> Region:
    first = items[0]
    kind = "map" if first.kind == "map" else "mask"
    atlas = first.file["segmentation"] or first.file["atlas"] or first.family
    if first.kind == "dseg":
        atlas = first.family
    source = first.file.path.as_posix()
    roi = Roi(name, kind, atlas, first.units, source)
    together: Literal["every", "value"] = "value" if kind == "map" else "every"
    return Region(roi, tuple(item.part for item in items), together=together)
