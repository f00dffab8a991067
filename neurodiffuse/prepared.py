"""Betas that were prepared for one run and serve every other run of the same files and voxels.

They lie in a cache, a folder for each combination. A folder exists exactly when its content is
complete: it is made beside its place, under a lock that a killed process lets go, and renamed.
Runs hold hard links to the files, so they take up space once and survive the cache.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import platformdirs

from neurodiffuse.locks import held
from neurodiffuse.progress import say
from neurodiffuse.run import Run
from neurodiffuse.run.hashing import stamp_of
from neurodiffuse.types import Subject

CACHE = "NEURODIFFUSE_CACHE"
"""Environment variable with the cache's folder; ``off`` keeps nothing."""

FORMAT = 3
"""Of what is kept: another number whenever the mask step computes or stores something else."""


def cache_folder() -> Path | None:
    """Return where prepared betas are kept, None if they are not."""
    given = os.environ.get(CACHE, "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given).expanduser() / "betas"
    return platformdirs.user_cache_path("neurodiffuse", appauthor=False) / "betas"


def key_of(run: Run, about: Subject, voxels: np.ndarray) -> str:
    """Return what tells prepared betas apart, empty where the data set names no files.

    It covers names, sizes and times of the files of betas and of what says how they are stored
    and which trials they are of, the data set's fingerprint and version, the voxels, and the
    settings of the mask step. One of the times is that of the last change of
    anything, which a file has anew that was written again with its old time.
    """
    files = run.dataset.files(about.label)
    if not files:
        return ""
    card = run.registry.card("dataset", run.config.dataset)
    beside = run.dataset.inputs(about.label).get("responses", ())
    stats = [(path.name, stamp_of(path)) for path in dict.fromkeys((*files, *beside))]
    settings = (run.config.mask.repetitions, run.config.mask.nonfinite)
    said = (
        FORMAT,
        card.target,
        card.version,
        run.dataset.fingerprint(about.label),
        settings,
        stats,
    )
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(np.packbits(voxels).tobytes())
    return f"{run.config.dataset}-sub-{about.label}-{digest.hexdigest()[:16]}"


def fill(folder: Path, key: str, size: int, make: Callable[[Path], None], *, quiet: bool) -> None:
    """Fill an empty folder with what ``make`` writes, or with what it wrote for the same key.

    Parameters
    ----------
    folder
        To be filled.
    key
        As `key_of` returned it; empty: nothing is kept.
    size
        Bytes that ``make`` writes, about.
    make
        Writes plain files into the folder it is given.
    quiet
        Do not say that what was kept is used.
    """
    cache = cache_folder() if key else None
    if cache is None or not _usable(cache, size, quiet):
        make(folder)
        return
    place = cache / key

    def wait(_: str) -> None:
        say("betas: another process is preparing the same; waiting for it", quiet=quiet)

    with held(place.with_name(place.name + ".lock"), wait, quiet=quiet) as alone:
        if not alone and not place.exists():  # two processes could write the same files
            make(folder)
            return
        if place.exists():
            say(f"betas: prepared before, in {place}", quiet=quiet)
        else:
            partial = place.with_name(place.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            try:
                make(partial)
            except BaseException:
                shutil.rmtree(partial, ignore_errors=True)
                raise
            partial.rename(place)
        for path in place.iterdir():
            _link(path, folder / path.name)


def _usable(cache: Path, size: int, quiet: bool) -> bool:
    """Return whether the cache can take ``size`` more bytes; say why not."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        if not os.access(cache, os.W_OK):
            raise PermissionError("it cannot be written")
        if shutil.disk_usage(cache).free < 1.1 * size:
            raise OSError("its disk is full")
    except OSError as error:
        why = error.strerror or str(error)
        say(
            f"betas: prepared for this run alone, since they cannot be kept in {cache} ({why}); "
            f"{CACHE} names another folder",
            quiet=quiet,
        )
        return False
    return True


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
