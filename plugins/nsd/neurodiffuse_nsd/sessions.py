"""A subject's files of betas: which there are, on which grid, read in parallel and in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from neurodiffuse.errors import MissingDataError
from neurodiffuse.readers.grids import NOTED, Alignment, align, axes_of, difference
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.samples import remark_on_samples
from neurodiffuse.readers.spread import VOLUMES, remark_on_spreads, sample_of_files
from neurodiffuse.readers.volumes import about_two_places
from neurodiffuse.types import Grid, Remark, Shape
from neurodiffuse_nsd import hdf5, nifti, surface
from neurodiffuse_nsd.tree import (
    HEMISPHERES,
    VOXEL,
    AbsentFileError,
    Tree,
    WrongFileError,
    check_content,
    first_of,
)

Format = Literal["auto", "nifti", "hdf5"]

SUFFIXES = {"hdf5": ".hdf5", "nifti": ".nii.gz"}
"""The ends of names, in the order in which ``auto`` looks for them."""

IN_FLIGHT = 512 * 2**20
"""Bytes of masked betas that wait to be taken, at most, when sessions are read in parallel."""

APART = 30
"""How many times as large as another session's betas no session's are, in one unit."""

UNITS = (
    "Floats are taken for percent, integers for percent times 300; one of the two files is not "
    "NSD's own."
)
"""How the unit of a session is told, which may be wrong."""

PUBLISHED = {"01": 40, "02": 40, "03": 32, "04": 30, "05": 40, "06": 32, "07": 40, "08": 30}
"""Sessions of each subject (NSD Data Manual, technical notes)."""


@dataclass(frozen=True)
class Session:
    """One session's file of betas; on a surface one of each hemisphere."""

    number: int
    paths: tuple[Path, ...]

    @property
    def path(self) -> Path:
        """The file, or the first of them."""
        return self.paths[0]

    @cached_property
    def _header(self) -> nifti.Header:
        return nifti.read_header(self.path)

    def shape(self) -> tuple[Shape, int]:
        """Return the grid's shape and the number of trials, from headers alone."""
        if len(self.paths) == 2:
            shapes = [surface.shape_of(path) for path in self.paths]
            return (sum(count for count, _ in shapes), 1, 1), shapes[0][1]
        if self.path.suffix == ".hdf5":
            return hdf5.shape_of(self.path)
        return self._header.shape, self._header.volumes

    def affine(self, shape: Shape, space: str) -> np.ndarray:
        """Return the way from voxels to mm; HDF5 does not say, and gets NSD's: see `centred`."""
        if self.path.suffix == ".hdf5":
            return centred(shape, VOXEL[space])
        return np.eye(4) if len(self.paths) == 2 else self._header.affine

    def grid(self, space: str) -> Grid:
        """Return the grid, from headers alone; HDF5 has NSD's, without a header to say so."""
        shape, _ = self.shape()
        flat = self.path.suffix == ".hdf5" or len(self.paths) == 2
        return Grid(shape, self.affine(shape, space), space, flat or self._header.placed)

    def betas(self, voxels: np.ndarray, way: Alignment) -> Iterator[np.ndarray]:
        """Yield percent signal change, float32 (k, n_voxels), for some trials at a time.

        ``voxels`` and the columns are in the order of the subject's grid, on which the session
        lies as ``way`` says.
        """
        if not way.is_plain:
            shape, _ = self.shape()
            places = way.apply(np.arange(voxels.size).reshape(shape)).ravel()[voxels]
            own = np.zeros(voxels.size, bool)
            own[places] = True
            columns = np.searchsorted(np.flatnonzero(own), places)
            for block in self.betas(own, Alignment()):
                yield block[:, columns]
        elif len(self.paths) == 2:
            yield from surface.masked((self.paths[0], self.paths[1]), voxels)
        elif self.path.suffix == ".hdf5":
            for block in hdf5.masked(self.path, voxels):
                yield np.divide(block, np.float32(nifti.SCALE), dtype=np.float32)
        else:
            for block in nifti.masked(self.path, self._header, voxels):
                yield self._header.percent(block)


