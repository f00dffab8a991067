"""The data set `bids`: a BIDS derivative as trials, betas, regions and stimuli."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers import volumes
from neurodiffuse.readers.grids import why_unplaced
from neurodiffuse.readers.pictures import ImageFiles
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.types import Dataset, Grid, Stimuli, Subject
from neurodiffuse_bids import aliases
from neurodiffuse_bids import split as rules
from neurodiffuse_bids.events import TABLES, Responses, Row, Tables, trials_of
from neurodiffuse_bids.finding import Finder
from neurodiffuse_bids.grids import betas_grid
from neurodiffuse_bids.index import BidsFile, entity_names, subject_files
from neurodiffuse_bids.places import cache_folder, root_folder
from neurodiffuse_bids.regions import Reader, Region, find_anatomy
from neurodiffuse_bids.series import find_series, is_alike, on_surfaces
from neurodiffuse_bids.sidecars import Sidecars, read_json
from neurodiffuse_bids.stimuli import Pictures, bare

MASKS = ("nsdgeneral", "visual", "visualcortex", "VC", "brain", "mask")
"""What is decoded from unless told otherwise: the first of these that a subject has, else all."""

Filter = dict[str, str | list[str]]


@dataclass(frozen=True)
class _Open:
    """A subject and where its parts are."""

    subject: Subject
    responses: tuple[Responses, ...]
    regions: Mapping[str, Region]
    absent: Mapping[str, str]
    reader: Reader = field(compare=False)


class BidsDataset(Dataset):
    """Read single-trial betas, events, stimuli, masks and atlases of a BIDS derivative.

    Parameters
    ----------
    root
        The folder with ``dataset_description.json``.
    space, task
        Which betas to read where there are several.
    betas_filter
        Entities that the names of the betas must have, ``{suffix = "bold", desc = "mine"}``; a
        list names several values. Without it betas are found by what their names say.
    regions_filter
        Entities that the names of masks, segmentations and maps must have.
    split
        Where training and test come from: ``column`` (of the events, else of ``stimuli.tsv``),
        ``file``, or a rule: ``repeats>=N``, ``shared``, ``fraction:F``. Empty: ``file`` when
        ``split_file`` is given, else ``column``.
    split_file
        A table with the columns ``stim_id`` and ``split``.
    stimulus_column
        The column of the events that names the stimulus; empty: the first of ``stim_id``,
        ``stim_file``, ``image_filename``, ``ImgName``, ``stimulus``, ``condition``.
    stimuli_dir, captions_file
        Where the images and captions are, unless in ``stimuli/`` and ``stimuli/captions.tsv``.
    events_dir
        Another BIDS data set to take the events from: the raw one, for instance.
    affine_from
        An image whose place in the world is that of all images of its shape that have none: with
        sform and qform code 0, or the identity as affine. Their voxels must be in its order.
    resample
        Bring masks, segmentations and maps that are in the betas' space and on another grid to
        the betas' grid, each voxel from the nearest one. Betas are never resampled.
    lookup
        A table of names for the labels of segmentations that have none of their own: a
        ``FreeSurferColorLUT.txt``, or a .tsv with ``index`` and ``name``.
    alias_file
        A TOML file or a table with names for unions of regions.
    cache_dir
        Where the index of file names is kept; empty: ``$XDG_CACHE_HOME/neurodiffuse/bids`` or
        ``~/.cache/neurodiffuse/bids``.

    Paths that are not absolute start at the working directory, as ``root`` does.
    """

    def __init__(
        self,
        root: str,
        *,
        space: str = "",
        task: str = "",
        betas_filter: Filter | None = None,
        regions_filter: Filter | None = None,
        split: str = "",
        split_file: str = "",
        stimulus_column: str = "",
        stimuli_dir: str = "",
        captions_file: str = "",
        events_dir: str = "",
        affine_from: str = "",
        resample: bool = False,
        lookup: str = "",
        alias_file: str = "",
        cache_dir: str = "",
    ) -> None:
        rules.check_rule(split, split_file)
        for name, entities in (("betas_filter", betas_filter), ("regions_filter", regions_filter)):
            for entity in entities or {}:
                if entity not in entity_names():
                    raise ValueError(
                        f"{name}: no entity is called {entity!r}.{near(entity, entity_names())} "
                        f"Possible: {listing(entity_names(), most=40)}"
                    )
        self.root = root
        self.space = space.removeprefix("space-")
        self.task = task.removeprefix("task-")
        self.betas_filter = betas_filter
        self.regions_filter = regions_filter
        self.split = split
        self.split_file = split_file
        self.stimulus_column = stimulus_column
        self.stimuli_dir = stimuli_dir
        self.captions_file = captions_file
        self.events_dir = events_dir
        self.affine_from = affine_from
        self.resample = resample
        self.lookup = lookup
        self.alias_file = alias_file
        self.cache_dir = cache_dir
        self._opened: dict[str, _Open] = {}
        self._seen: dict[str, frozenset[str]] = {}
        self._pictures: Pictures | None = None

    def subjects(self) -> tuple[str, ...]:
        """Return the labels of the folders ``sub-…``, sorted."""
        root = self._root()
        found = sorted(
            entry.name.removeprefix("sub-")
            for entry in os.scandir(root)
            if entry.name.startswith("sub-") and entry.is_dir()
        )
        if not found:
            raise MissingDataError(f"{root}: has no subjects, no folder sub-….")
        return tuple(found)

    def subject(self, label: str) -> Subject:
        """Return grid, trials and regions of a subject; only headers and tables are read."""
        return self._open(label).subject

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the betas of one session or run after the other, (n_trials, n_voxels) float32.

        Integers become ``scl_slope * stored + scl_inter`` or, where the header does not scale,
        ``ScaleFactor * stored`` with the factor of the JSON sidecar. No more than about
        100 MB of an image are held at once.
        """
        sidecars, about = Sidecars(self._root()), self._open(label)
        target = about.reader.target
        for part in about.responses:
            files = [file.path for file in part.series.files]
            rows = [row.volume for row in part.rows]
            if rows:
                yield volumes.responses(files, rows, target, voxels, sidecars.factor)

    def fingerprint(self, label: str) -> str:
        """Return a digest of the trials and of the names and sizes of the files of betas."""
        about = self._open(label)
        files = [file.path for part in about.responses for file in part.series.files]
        sizes = [(str(path.relative_to(self._root())), path.stat().st_size) for path in files]
        said = repr((super().fingerprint(label), sizes))
        return hashlib.sha256(said.encode()).hexdigest()

    def roi(self, label: str, name: str) -> np.ndarray:
        """Return a region as bool or a map as float32, (grid.size,)."""
        subject = self._open(label)
        if name in subject.absent:
            raise DataError(f"sub-{label}: no region {name!r}: {subject.absent[name]}")
        if name not in subject.regions:
            raise MissingDataError(
                f"sub-{label}: no region {name!r}.{near(name, subject.regions)} "
                f"Regions: {listing(subject.regions)}."
            )
        return subject.reader.read(subject.regions[name])

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return stimuli by id; their files must be there, and are not opened yet."""
        pictures = self._stimuli()
        if not self._opened:  # the tables say which files the ids stand for
            for label in self.subjects():
                self._shown(label)
        paths = [pictures.path(stimulus) for stimulus in ids]
        captions = tuple(pictures.captions(stimulus) for stimulus in ids)
        return Stimuli(tuple(ids), ImageFiles(paths), captions)

    def about(self) -> Mapping[str, str]:
        """Return name, version, licence and citation as ``dataset_description.json`` has them.

        BIDS has no word for how wide pictures were; ``StimulusWidthDegrees`` is ours.
        """
        content = read_json(self._root() / "dataset_description.json")
        generated = content.get("GeneratedBy") or [{}]
        first = generated[0] if isinstance(generated, list) else generated
        first = first if isinstance(first, dict) else {}
        fields = {
            "name": content.get("Name"),
            "version": content.get("DatasetVersion") or first.get("Version"),
            "licence": content.get("License"),
            "cite": content.get("HowToAcknowledge") or content.get("DatasetDOI"),
            "degrees": content.get("StimulusWidthDegrees"),
        }
        return {key: str(value) for key, value in fields.items() if value}

    # --- one subject --------------------------------------------------------------------------

    def _open(self, label: str) -> _Open:
        if label not in self._opened:
            self.about()  # what cannot be read is told before anything is computed
            who, root = f"sub-{label}", self._root()
            files = self._files(label, root)
            responses = self._responses(label, files)
            first = responses[0].series.files[0]
            remarks = Remarks(root)
            grid = betas_grid(responses, self._template(), remarks)
            target = volumes.Target(grid, self._template(), self.resample)
            rows = [row for part in responses for row in part.rows]
            trials, kept = trials_of(responses, self._sides(label, rows))
            for file in on_surfaces(files, self.betas_filter or {}):
                remarks.add(file.path, "betas on a surface are not read, volumes are", "left out")
            used = {f.path for part in responses for f in part.series.files}
            others = [f for f in files if f.path not in used and not is_alike(f, first)]
            reader = Reader(target)
            lookup = Path(self.lookup).expanduser().absolute() if self.lookup else None
            finder = Finder(others, first, reader, Sidecars(root), remarks, lookup)
            found = finder.regions(self.regions_filter or {})
            lost = {name: found.absent[name] for name in found.absent if name in found.claimed}
            lost |= aliases.lost_unions(lost)
            source = Path(self.alias_file).expanduser() if self.alias_file else None
            own = aliases.read_aliases(source) if source else {}
            regions = aliases.with_aliases(found.found, own, source, lost)
            absent = {n: why for n, why in {**found.absent, **lost}.items() if n not in regions}
            mask = next((m for m in MASKS if m in regions or m in lost), "all")
            rois = tuple(region.roi for region in regions.values())
            anatomy = find_anatomy(files, first, grid, remarks)
            if not len(trials):
                raise DataError(f"{who}: no trial has a stimulus and a side of the split.")
            about = Subject(
                label,
                grid,
                trials,
                rois,
                mask,
                anatomy,
                first["task"],
                remarks.all(),
                tuple(absent),
            )
            self._opened[label] = _Open(about, kept, regions, absent, reader)
        return self._opened[label]

    def _files(self, label: str, root: Path) -> tuple[BidsFile, ...]:
        if label not in self.subjects():
            raise MissingDataError(
                f"{root}: no subject {label!r}.{near(label, self.subjects())} "
                f"Subjects: {listing(self.subjects())}."
            )
        return subject_files(root, label, self._cache())

    def _responses(self, label: str, files: Sequence[BidsFile]) -> tuple[Responses, ...]:
        """Return the betas of every session and run with the rows of their tables."""
        wanted = self.betas_filter or {}
        found = find_series(files, wanted, self.space, self.task, f"{self._root()}: sub-{label}")
        tables = files
        if self.events_dir:
            raw = Path(self.events_dir).expanduser()
            if not (raw / f"sub-{label}").is_dir():
                raise MissingDataError(
                    f"datasets.bids.events_dir: {raw} has no folder sub-{label}."
                )
            tables = subject_files(raw.absolute(), label, self._cache())
        tables = [file for file in tables if file["suffix"] in TABLES]
        reader = Tables(self.stimulus_column, self._stimuli())
        out = []
        for series in found:
            grid, count = volumes.grid_of(series.files[0].path, template=self._template())
            if len(series.files) > 1:  # the headers of the others are read with their data
                count = len(series.files)
            out.append(Responses(series, grid, reader.rows(series, tables, count)))
        self._seen[label] = frozenset(bare(row.stimulus) for part in out for row in part.rows)
        return tuple(out)

    def _sides(self, label: str, rows: Sequence[Row]) -> Sequence[str]:
        stimuli = [row.stimulus for row in rows]
        if self.split_file:
            return rules.from_file(Path(self.split_file).expanduser(), stimuli, f"sub-{label}")
        if self.split not in ("", "column"):
            return rules.by_rule(self.split, stimuli, self._sharing)
        texts = [row.split for row in rows]
        if None in texts and any(texts):
            row = rows[texts.index(None)]
            raise DataError(
                f"{self._root()}: sub-{label}: the events of session {row.session!r}, run "
                f"{row.run!r} have no column 'split' while others do; write it into all of them."
            )
        if not any(texts):
            catalogue = self._stimuli().catalogue()
            texts = [catalogue.get(bare(s), {}).get("split", "") for s in stimuli]
        if not any(texts):
            raise DataError(
                f"{self._root()}: sub-{label}: nothing says which images are the test set: neither "
                "the events nor stimuli.tsv has a column 'split' with train and test. Choose with "
                f"--set datasets.bids.split=…: {rules.RULES}."
            )
        sides = [rules.side(text or "", f"sub-{label}") for text in texts]
        rules.check_sides(stimuli, sides, f"{self._root()}: sub-{label}")
        return sides

    def _sharing(self) -> dict[str, int]:
        """Return how many subjects saw each image and, under an empty name, how many there are."""
        labels = self.subjects()
        counts = {"": len(labels)}
        for label in labels:
            for stimulus in self._shown(label):
                counts[stimulus] = counts.get(stimulus, 0) + 1
        return counts

    def _shown(self, label: str) -> frozenset[str]:
        """Return which stimuli a subject saw; only tables and headers are read."""
        if label not in self._seen:
            self._responses(label, self._files(label, self._root()))
        return self._seen[label]

    # --- places -------------------------------------------------------------------------------

    def _root(self) -> Path:
        return root_folder(self.root)

    def _cache(self) -> Path:
        return cache_folder(self.cache_dir)

    def _template(self) -> Grid | None:
        """Return the grid of the image that gives a place to others, if the user named one."""
        if not self.affine_from:
            return None
        path = Path(self.affine_from).expanduser().absolute()
        grid, _ = volumes.grid_of(path)
        if not grid.placed:
            raise DataError(
                f"{volumes.AFFINE_FROM}: {path} has no place either, {why_unplaced(grid)}."
            )
        return grid

    def _stimuli(self) -> Pictures:
        if self._pictures is None:
            root = self._root()
            named = Path(self.stimuli_dir).expanduser().absolute() if self.stimuli_dir else None
            if named and not named.is_dir():
                raise MissingDataError(f"datasets.bids.stimuli_dir: there is no folder {named}.")
            captions = Path(self.captions_file).expanduser() if self.captions_file else None
            self._pictures = Pictures(named or root / "stimuli", named or root, captions)
        return self._pictures
