"""Start or continue a run in its folder, which one process has at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import platform
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import tomli_w

from neurodiffuse.config import STEPS
from neurodiffuse.errors import RunError, listing
from neurodiffuse.files import read_json, remove_folder, said_clearly, write_whole
from neurodiffuse.progress import say
from neurodiffuse.run import changes
from neurodiffuse.run.folder import Run

PLACE, SELECT = "dataset_options.root", "mask.select"
"""The settings that say where the data set lies, and which mask is decoded from."""


@contextlib.contextmanager
def opened(run: Run, *, start_from: str = "") -> Iterator[Run]:
    """Start or continue a run in its folder, alone, until the block ends.

    Raises
    ------
    RunError
        If the folder holds something else, a run of other settings or of input that has changed
        (unless ``start_from`` is a step at or before the first one they touch), another process
        works on it, or it cannot be written.
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
    """Return the configuration that a run folder was made with.

    Raises
    ------
    RunError
        If it has none, or one that cannot be read.
    """
    try:
        stored = tomllib.loads((path / "config.toml").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: not a run folder: it has no config.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path / 'config.toml'}: damaged: {error}. Use another --out.") from error
    if not stored:
        raise RunError(f"{path / 'config.toml'}: damaged: it is empty. Use another --out.")
    return stored


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
    """Check settings and input against those of the run, remove what is to be done again."""
    text = tomli_w.dumps(run.config.to_dict())
    if (run.path / "config.toml").exists():
        stored = stored_config(run.path)
        difference = difference_from(run, stored)
        if difference:
            step, where = difference
            if not start_from or STEPS.index(start_from) > STEPS.index(step):
                raise RunError(
                    f"--out: {run.path} is a run with other settings ({listing(where, most=4)}). "
                    f"Choose another --out, or recompute from where they matter: --from {step}."
                )
        changes.check(run, before=start_from)
        if start_from == STEPS[0]:
            for subject in run.config.subjects:
                if new := changes.changed_mask(run, subject):
                    say(f"warning: {new.text}; the run had {new.before!r}")
        if start_from:
            run.remove_from(start_from)
        if not difference and not _is_moved(run, stored) and not _is_named(run, stored):
            return
    write_whole(run.path / "config.toml", text)


def difference_from(run: Run, stored: Mapping[str, Any]) -> tuple[str, list[str]] | None:
    """Return the earliest step that stored settings differ in, and where.

    Where the data set lies is no difference for a run that knows what was in its files, and
    naming the mask that it has is none.
    """
    but = _moved(run, stored) if _is_moved(run, stored) and changes.is_noted(run) else []
    if _is_named(run, stored):
        but.append(SELECT)
    found = run.config.first_difference(stored, but=but)
    if not found:
        return None
    step, where = found
    own = f"datasets.{run.config.dataset}."  # as --set has it
    return step, [key.replace("dataset_options.", own, 1) for key in where]


def _is_named(run: Run, stored: Mapping[str, Any]) -> bool:
    """Return whether a run of the data set's own mask is given the same mask by its name."""
    given = run.config.mask.select
    if not given or stored.get("mask", {}).get("select"):
        return False
    made = [run.folder("mask", label) / "about.json" for label in run.config.subjects]
    return all(p.exists() and read_json(p)["expression"] == given for p in made)


def _moved(run: Run, stored: Mapping[str, Any]) -> list[str]:
    """Return the options that differ by the data set's place alone: its root, files below it."""
    before, now = stored.get("dataset_options", {}), run.config.dataset_options
    old, new = (str(options.get("root", "")) for options in (before, now))
    same = [
        f"dataset_options.{key}"
        for key in before.keys() & now.keys()
        if isinstance(before[key], str)
        and (inside := _below(before[key], old))
        and inside == _below(now[key], new)
    ]
    return [PLACE, *same]


def _below(path: Any, root: str) -> str:
    """Return a path from a root that it is in, else an empty text."""
    if not isinstance(path, str) or not path or not root:
        return ""
    place, top = (Path(os.path.abspath(Path(p).expanduser())) for p in (path, root))  # noqa: PTH100
    return place.relative_to(top).as_posix() if place.is_relative_to(top) else ""


def _is_moved(run: Run, stored: Mapping[str, Any]) -> bool:
    before = stored.get("dataset_options", {})
    return bool(before.get("root") != run.config.dataset_options.get("root"))


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
