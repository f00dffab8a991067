"""The run folder: start it, lock it, resume it.

A step writes beside its place and renames, so a folder exists exactly when the step ended well.
A killed run goes on where it stopped and ends with the same bytes; only ``logs/`` knows when and
how long.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import platform
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import tomli_w

from neurodiffuse import __version__
from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import DataError, RunError, listing
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Dataset, Encoder, Generator, Metric, Subject

if TYPE_CHECKING:
    import numpy as np

    from neurodiffuse.ridge import Algebra

FOLLOWS: tuple[str, ...] = (
    "report.html",
    "sub-*",
    "steps/sub-average",
    "average",
    "branches",
    "ablate*",
    "compare*",
)
FOLLOWS += ("controls*", "roi-optimal*", "weights*")
"""What is made of the steps' results and goes when one of them is computed again."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder with its configuration: the only argument of a step.

    A branch of a run has a ``trunk``: it differs in the steps that are its ``own`` and shares
    the results of all others, and the latents.
    """

    path: Path
    config: Config
    registry: Registry
    dataset: Dataset
    quiet: bool = False
    machine: Machine = field(default_factory=Machine)
    trunk: Run | None = None
    own: tuple[str, ...] = STEPS
    contents: dict[str, str] = field(default_factory=dict, repr=False)
    _subjects: dict[str, Subject] = field(default_factory=dict, repr=False)

    # --- parts, built from the registry -------------------------------------------------------

    def subject(self, label: str) -> Subject:
        """Return a subject as the data set knows it (read once)."""
        if label not in self._subjects:
            self._subjects[label] = self.dataset.subject(label)
        return self._subjects[label]

    def encoder(self, feature: str) -> Encoder:
        """Return a new encoder of a feature."""
        part = self.config.features[feature]
        cls = self.registry.load(self.registry.card("encoder", part.encoder))
        return cast("Encoder", cls(**self.machine.given_to(cls, part.options)))

    def generator(self, stage: str) -> Generator:
        """Return a new generator of a stage."""
        part = self.config.stages[stage]
        cls = self.registry.load(self.registry.card("generator", part.generator))
        return cast("Generator", cls(**self.machine.given_to(cls, part.options)))

    def metric(self, name: str) -> Metric:
        """Return a new metric."""
        part = self.config.metrics[name]
        cls = self.registry.load(self.registry.card("metric", part.metric))
        return cast("Metric", cls(**self.machine.given_to(cls, part.options)))

    def algebra(self) -> Algebra:
        """Return what ridge computes with on this machine."""
        from neurodiffuse.ridge import BLAS

        return self.machine.algebra(self.registry) or BLAS

    def select(self, subject: str, expression: str) -> np.ndarray:
        """Return the voxels that an ROI expression names, bool (grid.size,).

        Raises
        ------
        ConfigError
            If the expression cannot be read or names an unknown region.
        DataError
            If it selects no voxel.
        """
        from neurodiffuse import rois

        about = self.subject(subject)
        known = [roi.name for roi in about.rois]
        parsed = rois.parse(expression, known=known)
        voxels = rois.evaluate(
            parsed, lambda name: self.dataset.roi(subject, name), about.grid.size
        )
        if not voxels.any():
            raise DataError(
                f"--mask {expression!r}: no voxel of sub-{subject} is in it. "
                f"Regions: {listing(known)}."
            )
        return voxels

    # --- folders ------------------------------------------------------------------------------

    def folder(self, step: str, subject: str) -> Path:
        """Return where a step's result is, or will be."""
        if self.trunk is not None and step not in self.own:
            return self.trunk.folder(step, subject)
        return self.path / "steps" / f"sub-{subject}" / step

    def latents(self, subject: str, feature: str) -> Path:
        """Return the folder where the encode step put a feature's latents for a subject."""
        places = read_json(self.folder("encode", subject) / "features.json")
        return self.shelf / str(places[feature])

    @property
    def shelf(self) -> Path:
        """The folder of everybody's latents."""
        return self.path / "latents" if self.trunk is None else self.trunk.shelf

    @contextlib.contextmanager
    def writing(self, place: Path, *, resume: bool = False) -> Iterator[Path]:
        """Give a folder beside ``place`` to write in; it becomes ``place`` when all went well.

        With ``resume`` the folder that a killed process left is handed out again, for steps
        whose files are themselves written whole; otherwise it is emptied first.
        """
        partial = place.with_name(place.name + ".partial")
        with said_clearly(self.path):
            if partial.exists() and not resume:
                shutil.rmtree(partial)
            partial.mkdir(parents=True, exist_ok=True)
            try:
                yield partial
            except BaseException:
                if not resume:  # a full disk has room again, and a failed step leaves nothing
                    shutil.rmtree(partial, ignore_errors=True)
                raise
            if place.exists():
                shutil.rmtree(place)
            partial.rename(place)

    def remove_from(self, step: str) -> None:
        """Remove the results of a step and of all later ones."""
        for later in STEPS[STEPS.index(step) :]:
            if later == "encode":
                remove_folder(self.path / "latents")
            for subject in self.config.subjects:
                remove_folder(self.folder(later, subject))
                remove_folder(self.folder(later, subject).with_name(later + ".partial"))
        for follows in FOLLOWS:
            for place in self.path.glob(follows):
                place.unlink() if place.is_file() else remove_folder(place)

    def log_step(self, step: str, subject: str, seconds: float, host: str) -> None:
        """Note in ``logs/steps.tsv`` when a step ended, how long it took and on which machine."""
        logs = self.path / "logs"
        logs.mkdir(exist_ok=True)
        new = not (logs / "steps.tsv").exists()
        with (logs / "steps.tsv").open("a", encoding="utf-8") as table:
            if new:
                table.write("ended\tstep\tsubject\tseconds\thost\n")
            ended = time.strftime("%Y-%m-%dT%H:%M:%S%z")
            table.write(f"{ended}\t{step}\t{subject}\t{seconds:.2f}\t{host}\n")


