"""Start or continue a run in its folder, which one process has at a time."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from neurodiffuse import __version__
from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import RunError, listing, printable
from neurodiffuse.files import read_json, read_text, said_clearly, toml_of, write_whole
from neurodiffuse.locks import held, holder
from neurodiffuse.places import check_folder, made
from neurodiffuse.progress import say
from neurodiffuse.run import changes, software
from neurodiffuse.run.folder import Run

PLACE, SELECT = "dataset_options.root", "mask.select"
"""The settings that say where the data set lies, and which mask is decoded from."""


_VERSION = re.compile(r'"(?:neurodiffuse|version)": "([^"]{1,40})"')

LOCK = ".lock"
"""The file in a run's folder that who works on it holds; it is gone when nobody does."""


@contextlib.contextmanager
def opened(
    run: Run,
    *,
    start_from: str = "",
    ready: Callable[[], None] | None = None,
    elsewhere: bool = False,
) -> Iterator[Run]:
    """Start or continue a run in its folder, alone, until the block ends.

    Nothing stays of a run that was begun here and finished no step.

    Parameters
    ----------
    run
        To be worked on.
    start_from
        The step whose results, and all later ones, are removed.
    ready
        Called when the settings fit, before anything is removed or written; may refuse.
    elsewhere
        Nothing is to be written into the run, which may be on a read-only disk then.

    Raises
    ------
    RunError
        If the folder holds something else, a run of other settings or of input that has changed
        (unless ``start_from`` is a step at or before the first one they touch), another process
        works on it, or it cannot be written.
    """
    path = run.path
    check_folder(path)
    _refuse_foreign(path)
    with contextlib.ExitStack() as stack:
        with said_clearly(path):
            writable = _alone(run, stack, read=elsewhere)
            begun = not (path / "config.toml").exists()
            try:
                _settle_config(run, start_from, ready, keep=writable)
            except BaseException:
                if begun:
                    _clear(path)
                raise
        try:
            yield run
        except BaseException:
            if begun and not _anything_finished(path):
                _clear(path)
            raise


def stored_config(path: Path) -> dict[str, Any]:
    """Return the configuration that a run folder was made with.

    Raises
    ------
    RunError
        If it has none, or one that cannot be read.
    """
    try:
        stored = toml_of(read_text(path / "config.toml"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"{path}: not a run folder: it has no config.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RunError(f"{path / 'config.toml'}: damaged: {error}. Use another --out.") from error
    if not stored:
        raise RunError(f"{path / 'config.toml'}: damaged: it is empty. Use another --out.")
    return stored


def made_by(path: Path) -> str:
    """Return the version of neurodiffuse that a run was made by, in words; empty where unknown."""
    notes = [path / "logs" / software.FILE, *sorted(path.glob("steps/sub-*/*/inputs.json"))]
    for note in notes:
        try:
            found = _VERSION.search(note.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        if found:
            return f"It was made by neurodiffuse {printable(found[1])}, and this is {__version__}. "
    return ""


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not (path / "config.toml").exists():
        names = sorted(
            p.name for p in path.iterdir() if p.name not in (LOCK, "config.toml.partial")
        )
        if names:
            raise RunError(
                f"--out: {path} is not empty and not a run folder (it holds "
                f"{listing(names, most=3)}). Choose another folder; nothing was written."
            )


def _settle_config(
    run: Run, start_from: str, ready: Callable[[], None] | None, *, keep: bool
) -> None:
    """Check settings and input against those of the run, remove what is to be done again."""
    text = tomli_w.dumps(run.config.to_dict())
    difference, moved = None, False
    if there := (run.path / "config.toml").exists():
        stored = stored_config(run.path)
        difference = difference_from(run, stored)
        moved = _is_moved(run, stored) or stored.get("links", "inside") != run.config.links
        if difference:
            step, where = difference
            if not start_from or STEPS.index(start_from) > STEPS.index(step):
                raise RunError(
                    f"--out: {run.path} is a run with other settings ({listing(where, most=4)}). "
                    f"{made_by(run.path) if _is_of_another_version(stored) else ''}"
                    f"Choose another --out, or recompute from where they matter: --from {step}."
                )
        changes.check(run, before=start_from, keep=keep)
        moved = moved or _is_named(run, stored)
    if ready:
        ready()
    if there and start_from == STEPS[0]:
        for subject in run.config.subjects:
            if new := changes.changed_mask(run, subject):
                say(f"warning: {new.text}; the run had {new.before!r}")
    if there and start_from:
        run.remove_from(start_from)
    if keep and (not there or difference or moved):
        write_whole(run.path / "config.toml", text)


def _is_of_another_version(stored: Mapping[str, Any]) -> bool:
    try:
        Config.from_dict(stored)
    except (LookupError, TypeError, AttributeError, ValueError):
        return True
    return False


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


def _alone(run: Run, stack: contextlib.ExitStack, *, read: bool) -> bool:
    """Hold the run's folder, made where needed, until the stack ends; return if it can be written.

    With ``read`` a folder that cannot be is only looked at for somebody who works on it.
    """
    path = run.path

    def busy(who: str) -> None:
        raise RunError(
            f"{path}: {who} is working on this run. Wait for it, or choose another --out."
        )

    if read and path.exists() and not _is_writable(path):
        if who := holder(path / LOCK):
            busy(who)
        return False
    stack.enter_context(made(path))
    stack.enter_context(held(path / LOCK, busy, quiet=run.quiet))
    return True


def _is_writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK | os.X_OK)


def _clear(path: Path) -> None:
    """Remove what is in a folder but the lock, the settings last: they say that it is a run's."""
    for child in sorted(path.iterdir(), key=lambda p: p.name == "config.toml"):
        if child.is_dir() and not child.is_symlink():
            shutil.rmtree(child)
        elif child.name != LOCK:
            child.unlink()


def _anything_finished(path: Path) -> bool:
    return any((path / "steps").glob("sub-*/*")) or (path / "latents").exists()
