"""Time the preparation of a full-size NSD subject: ``python benchmarks/nsd_prepare.py``.

A synthetic tree in NSD's layout: one subject of 81 x 104 x 83 voxels, 15,724 of them in the mask,
and sessions of 750 trials. A few sessions are generated and the rest are further names of the same
files, so the tree has 37 sessions and takes up the space of a few. Every measurement is a process
of its own, so that its peak memory is its own.

- ``prepare``: the mask step as ``neurodiffuse decode`` runs it, on all 37 sessions: read, mask,
  average, standardise, write. What was read before is in the system's memory.
- ``again``: the same for another run, which finds what was prepared.
- ``cold``: reading distinct sessions that were dropped from the system's memory.
- ``floor``: the least that can be done with the same bytes: read a file once, inflate it where it
  is packed, take the mask's columns. One thread, nothing kept. Of HDF5 also reading only the
  mask's pieces at known places.

The responses are noise in an ellipsoid of a quarter of the volume; how well they pack, and so the
time of NIfTI, is not that of NSD.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from isal import igzip
from scipy.io import savemat
from scipy.ndimage import gaussian_filter

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run
from neurodiffuse.steps.mask import mask
from neurodiffuse_nsd.dataset import NsdDataset
from neurodiffuse_nsd.nifti import fortran, volume
from neurodiffuse_nsd.simulate.volumes import header, write_series, write_volume, write_voxelwise
from neurodiffuse_nsd.tree import Tree

SHAPE, VOXELS, TRIALS, SESSIONS, SIZE = (81, 104, 83), 15_724, 750, 37, 1.8
FORMATS = {"nifti": ".nii.gz", "hdf5": ".hdf5"}


# --- the tree ----------------------------------------------------------------------------------


def make_tree(root: Path, distinct: int) -> None:
    """Write design, mask and sessions; sessions beyond ``distinct`` are links to those."""
    tree, rng = Tree(root), np.random.default_rng(0)
    write_design(tree, rng)
    brain, mask = tissue(rng)
    write_volume(
        tree.volumes("01", "func1pt8mm") / "roi/nsdgeneral.nii.gz",
        np.where(mask, 1, np.where(brain, 0, -1)).astype(np.int16),
        SIZE,
    )
    folder = tree.betas("01", "func1pt8mm", "b3")
    for session in range(1, distinct + 1):
        series = responses(brain, np.random.default_rng(session))
        about = header((*SHAPE, TRIALS), SIZE, "<i2")
        write_series(folder / f"betas_session{session:02d}.nii.gz", about, [series])
        write_voxelwise(folder / f"betas_session{session:02d}.hdf5", series)
        print(f"session {session} written", file=sys.stderr, flush=True)
    for session in range(distinct + 1, SESSIONS + 1):
        for suffix in FORMATS.values():
            source = folder / f"betas_session{(session - 1) % distinct + 1:02d}{suffix}"
            os.link(source, folder / f"betas_session{session:02d}{suffix}")


def write_design(tree: Tree, rng: np.random.Generator) -> None:
    """Write a design of NSD's size: 10,000 pictures of a subject, each three times."""
    pattern = np.zeros((40, 12, 75), np.uint8)
    pattern[:, 0::2, :63] = 1
    pattern[:, 1::2, :62] = 1
    ids = rng.permutation(73_000) + 1
    pictures = np.hstack([np.tile(np.sort(ids[:1000]), (8, 1)), ids[1000:].reshape(8, 9000)])
    order = rng.permutation(np.repeat(np.arange(1, 10_001), 3))
    tree.design.parent.mkdir(parents=True)
    savemat(
        tree.design,
        {"masterordering": order[None], "subjectim": pictures, "stimpattern": pattern},
    )