def check_units(sessions: Sequence[Session]) -> tuple[Remark, ...]:
    """Refuse sessions in different units, by the first trials of each file.

    Returns warnings about those without values, copies, and those on another level. HDF5 files
    need no look: they are refused unless they hold NSD's integers.

    Raises
    ------
    DataError
        If those of one vary `APART` times as much as those of another, in what is taken for
        percent.
    """
    told: list[Remark] = []
    spreads: dict[str, float] = {}
    for paths in zip(*(session.paths for session in sessions), strict=True):  # a hemisphere's
        sampled = {
            path.name: sample_of_files((path,), range(VOLUMES), _unit)
            for path in paths
            if path.suffix != ".hdf5"
        }
        samples = {name: sample for name, sample in sampled.items() if sample is not None}
        spreads |= {name: sample.spread for name, sample in samples.items()}
        told += remark_on_samples(samples, "Leave such sessions out, or fetch them again.")
    for remark in remark_on_spreads(spreads, UNITS, APART):
        raise WrongFileError(f"{sessions[0].path.parent}: {remark.text}")
    return tuple(told)


def _unit(path: Path) -> float:
    """Return what a file's values, as nibabel scales them, must be multiplied by."""
    if path.suffix == ".mgh":
        return 1.0
    header = nifti.read_header(path)
    if header.scaled:
        return 1.0
    return float(header.percent(np.ones(1, header.dtype))[0])


def find_sessions(
    tree: Tree, subject: str, *, space: str, version: str, form: Format, first: int, planned: int
) -> tuple[Session, ...]:
    """Return the files of a subject's first sessions.

    Parameters
    ----------
    tree, subject, space, version
        Where to look.
    form
        ``auto`` takes HDF5 where there is such a file: of it only the mask is read.
    first
        How many sessions are wanted, 0 for those that are there. More than a subject has are
        not asked for: the published number, or ``planned`` where that is less.
    planned
        Sessions of the design.

    Raises
    ------
    MissingDataError
        If a session is not there, or its content is not, or there is none.
    """
    folder = tree.betas(subject, space, version)
    last = min(PUBLISHED.get(subject, planned), planned)
    found = {n: files for n in range(1, last + 1) if (files := _files(folder, n, space, form))}
    if not found:
        raise MissingDataError(
            f"{folder}: there are no betas, no {_name(1, space, form)}. {tree.fetch(subject)}"
        )
    wanted = min(first, last) if first else max(found)
    for number in range(1, wanted + 1):
        if number not in found:
            raise MissingDataError(
                f"{folder / _name(number, space, form)}: session {number} of {wanted} is not "
                f"there.{_fewer(number)} {tree.fetch(subject)}"
            )
        try:
            check_content(*found[number])
        except AbsentFileError as error:
            raise AbsentFileError(f"{error}{_fewer(number)}") from error
    return tuple(Session(number, found[number]) for number in range(1, wanted + 1))


def _fewer(number: int) -> str:
    """Return how to do without a session and those after it."""
    return f" Without it: --set datasets.nsd.n_sessions={number - 1}." if number > 1 else ""


def _files(folder: Path, number: int, space: str, form: Format) -> tuple[Path, ...]:
    name, suffixes = f"betas_session{number:02d}", SUFFIXES.items()
    if space == "fsaverage":
        return first_of([[folder / f"{h}.{name}.mgh" for h in HEMISPHERES]])
    return first_of([folder / f"{name}{end}"] for k, end in suffixes if form in ("auto", k))


def _name(number: int, space: str, form: Format) -> str:
    if space == "fsaverage":
        return f"[lh|rh].betas_session{number:02d}.mgh"
    return f"betas_session{number:02d}{SUFFIXES['hdf5' if form == 'hdf5' else 'nifti']}"


