"""The data set `nsd`: the Natural Scenes Dataset as trials, betas, regions and stimuli."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os.path import lexists
from pathlib import Path

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.absent import why_absent
from neurodiffuse.readers.grids import Alignment
from neurodiffuse.readers.reach import keep_inside
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.types import Dataset, Remark, Stimuli, Subject, Trials
from neurodiffuse_nsd import captions as words
from neurodiffuse_nsd import counts, design, pictures, sessions
from neurodiffuse_nsd.citation import CITE
from neurodiffuse_nsd.regions import Reader, Region, find_regions
from neurodiffuse_nsd.sessions import Format, Session
from neurodiffuse_nsd.tree import AbsentFileError, Space, Tree, Version, WrongFileError

ROOT = "NEURODIFFUSE_NSD_ROOT"
"""Environment variable with the folder, for who gives no ``--root``."""

MASK = "nsdgeneral"

_PROBE, _PROBES = 4096, 4


@dataclass(frozen=True)
class _Open:
    """A subject and where its parts are."""

    subject: Subject
    sessions: tuple[Session, ...]
    ways: tuple[Alignment, ...]
    counts: tuple[int, ...]
    regions: Mapping[str, Region]
    absent: Mapping[str, DataError]
    reader: Reader = field(compare=False)


class NsdDataset(Dataset):
    """Read the Natural Scenes Dataset in its own layout.

    Parameters
    ----------
    root
        The folder that holds ``nsddata``, ``nsddata_betas`` and ``nsddata_stimuli``; empty: the
        environment variable ``NEURODIFFUSE_NSD_ROOT``.
    n_sessions
        How many sessions to use, the first ones; of a subject with fewer all. 0 takes those
        that are there.
    space
        ``func1pt8mm`` and ``func1mm`` are volumes, ``fsaverage`` is the surface.
    version
        ``b1`` (assumed HRF), ``b2`` (fitted HRF) or ``b3`` (also denoised, ridge).
    format
        Of volumes: ``nifti``, ``hdf5``, or ``auto``, which takes HDF5 where it is there.
    captions
        The curated array (``COCO_73k_annots_curated.npy``), or a folder with it or with COCO's
        ``captions_*2017.json``. Empty: the array if it is in
        ``nsddata_stimuli/stimuli/nsd/annotations`` or ``annots``, else COCO's; ``curated`` and
        ``coco`` ask for one of them there. Plan and report name what was read.
    mask
        ROI expression that is decoded from unless ``--mask`` or the recipe names another.
    workers
        Files of betas that are read at a time; 0 is one a processor core.
    """

    def __init__(
        self,
        root: str = "",
        *,
        n_sessions: int = 0,
        space: Space = "func1pt8mm",
        version: Version = "b3",
        format: Format = "auto",
        captions: str = "",
        mask: str = MASK,
        workers: int = 0,
    ) -> None:
        for name, value in (("n_sessions", n_sessions), ("workers", workers)):
            if value < 0:
                raise ValueError(f"{name}: {value} given; it must be 0 or more.")
        if space == "fsaverage" and format != "auto":
            raise ValueError(f"format: {format!r} is of volumes; space fsaverage has one format.")
        self.root = root
        self.n_sessions = n_sessions
        self.space = space
        self.version = version
        self.format = format
        self.captions = captions
        self.mask = mask
        self.workers = workers
        self._opened: dict[str, _Open] = {}
        self._design: design.Design | None = None
        self._words: words.Captions | None = None

    def subjects(self) -> tuple[str, ...]:
        """Return ``01`` to ``08``, those that have a folder."""
        tree = self._tree()
        found = tree.subjects()
        if not found:
            raise MissingDataError(
                f"{tree.root}: is no tree of NSD, it has no folder nsddata/ppdata/subj01 or the "
                f"like. {tree.fetch()}"
            )
        return found

    def subject(self, label: str) -> Subject:
        """Return grid, trials and regions; of betas and regions headers alone are read."""
        return self._open(label).subject

    def betas(self, label: str, voxels: np.ndarray) -> Iterator[np.ndarray]:
        """Yield percent signal change, float32 (k, n_voxels), in the order of the trials.

        Of HDF5 the mask's voxels are read; NIfTI files are inflated in parallel, each in pieces.
        """
        about = self._open(label)
        with self._remedy(label):
            yield from sessions.read(about.sessions, about.ways, voxels, about.counts, self.workers)

    def roi(self, label: str, name: str) -> np.ndarray:
        """Return a region as bool or a map as float32, (grid.size,)."""
        about = self._open(label)
        if why := about.absent.get(name):
            with self._remedy(label):
                raise type(why)(f"sub-{label}: no region {name!r}: {why}")
        if name not in about.regions:
            raise MissingDataError(
                f"sub-{label}: no region {name!r}.{near(name, about.regions)} "
                f"Regions: {listing(about.regions, like=name)}."
            )
        with self._remedy(label):
            return about.reader.read(about.regions[name])

    def stimuli(self, ids: Sequence[str]) -> Stimuli:
        """Return stimuli by id, ``nsd00001`` to ``nsd73000``; their images are unread."""
        tree = self._tree()
        if not tree.pictures.exists():
            raise tree.missing(tree.pictures, "which holds the pictures", *self.subjects()[:1])
        with self._remedy():
            pictures.check(tree.pictures)
        rows = [design.number_of(stimulus) - 1 for stimulus in ids]
        if self._words is None:
            self._words = words.read_captions(tree, words.find_captions(tree, self.captions))
        said = tuple(self._words.get(row, ()) for row in rows)
        return Stimuli(tuple(ids), pictures.PictureRows(tree.pictures, rows), said)

    def files(self, label: str) -> tuple[Path, ...]:
        """Return the files that the betas are in."""
        return tuple(path for session in self._open(label).sessions for path in session.paths)

    def inputs(self, label: str) -> Mapping[str, Sequence[Path]]:
        """Return betas with the design and the button presses, captions, the anatomy."""
        tree, about = self._tree(), self._open(label)
        said = words.find_captions(tree, self.captions)
        design = [path for path in (tree.design, tree.responses(label)) if path.exists()]
        anatomy = about.subject.anatomy
        return {
            "responses": self.files(label),
            "trials": design,
            "captions": (*said, tree.picture_table) if len(said) > 1 else said,
            "report": (anatomy,) if anatomy else (),
        }

    def region_files(self, label: str, name: str) -> Sequence[Path]:
        """Return the files of a region and the table that names its labels."""
        sheet = self._open(label).regions[name].sheet
        places = (self._tree().surface_labels(place) for place in (label, "fsaverage"))
        tables = (place / f"{sheet.name}.mgz.ctab" for place in places)
        return (*sheet.paths, *sheet.ways, *(table for table in tables if table.exists()))

    def home(self) -> Path | None:
        """Return the folder of the tree, None where nobody has said where that is."""
        return self._tree().root if self.root or os.environ.get(ROOT, "") else None

    def fingerprint(self, label: str) -> str:
        """Return a digest of the trials and of the betas' files: names, sizes, pieces of content.

        The last bytes of a .nii.gz are a checksum of all of it; of others some pages are read.
        A tree that is moved or copied keeps its fingerprint.
        """
        digest = hashlib.sha256(super().fingerprint(label).encode())
        for path in self.files(label):
            digest.update(f"{path.relative_to(self._tree().root)} {path.stat().st_size}".encode())
            digest.update(_pages(path))
        return digest.hexdigest()

    def about(self) -> Mapping[str, str]:
        """Return name, licence, citation, how to get captions, what pictures are and what suits."""
        return {
            "name": "Natural Scenes Dataset",
            "licence": "NSD data access agreement: not to be passed on",
            "cite": CITE,
            "captions": "Get them with neurodiffuse fetch nsd --sub ID --part captions",
            "pictures": "natural photographs",
            "recipe": "brain-diffuser",
            "recipe_distribution": "neurodiffuse-versatile-diffusion",
            "degrees": "8.4",  # Allen et al. 2022: 8.4 x 8.4 degrees, fixated in the middle
        }

    # --- one subject --------------------------------------------------------------------------

    def _open(self, label: str) -> _Open:
        if label not in self._opened:
            self._check_label(label)
            with self._remedy(label):
                self._opened[label] = self._read(label)
        return self._opened[label]

    def _read(self, label: str) -> _Open:
        tree, plan = self._tree(), self._plan(label)
        found = sessions.find_sessions(
            tree,
            label,
            space=self.space,
            version=self.version,
            form=self.format,
            first=self.n_sessions,
            planned=plan.sessions,
        )
        times = tuple(plan.trials_in(session.number) for session in found)
        remarks = Remarks(tree.root)
        grid, ways = sessions.grid_of(found, self.space, times, remarks)
        levels = sessions.check_units(found)
        trials = self._trials(label, len(found), remarks)
        regions, absent = find_regions(tree, label, grid, self.version, remarks)
        if self.mask == MASK and MASK not in {**regions, **absent}:
            raise self._no_mask(label)
        about = Subject(
            label,
            grid,
            trials,
            tuple(region.roi for region in regions.values()),
            self.mask,
            self._anatomy(label),
            "nsdcore",
            (*self._remarks(), *remarks.all(), *levels),
            tuple(absent),
        )
        reader = Reader(grid, _spread(trials))
        return _Open(about, found, ways, times, regions, absent, reader)

    def _remarks(self) -> tuple[Remark, ...]:
        files = words.find_captions(self._tree(), self.captions)
        told = Remarks(self._tree().root)
        for path, why in words.incomplete(self._tree(), self.captions).items():
            told.add(path, why, "left out")
        return (*((Remark(words.source_of(files)),) if files else ()), *told.all())

    def _check_label(self, label: str) -> None:
        known = self.subjects()
        if label not in known:
            raise MissingDataError(
                f"{self._tree().root}: no subject {label!r}.{near(label, known)} Subjects: "
                f"{listing(known)}. {self._tree().fetch(label)}"
            )

    def _trials(self, label: str, count: int, remarks: Remarks) -> Trials:
        tree = self._tree()
        trials = design.trials_of(self._plan(label), label, count)
        path = tree.responses(label)
        if lexists(path) and why_absent(path):
            remarks.add(path, "its content was not fetched; trials are not compared with it")
        elif path.exists():
            design.check_responses(path, trials)
        if said := counts.difference(trials, count):
            warnings.warn(f"{tree.design}: sub-{label} has {said}.", stacklevel=2)
        return trials

    def _no_mask(self, label: str) -> MissingDataError:
        tree = self._tree()
        folder = tree.volumes(label, self.space) / "roi"
        path = folder / f"{MASK}.nii.gz"
        if self.space == "fsaverage":
            path = tree.surface_labels("fsaverage") / f"[lh|rh].{MASK}.mgz"
        return tree.missing(
            path, "the mask to decode from (another one: --set datasets.nsd.mask=EXPR)", label
        )

    def _anatomy(self, label: str) -> Path | None:
        """Return an image on the betas' grid to draw maps on; world coordinates are NSD's own."""
        folder = self._tree().volumes(label, self.space)
        found = (folder / name for name in (f"T1_to_{self.space}.nii.gz", "mean.nii.gz"))
        return next((path for path in found if path.exists()), None)

    @contextmanager
    def _remedy(self, label: str = "") -> Iterator[None]:
        """Add how to get NSD's own file to what is said of a wrong one."""
        try:
            yield
        except AbsentFileError as error:
            fetch = self._tree().fetch(label)
            raise MissingDataError(f"{error} Or {fetch[0].lower()}{fetch[1:]}") from error
        except WrongFileError as error:
            raise DataError(f"{error} Move it away. {self._tree().fetch(label)}") from error

    # --- places -------------------------------------------------------------------------------

    def _tree(self) -> Tree:
        given = self.root or os.environ.get(ROOT, "")
        if not given:
            raise MissingDataError(
                f"datasets.nsd.root: where is NSD? Give --root DIR or set {ROOT}; DIR is the "
                "folder that holds nsddata, nsddata_betas and nsddata_stimuli."
            )
        root = Path(given).expanduser().absolute()
        if not root.is_dir():
            where = "--root" if self.root else f"the environment variable {ROOT}"
            raise MissingDataError(f"{where}: there is no folder {root}. {Tree(root).fetch()}")
        keep_inside(root)
        return Tree(root, self._flags())

    def _flags(self) -> str:
        """Return what `neurodiffuse fetch nsd` has to be told to get what is read here."""
        form = "" if self.format == "auto" else self.format
        said = {"sessions": self.n_sessions or "", "version": self.version, "space": self.space}
        usual = {"version": "b3", "space": "func1pt8mm", "format": "nifti"}
        wanted = (said | {"format": form}).items()
        return "".join(f" --{k} {v}" for k, v in wanted if v and v != usual.get(k))

    def _plan(self, label: str) -> design.Design:
        if self._design is None:
            path = self._tree().design
            if not path.exists():
                raise self._tree().missing(path, "which says what each trial showed", label)
            self._design = design.read_design(path)
        return self._design


def _spread(trials: Trials) -> float:
    """Return the mean of 1/n over the test pictures, n being how often each was shown."""
    pairs = zip(trials.stimulus, trials.split, strict=True)
    times = Counter(stimulus for stimulus, split in pairs if split == "test")
    return float(np.mean([1 / n for n in times.values()])) if times else 1.0


def _pages(path: Path) -> bytes:
    """Return some bytes of a file, evenly from its beginning to its very end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        pages = []
        for k in range(_PROBES):
            file.seek(max(0, (size - _PROBE) * k // (_PROBES - 1)))
            pages.append(file.read(_PROBE))
    return b"".join(pages)