def tissue(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return brain and mask, bool (x, y, z): the mask is patches in the brain's back half."""
    at = np.indices(SHAPE) / np.reshape(SHAPE, (3, 1, 1, 1)) - 0.5
    brain = (at**2).sum(axis=0) < 0.15
    field = gaussian_filter(rng.standard_normal(SHAPE), 2.5)
    field[~brain | (at[1] > 0)] = -np.inf
    mask = np.zeros(SHAPE, bool)
    mask.ravel()[np.argsort(field.ravel())[-VOXELS:]] = True
    return brain, mask


def responses(brain: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return int16 (trial, z, y, x): noise of 2 % in the brain, 0 elsewhere."""
    series = np.zeros((TRIALS, *SHAPE[::-1]), np.int16)
    inside = brain.T
    count = int(inside.sum())
    for one in series:
        one[inside] = rng.standard_normal(count, np.float32) * 600
    return series


Seconds = tuple[float, float]
"""Of the clock, and of the processor: what matters on a machine that does other work too."""


def now() -> Seconds:
    """Return the two clocks."""
    return time.perf_counter(), time.process_time()


def since(start: Seconds) -> Seconds:
    """Return what has passed on the two clocks."""
    wall, processor = now()
    return wall - start[0], processor - start[1]


# --- what is measured --------------------------------------------------------------------------


def prepare(root: Path, form: str, out: str) -> Seconds:
    """Run the mask step on all sessions."""
    registry = Registry.installed()
    config = resolve(
        registry,
        dataset="nsd",
        subjects=["1"],
        recipe="pixels",
        root=str(root),
        settings=[f"datasets.nsd.format={form}", f"datasets.nsd.n_sessions={SESSIONS}"],
    )
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(root.parent / out, config, registry, dataset, quiet=True)
    run.subject("01")
    start = now()
    mask(run, "01")
    return since(start)


def cold(root: Path, form: str, distinct: int) -> Seconds:
    """Read the distinct sessions after dropping them from memory; return what one takes."""
    data = NsdDataset(str(root), format=form, n_sessions=distinct)  # type: ignore[arg-type]
    voxels = data.roi("01", "nsdgeneral")
    drop(data.files("01"))
    start = now()
    for block in data.betas("01", voxels):
        block.sum()
    wall, processor = since(start)
    return wall / distinct, processor / distinct


def drop(paths: tuple[Path, ...]) -> None:
    """Ask the system to forget what it has read of files."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def floor(root: Path, form: str, kind: str) -> Seconds:
    """Do the least work for one session, read from the system's memory."""
    tree = Tree(root)
    voxels = volume(tree.volumes("01", "func1pt8mm") / "roi/nsdgeneral.nii.gz")[0] > 0
    places = fortran(voxels, SHAPE)
    path = tree.betas("01", "func1pt8mm", "b3") / f"betas_session01{FORMATS[form]}"
    where = chunk_places(path, voxels) if kind == "pieces" else None
    path.read_bytes()
    start = now()
    if where is not None:
        with path.open("rb") as file:
            pieces = [os.pread(file.fileno(), 2 * TRIALS, int(at)) for at in where]
        taken = np.frombuffer(b"".join(pieces), np.int16).reshape(len(pieces), TRIALS)
        assert taken.shape == (VOXELS, TRIALS)
    else:
        taken = whole(path, places)
        assert taken.shape == (TRIALS, VOXELS)
    return since(start)


def whole(path: Path, places: np.ndarray) -> np.ndarray:
    """Read a session front to back, 24 volumes at a time, and take the mask's columns."""
    size = 2 * int(np.prod(SHAPE))
    opener: Callable[..., object] = igzip.open if path.suffix == ".gz" else open
    parts = []
    with opener(path, "rb") as file:  # type: ignore[attr-defined]
        file.read(352)
        for _ in range(0, TRIALS, 24):
            block = file.read(24 * size)
            count = len(block) // size
            parts.append(
                np.frombuffer(block[: count * size], np.int16).reshape(count, -1)[:, places]
            )
    return np.concatenate(parts)[:TRIALS]


def chunk_places(path: Path, voxels: np.ndarray) -> list[int]:
    """Return where in the file the trials of each of the mask's voxels begin."""
    wanted = voxels.reshape(SHAPE).transpose(2, 1, 0)
    places: list[int] = []

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        if wanted[chunk.chunk_offset[1:]]:
            places.append(chunk.byte_offset)

    with h5py.File(path) as file:
        file["betas"].id.chunk_iter(note)
    return places


# --- the table ---------------------------------------------------------------------------------


def measured(*words: str) -> tuple[Seconds, float]:
    """Run one measurement in a process of its own; return seconds and peak memory in GiB."""
    command = [sys.executable, __file__, *words]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seconds, peak = json.loads(said.splitlines()[-1])
    return tuple(seconds), peak


def measure(words: list[str]) -> None:
    """Measure what the words say and print seconds and peak memory."""
    kind, root, form = words[0], Path(words[1]), words[2]
    if kind == "prepare":
        seconds = prepare(root, form, words[3])
    elif kind == "cold":
        seconds = cold(root, form, int(words[3]))
    else:
        seconds = floor(root, form, words[3])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps([seconds, peak]))


def report(root: Path, distinct: int) -> None:
    """Measure everything and print it as a table, row by row."""
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    sizes = f"{SESSIONS} sessions of {TRIALS} trials, {VOXELS:,} of {np.prod(SHAPE):,} voxels"
    print(f"{machine}, load {os.getloadavg()[0]:.0f}; {sizes}; seconds of the clock (processor)\n")
    print("| format | file | prepare | again | peak memory | a session | floor | ratio | cold |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    folder, place = Tree(root).betas("01", "func1pt8mm", "b3"), str(root)
    for form, suffix in FORMATS.items():
        whole, peak = measured("prepare", place, form, f"run-{form}")
        again, _ = measured("prepare", place, form, f"again-{form}")
        slow, _ = measured("cold", place, form, str(distinct))
        kinds = ("whole", "pieces") if form == "hdf5" else ("whole",)
        floors = {kind: measured("floor", place, form, kind)[0] for kind in kinds}
        size = (folder / f"betas_session01{suffix}").stat().st_size / 2**20
        one = (whole[0] / SESSIONS, whole[1] / SESSIONS)
        least = ", ".join(f"{kind} {said(value)}" for kind, value in floors.items())
        ratio = ", ".join(f"{one[1] / value[1]:.1f}" for value in floors.values())
        print(
            f"| {form} | {size:.0f} MiB | {said(whole)} | {said(again)} | {peak:.2f} GiB | "
            f"{said(one)} | {least} | {ratio} | {said(slow)} |",
            flush=True,
        )


def said(seconds: Seconds) -> str:
    """Return both clocks as text."""
    return f"{seconds[0]:.2f} ({seconds[1]:.2f})"


def main() -> None:
    """Write the tree, measure, print, and remove everything."""
    if len(sys.argv) > 2 and sys.argv[1] in ("prepare", "cold", "floor"):
        measure(sys.argv[1:])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the tree, about 3 GB; removed after")
    parser.add_argument("--distinct", type=int, default=2, help="sessions that are generated")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="nsd-prepare-", dir=asked.out))
    os.environ["NEURODIFFUSE_CACHE"] = str(place / "cache")
    try:
        make_tree(place / "tree", asked.distinct)
        report(place / "tree", asked.distinct)
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