def grid_of(
    sessions: Sequence[Session], space: str, trials: Sequence[int], remarks: Remarks
) -> tuple[Grid, tuple[Alignment, ...]]:
    """Return the first session's grid, and how each session lies on it; headers alone are read.

    Axes that are permuted or flipped are put in order. Where sessions of one shape say that they
    lie elsewhere, NSD's voxels are taken for the same all the same, and it is told.

    Raises
    ------
    DataError
        If a session is on another grid than the first, or has another number of trials than
        the design.
    """
    grid = sessions[0].grid(space)
    ways = []
    for session, planned in zip(sessions, trials, strict=True):
        own, (_, count) = session.grid(space), session.shape()
        way = place_on(own, grid, session.path, remarks, "the first session")
        if way is None:
            raise WrongFileError(
                f"{session.path}: is on another grid than {sessions[0].path.name}: "
                f"{difference(own, grid, 'the others')}. One of them is another subject's, or in "
                "another space."
            )
        if count != planned:
            raise WrongFileError(
                f"{session.path}: has {count} trials where nsd_expdesign.mat plans {planned}. "
                "The file is damaged, or not a session of NSD."
            )
        ways.append(way)
    return grid, tuple(ways)


def place_on(
    own: Grid, grid: Grid, path: Path, remarks: Remarks, what: str = "the betas"
) -> Alignment | None:
    """Return how a file's voxels lie on a grid, None if its shape does not fit; tell a difference.

    Files of NSD that have the shape of the betas are on their grid: one that says otherwise is
    read voxel by voxel, in the order that its axes say.
    """
    way = align(own, grid)
    if way is None:
        if tuple(own.shape) != tuple(grid.shape) or axes_of(own) != axes_of(grid):
            return None
        way = Alignment(is_same=False)
    if path.name.endswith((".nii", ".nii.gz")) and (said := about_two_places(path)):
        remarks.add(path, said)
    if not way.is_plain:
        remarks.add(path, f"its axes are put in the order of {what}")
    if not way.is_same or way.mm > NOTED:
        remarks.add(
            path,
            f"says that it lies elsewhere than {what} ({difference(own, grid, what)}); the shape "
            "agrees, and its voxels are taken for the same",
            "warning" if own.placed and grid.placed and not way.is_same else "note",
        )
    return way


def centred(shape: Shape, size: float) -> np.ndarray:
    """Return the affine of NSD's volumes: world zero is the middle of the slab."""
    affine = np.diag([size, size, size, 1.0])
    affine[:3, 3] = -size * (np.asarray(shape) - 1) / 2
    return affine


def read(
    sessions: Sequence[Session],
    ways: Sequence[Alignment],
    voxels: np.ndarray,
    trials: Sequence[int],
    workers: int = 0,
) -> Iterator[np.ndarray]:
    """Yield the betas of all sessions in order, float32 (k, n_voxels).

    NIfTI files are inflated in threads, one file each. What they hand over waits in memory, so
    there are fewer threads the larger the mask is.

    Parameters
    ----------
    sessions, ways, voxels
        What to read: sessions, how each lies on the grid, bool (grid.size,).
    trials
        How many trials each session has, to know what will wait in memory.
    workers
        Threads; 0 for one a processor core.

    Raises
    ------
    DataError
        If a file is damaged.
    """
    waiting = 4 * int(voxels.sum()) * max(trials, default=0)
    room = IN_FLIGHT // max(waiting, 1) - 1
    threads = min(workers or _cores(), room, len(sessions))
    if threads < 2 or sessions[0].path.name.endswith((".hdf5", ".mgh")):
        for session, way in zip(sessions, ways, strict=True):
            yield from session.betas(voxels, way)
        return
    rest = zip(sessions, ways, strict=True)
    with ThreadPoolExecutor(threads) as pool:
        pending: deque[Future[list[np.ndarray]]] = deque()
        try:
            for session, way in rest:
                pending.append(pool.submit(_whole, session, way, voxels))
                if len(pending) > threads:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _whole(session: Session, way: Alignment, voxels: np.ndarray) -> list[np.ndarray]:
    return list(session.betas(voxels, way))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
