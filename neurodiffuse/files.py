"""Files of a run: written as a whole or not at all; a full disk is one clear line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from neurodiffuse.errors import DataError, NeurodiffuseError, RunError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there as a whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read_json(path: Path) -> Any:
    """Return what a JSON file of the run holds.

    Raises
    ------
    RunError
        As `read_clearly`.
    """
    with read_clearly(path):
        return json.loads(path.read_text(encoding="utf-8"))


@contextlib.contextmanager
def read_clearly(path: Path) -> Iterator[None]:
    """Turn a file of a run that is gone, empty, cut or damaged into one clear line.

    Raises
    ------
    RunError
        Saying which file, and from which step to make it again.
    """
    try:
        yield
    except NeurodiffuseError:
        raise
    except FileNotFoundError as error:
        raise RunError(f"{path}: it is gone. {_again(path)}") from error
    except (OSError, ValueError, EOFError, SyntaxError, BadZipFile, zlib.error) as error:
        said = str(error).split("\n")[0] or type(error).__name__
        raise RunError(f"{path}: empty, cut off or damaged ({said}). {_again(path)}") from error


def _again(path: Path) -> str:
    """Return how to make a file of a run again: by the step whose folder it is in."""
    found = re.search(r".*/steps/sub-[^/]+/([a-z]+)|.*/latents/", path.absolute().as_posix())
    if not found:
        return "Make it again."
    step = found[1] or "encode"
    return f"Give the decode command that began the run again, with --from {step}."


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


def link_files(source: Path, target: Path) -> None:
    """Put the files of a folder into another one, sharing their space where the disk can."""
    for file in source.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            shutil.copyfile(file, target / file.name)


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
