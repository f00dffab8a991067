"""The data set `bids`: a BIDS derivative as trials, betas, regions and stimuli."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError, is_text, listing, near
from neurodiffuse.readers import volumes
from neurodiffuse.readers.grids import why_unplaced
from neurodiffuse.readers.noting import files_read_by, note_read
from neurodiffuse.readers.pictures import ImageFiles
from neurodiffuse.readers.reach import keep_inside
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.spread import standardised
from neurodiffuse.types import Dataset, Grid, Remark, Stimuli, Subject
from neurodiffuse_bids import aliases
from neurodiffuse_bids import split as rules
from neurodiffuse_bids.choice import RowFilter
from neurodiffuse_bids.events import Responses, Row, trials_of
from neurodiffuse_bids.finding import Finder
from neurodiffuse_bids.grids import betas_grid
from neurodiffuse_bids.index import (
    BidsFile,
    entity_names,
    names_that_are_no_text,
    subject_files,
)
from neurodiffuse_bids.inputs import files_of_region
from neurodiffuse_bids.places import cache_folder, root_folder, subject_folder
from neurodiffuse_bids.regions import Reader, Region, find_anatomy
from neurodiffuse_bids.responses import Wanted, read_responses
from neurodiffuse_bids.series import NoBetasError, is_alike, on_surfaces
from neurodiffuse_bids.sidecars import Sidecars, read_json
from neurodiffuse_bids.stimuli import Pictures
from neurodiffuse_bids.units import about_units, basis

MASKS = ("nsdgeneral", "visual", "visualcortex", "VC", "brain", "mask")
"""What is decoded from unless told otherwise: the first of these that a subject has, else all."""

SHIPPED = {
    "brain-diffuser": "neurodiffuse-versatile-diffusion",
    "demo": "neurodiffuse-demo",
    "pixels": "neurodiffuse-pixels",
    "takagi": "neurodiffuse-takagi",
}
"""What to install for a recipe that ``dataset_description.json`` names."""

Filter = dict[str, str | list[str]]


@dataclass(frozen=True)
class _Open:
    """A subject and where its parts are."""

    subject: Subject
    responses: tuple[Responses, ...]
    regions: Mapping[str, Region]
    absent: Mapping[str, str]
    reader: Reader = field(compare=False)
    tables: tuple[Path, ...] = ()
    legends: tuple[Path, ...] = ()


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
    order
        What volume k of the betas belongs to where the rows of the events are not in the order
        of their onsets: to row k (``file``), or to the k-th in time (``onset``). Empty: such
        events are refused.
    sessions
        The sessions to use, in the order in which they were: ``["pre", "post"]``. Empty: all of
        them, in the order of their numbers or of ``acq_time`` in ``sessions.tsv`` or
        ``scans.tsv``.
    trials_filter, exclude
        Which trials to use: columns of the events with the values that a row must have, or must
        not have, ``{stim_type = ["Famous", "Scrambled"]}``.
    missing
        ``skip`` goes on without runs whose events are there and whose betas are not, and without
        trials whose picture is not there; ``error`` refuses them.
    duplicates
        What to do when copies of one picture, with the same pixels, are in training and in test:
        ``warn``; move them all to the test set (``together``); ``refuse``. The latter two decode
        all pictures; for a warning more than 500, or 40 megapixels, are compared as files when
        subjects are opened, and by their pixels when ``decode`` reads them.
    standardise
        ``run``: z-score each voxel within each file of betas, for runs in different units, by
        the file's training trials; by its test trials where it has less than two others.
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
        order: Literal["", "file", "onset"] = "",
        sessions: list[str] | None = None,
        trials_filter: RowFilter | None = None,
        exclude: RowFilter | None = None,
        missing: Literal["error", "skip"] = "error",
        duplicates: Literal["warn", "together", "refuse"] = "warn",
        standardise: Literal["", "run"] = "",
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
        self.duplicates = duplicates
        self.standardise = standardise
        self.order = order
        self.sessions = sessions
        self.trials_filter = trials_filter
        self.exclude = exclude
        self.missing = missing
        self.cache_dir = cache_dir
        self._found: dict[str, tuple[BidsFile, ...]] = {}
        self._opened: dict[str, _Open] = {}
        self._read: dict[str, tuple[tuple[Responses, ...], tuple[Remark, ...]]] = {}
        self._tables: dict[str, tuple[Path, ...]] = {}
        self._pictures: Pictures | None = None

    def subjects(self) -> tuple[str, ...]:
        """Return the labels of the folders ``sub-…``, sorted."""
        root = self._root()
        found = sorted(
            entry.name.removeprefix("sub-")
            for entry in os.scandir(root)
            if entry.name.startswith("sub-") and is_text(entry.name) and entry.is_dir()
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
        target, done = about.reader.target, 0
        for part in about.responses:
            files = [file.path for file in part.series.files]
            rows = [row.volume for row in part.rows]
            sides = about.subject.trials.split[done : done + len(rows)]
            done += len(rows)
            if rows:
                found = volumes.responses(files, rows, target, voxels, sidecars.factor)
                yield standardised(found, basis(sides), files[0]) if self.standardise else found

    def fingerprint(self, label: str) -> str:
        """Return a digest of the trials and of the names and sizes of the files of betas.

        A second one follows where volume k is not that of trial k: which ones the trials have.
        """
        about = self._open(label)
        files = [file.path for part in about.responses for file in part.series.files]
        sizes = [(str(path.relative_to(self._root())), path.stat().st_size) for path in files]
        said = repr((super().fingerprint(label), sizes))
        if self.standardise:
            said += f" standardised by {self.standardise}"
        digest = hashlib.sha256(said.encode()).hexdigest()
        places = [[row.volume for row in part.rows] for part in about.responses]
        if all(some == list(range(len(some))) for some in places):
            return digest
        return f"{digest} {hashlib.sha256(repr(places).encode()).hexdigest()}"

    def inputs(self, label: str) -> Mapping[str, Sequence[Path]]:
        """Return betas with their sidecars and events, tables of images, what reports show."""
        sidecars, about, pictures = Sidecars(self._root()), self._open(label), self._stimuli()
        betas = [file.path for part in about.responses for file in part.series.files]
        beside = [file for path in betas for file in sidecars.files(path)]
        events = [table for table in self._tables[label] if table not in pictures.tables()]
        anatomy = about.subject.anatomy
        return {
            "responses": (*betas, *beside, *events, *self._given(self.affine_from)),
            "trials": tuple(t for t in (*about.tables, *pictures.tables()) if t not in events),
            "captions": pictures.caption_tables(),
            "report": (self._root() / "dataset_description.json", *([anatomy] if anatomy else [])),
        }

    def region_files(self, label: str, name: str) -> Sequence[Path]:
        """Return the images of a region, the tables that name its labels, the file of aliases."""
        about = self._open(label)
        named = Path(self.alias_file).expanduser() if self.alias_file else None
        files = files_of_region(about.regions[name], about.legends, named)
        return (*files, *self._given(self.lookup))

    @staticmethod
    def _given(option: str) -> tuple[Path, ...]:
        """Return the file that an option names, if it does."""
        return (Path(option).expanduser().absolute(),) if option else ()

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
        if not self._read:  # the tables say which files the ids stand for
            for label in self.subjects():
                with suppress(DataError):  # what is wrong is told when that subject is asked for
                    self._shown(label)
        paths = pictures.paths(ids)
        captions = tuple(pictures.captions(stimulus) for stimulus in ids)
        return Stimuli(tuple(ids), ImageFiles(paths), captions)

    def about(self) -> Mapping[str, str]:
        """Return name, version, licence and citation as ``dataset_description.json`` has them.

        BIDS has no word for how wide pictures were, what they show and which recipe suits them:
        ``StimulusWidthDegrees``, ``StimulusContent`` and ``Recipe`` are ours.
        """
        path = self._root() / "dataset_description.json"
        content = read_json(path)
        generated = content.get("GeneratedBy") or [{}]
        first = generated[0] if isinstance(generated, list) else generated
        first = first if isinstance(first, dict) else {}
        recipe = _text(content, "Recipe", path)
        fields = {
            "name": content.get("Name"),
            "version": content.get("DatasetVersion") or first.get("Version"),
            "licence": content.get("License"),
            "cite": content.get("HowToAcknowledge") or content.get("DatasetDOI"),
            "degrees": content.get("StimulusWidthDegrees"),
            "pictures": _text(content, "StimulusContent", path),
            "recipe": recipe,
            "recipe_source": path if recipe else "",
            "recipe_distribution": SHIPPED.get(recipe),
        }
        return {key: str(value) for key, value in fields.items() if value}

    # --- one subject --------------------------------------------------------------------------

    def _open(self, label: str) -> _Open:
        if label not in self._opened:
            self.about()  # what cannot be read is told before anything is computed
            who, root = f"sub-{label}", self._root()
            files = self._files(label, root)
            responses, remarks = self._responses(label)
            first = responses[0].series.files[0]
            told = Remarks(root)
            grid = betas_grid(responses, self._template(), told)
            target = volumes.Target(grid, self._template(), self.resample)
            rows = [row for part in responses for row in part.rows]
            if not rows:
                raise DataError(f"{root}: {who}: {self._why_no_trials()}")
            (sides, about_split), tables = files_read_by(self._sides, label, rows)
            trials, kept = trials_of(responses, sides)
            if strange := names_that_are_no_text(root, label):
                text = f"{len(strange)} files whose names are not UTF-8: {listing(strange, most=3)}"
                remarks = (*remarks, Remark(text, "left out"))
            for file in on_surfaces(files, self.betas_filter or {}):
                told.add(file.path, "betas on a surface are not read, volumes are", "left out")
            used = {f.path for part in responses for f in part.series.files}
            others = [f for f in files if f.path not in used and not is_alike(f, first)]
            reader, sidecars = Reader(target), Sidecars(root)
            for path in (f.path for part in kept for f in part.series.files):
                sidecars.factor(path)  # a damaged sidecar is told before anything is computed
            lookup = Path(self.lookup).expanduser().absolute() if self.lookup else None
            finder = Finder(others, first, reader, sidecars, told, lookup)
            found, legends = files_read_by(finder.regions, self.regions_filter or {})
            lost = {name: found.absent[name] for name in found.absent if name in found.claimed}
            lost |= aliases.lost_unions(lost)
            source = Path(self.alias_file).expanduser() if self.alias_file else None
            own = aliases.read_aliases(source) if source else {}
            regions = aliases.with_aliases(found.found, own, source, lost)
            absent = {n: why for n, why in {**found.absent, **lost}.items() if n not in regions}
            mask = next((m for m in MASKS if m in regions or m in lost), "all")
            rois = tuple(region.roi for region in regions.values())
            anatomy = find_anatomy(files, first, grid, told)
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
                (
                    *remarks,
                    *about_split,
                    *about_units(kept, trials.split, sidecars, self.standardise),
                    *told.all(),
                ),
                tuple(absent),
                self._choices(),
            )
            self._opened[label] = _Open(about, kept, regions, absent, reader, tables, legends)
        return self._opened[label]

    def _choices(self) -> tuple[str, ...]:
        """Return the settings of the user that leave trials out."""
        given = {
            "trials_filter": self.trials_filter,
            "exclude": self.exclude,
            "sessions": self.sessions,
            "betas_filter": self.betas_filter,
            "missing": self.missing == "skip",
            "duplicates": self.duplicates == "together",
        }
        return tuple(f"datasets.bids.{name}" for name, value in given.items() if value)

    def _why_no_trials(self) -> str:
        choices = self._choices()
        if not choices:
            return "no row of the events has a stimulus."
        leave = "leaves" if len(choices) == 1 else "leave"
        return f"{' and '.join(choices)} {leave} no trial. Choose others."

    def _files(self, label: str, root: Path) -> tuple[BidsFile, ...]:
        if label not in self.subjects():
            raise MissingDataError(
                f"{root}: no subject {label!r}.{near(label, self.subjects())} "
                f"Subjects: {listing(self.subjects())}."
            )
        if label not in self._found:
            subject_folder(root, label)
            self._found[label] = subject_files(root, label, self._cache())
        return self._found[label]

    def _responses(self, label: str) -> tuple[tuple[Responses, ...], tuple[Remark, ...]]:
        """Return the betas of every session and run with their trials, and what to remark."""
        if label not in self._read:
            root = self._root()
            files = tables = self._files(label, root)
            raw = Path(self.events_dir).expanduser().absolute() if self.events_dir else root
            if self.events_dir:
                own = subject_folder(raw, label) if raw.is_dir() else ""
                if not own:
                    raise MissingDataError(
                        f"datasets.bids.events_dir: {raw} has no folder sub-{label}."
                    )
                tables = subject_files(raw, own, self._cache())
            wanted = Wanted(
                self.betas_filter or {},
                self.space,
                self.task,
                self.sessions or (),
                self.stimulus_column,
                self.order,
                self.trials_filter,
                self.exclude,
                self.missing,
                self._template(),
            )
            self._read[label], self._tables[label] = files_read_by(
                read_responses, label, files, tables, wanted, self._stimuli(), (root, raw)
            )
        return self._read[label]

    def _sides(self, label: str, rows: Sequence[Row]) -> tuple[Sequence[str], tuple[Remark, ...]]:
        """Return the side of every trial, and what to remark on the split."""
        stimuli, pictures = [row.stimulus for row in rows], self._stimuli()
        remarks: tuple[Remark, ...] = ()
        copies: Mapping[str, str] | None = None
        where = f"{self._root()}: sub-{label}"
        if self.split_file:
            path = Path(self.split_file).expanduser()
            if not path.is_file():
                raise MissingDataError(
                    f"datasets.bids.split_file: there is no table {path.absolute()}. A path counts "
                    "from the folder in which the command is given."
                )
            sides: Sequence[str]
            sides, remarks = rules.from_file(path, stimuli, pictures, f"sub-{label}")
        elif self.split in ("", "column"):
            sides, remarks = self._column(where, rows)
            rules.check_sides(stimuli, sides, where)
        else:
            seen: Mapping[str, frozenset[str]] = {}
            if self.split == "shared":
                seen, remarks = self._seen_by_all()
            same: Mapping[str, str] = {}
            if self.duplicates == "together":
                every = dict.fromkeys(
                    [*stimuli, *(i for ids in seen.values() for i in sorted(ids))]
                )
                same = copies = pictures.copies(every, every=True)
            of = {i: same.get(i) or pictures.key(i) for i in {*stimuli}.union(*seen.values())}
            sides = rules.by_rule(self.split, stimuli, of, lambda: rules.sharing(seen, of))
            rules.check_repeats(self.split, [of[s] for s in stimuli], where)
        lost = rules.without_side(stimuli, sides, self.split_file or "the column split")
        if copies is None:
            shown = dict.fromkeys(s for s, own in zip(stimuli, sides, strict=True) if own)
            copies = pictures.copies(shown, every=self.duplicates != "warn")
        sides, more = rules.apart(stimuli, sides, copies, self.duplicates, where)
        return sides, (*remarks, *lost, *more)

    def _column(self, where: str, rows: Sequence[Row]) -> tuple[Sequence[str], tuple[Remark, ...]]:
        """Return the sides that the events have in a column, else ``stimuli.tsv``.

        What they say different things of is remarked on.
        """
        texts = [row.split for row in rows]
        if None in texts and any(texts):
            row = rows[texts.index(None)]
            raise DataError(
                f"{where}: the events of session {row.session!r}, run "
                f"{row.run!r} have no column 'split' while others do; write it into all of them."
            )
        listed = [self._stimuli().row(row.stimulus).get("split", "") for row in rows]
        remarks: tuple[Remark, ...] = ()
        if any(texts):
            stimuli = [row.stimulus for row in rows]
            remarks = rules.contradictions(stimuli, [text or "" for text in texts], listed)
        else:
            texts = [*listed]
        if not any(texts):
            raise DataError(
                f"{where}: nothing says which images are the test set: neither "
                "the events nor stimuli.tsv has a column 'split' with train and test. Choose with "
                f"--set datasets.bids.split=…: {rules.RULES}."
            )
        return [rules.side(text or "", where) for text in texts], remarks

    def _seen_by_all(self) -> tuple[dict[str, frozenset[str]], tuple[Remark, ...]]:
        """Return which stimuli each subject saw, and the subjects that have no betas."""
        seen, without = {}, []
        for label in self.subjects():
            try:
                seen[label] = self._shown(label)
            except NoBetasError:
                without.append(f"sub-{label}")
        text = f"{listing(without)}: no betas; split = shared counts the other {len(seen)} subjects"
        return seen, (Remark(text, "left out"),) if without else ()

    def _shown(self, label: str) -> frozenset[str]:
        """Return which stimuli a subject saw; only tables and headers are read."""
        parts, _ = self._responses(label)
        for path in self._tables[label]:
            note_read(path)
        return frozenset(row.stimulus for part in parts for row in part.rows)

    # --- places -------------------------------------------------------------------------------

    def _root(self) -> Path:
        root = root_folder(self.root)
        keep_inside(root)
        return root

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


def _text(content: Mapping[str, Any], key: str, path: Path) -> str:
    """Return a text of a JSON file, empty where there is none."""
    found = content.get(key) or ""
    if not isinstance(found, str):
        one = found[0] if isinstance(found, list) and isinstance(found[0], str) else "NAME"
        raise DataError(
            f"{path}: {key}: {json.dumps(found, ensure_ascii=False)} is no text. Write one: "
            f'"{key}": "{one}".'
        )
    return found