@contextlib.contextmanager
def opened(run: Run, *, start_from: str = "") -> Iterator[Run]:
    """Start or continue a run in its folder, alone, until the block ends.

    Raises
    ------
    RunError
        If the folder holds something else, a run of other settings (unless ``start_from`` is a
        step at or before the first one they touch), another process works on it, or it cannot be
        written.
    """
    path = run.path
    created = not path.exists()
    missing = [folder for folder in path.parents if not folder.exists()]
    with contextlib.ExitStack() as stack:
        with said_clearly(path):
            _refuse_foreign(path)
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(path))
            if not (path / "config.toml").exists():
                created = True
            _settle_config(run, start_from)
        try:
            yield run
        except BaseException:
            if created and not _anything_finished(path):
                remove_folder(path)
                for folder in missing:
                    folder.rmdir()
            raise


def stored_config(path: Path) -> dict[str, Any]:
    """Return the configuration that a run folder was made with."""
    try:
        return tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: not a run folder: it has no config.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path / 'config.toml'}: damaged: {error}. Use another --out.") from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there as a whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read_json(path: Path) -> Any:
    """Return what a JSON file of the run holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write JSON with sorted keys, so that the same content is the same bytes."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def remove_folder(path: Path) -> None:
    """Remove a folder if it is there; it is renamed first so that a kill leaves no half of it."""
    if path.exists():
        gone = path.with_name(path.name + ".partial")
        if gone != path:
            if gone.exists():
                shutil.rmtree(gone)
            path.rename(gone)
        shutil.rmtree(gone)


def machine() -> dict[str, str]:
    """Return what ran: versions of Python and the libraries that the numbers depend on."""
    import nibabel
    import nilearn
    import numpy
    import scipy
    import sklearn

    libraries = {m.__name__: m.__version__ for m in (numpy, scipy, sklearn, nibabel, nilearn)}
    return {
        "neurodiffuse": __version__,
        "Python": platform.python_version(),
        **libraries,
        "system": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
    }


@contextlib.contextmanager
def said_clearly(path: Path) -> Iterator[None]:
    """Turn a full disk or a forbidden folder into one clear line."""
    try:
        yield
    except OSError as error:
        if isinstance(error, RunError | DataError):
            raise
        if _is_full(error):
            free = _free(path)
            raise RunError(
                f"{error.filename or path}: no space left on the disk ({free} free). What was "
                "finished is kept; free some space and run the same command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RunError(
                f"{error.filename or path}: cannot be written ({error.strerror}). Choose another "
                "--out or change the folder's permissions."
            ) from error
        raise


def _is_full(error: OSError) -> bool:
    """Return whether the disk is full; numpy says so in words, without an error number."""
    return error.errno in _FULL or (error.errno is None and " requested and " in str(error))


def _free(path: Path) -> str:
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 2**20:.0f} MiB"


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise RunError(f"--out: {path} is a file; give a folder.")
    if path.exists() and not (path / "config.toml").exists():
        names = sorted(
            p.name for p in path.iterdir() if p.name not in (".lock", "config.toml.partial")
        )
        if names:
            raise RunError(
                f"--out: {path} is not empty and not a run folder (it holds "
                f"{listing(names, most=3)}). Choose another folder; nothing was written."
            )


def _settle_config(run: Run, start_from: str) -> None:
    text = tomli_w.dumps(run.config.to_dict())
    if (run.path / "config.toml").exists():
        difference = run.config.first_difference(stored_config(run.path))
        if difference:
            step, where = difference
            if not start_from or STEPS.index(start_from) > STEPS.index(step):
                raise RunError(
                    f"--out: {run.path} is a run with other settings ({listing(where, most=4)}). "
                    f"Choose another --out, or recompute from where they matter: --from {step}."
                )
        if start_from:
            run.remove_from(start_from)
        if not difference:
            return
    write_whole(run.path / "config.toml", text)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets it go even when the process is killed."""
    handle: IO[str] = (path / ".lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.seek(0)
        who = handle.read().strip() or "another process"
        handle.close()
        raise RunError(
            f"{path}: {who} is working on this run. Wait for it, or choose another --out."
        ) from None
    with handle:
        handle.truncate(0)
        handle.write(f"process {os.getpid()} on {platform.node()}")
        handle.flush()
        yield


def _anything_finished(path: Path) -> bool:
    return any((path / "steps").glob("sub-*/*")) or (path / "latents").exists()


def say(message: str, *, quiet: bool = False) -> None:
    """Print a line of progress to standard error."""
    if not quiet:
        print(message, file=sys.stderr, flush=True)
