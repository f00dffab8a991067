"""Files of a run: written as a whole or not at all; a full disk is one clear line."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import stat
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from neurodiffuse.errors import NeurodiffuseError, RunError


def write_whole(path: Path, text: str) -> None:
    """Write a text file so that it is there as a whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def read_text(path: Path) -> str:
    """Return the text of a file that a user names; a pipe is waited for only below ``/dev``.

    There shells put what ``<(command)`` writes.

    Raises
    ------
    OSError
        If it cannot be read or is a pipe, which may never end.
    UnicodeDecodeError
        If it is no UTF-8; a mark of byte order at its beginning is left out.
    """
    if stat.S_ISFIFO(path.stat().st_mode) and path.absolute().parts[1] not in ("dev", "proc"):
        raise OSError(errno.EINVAL, "is a named pipe where a file is needed", str(path))
    return path.read_text(encoding="utf-8-sig")


def json_of(text: str) -> Any:
    """Return what a JSON text holds.

    Raises
    ------
    json.JSONDecodeError
        If it is none, or lists in it are nested without end.
    """
    try:
        return json.loads(text)
    except RecursionError as error:
        raise json.JSONDecodeError("nested too deeply", "", 0) from error


def toml_of(text: str) -> dict[str, Any]:
    """Return what a TOML text holds.

    Raises
    ------
    tomllib.TOMLDecodeError
        If it is none, a number in it has thousands of digits, or lists are nested without end.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise tomllib.TOMLDecodeError(what) from error


def read_json(path: Path) -> Any:
    """Return what a JSON file of the run holds.

    Raises
    ------
    RunError
        As `read_clearly`.
    """
    with read_clearly(path):
        return json_of(path.read_text(encoding="utf-8"))


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
    """Turn what a disk answers, full, forbidden or gone, into one clear line."""
    try:
        yield
    except OSError as error:
        if isinstance(error, NeurodiffuseError):
            raise
        where = error.filename or path
        if _is_full(error):
            allowed = "" if error.errno else " or not allowed to you, see quota and ulimit -f"
            raise RunError(
                f"{where}: no space left on the disk ({_free(path)} free){allowed}. What was "
                "finished is kept; free some space and run the same command again."
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise RunError(
                f"{where}: cannot be written ({error.strerror}). Choose another --out or change "
                "the folder's permissions."
            ) from error
        if error.errno in _SAID:
            raise RunError(
                f"{where}: {in_words(error)}. What was finished is kept; the same command goes on "
                "from there."
            ) from error
        raise


_SAID = {
    errno.EDQUOT: "your quota on this disk is used up; remove files, or ask for more",
    errno.EFBIG: "the file would be larger than is allowed; see ulimit -f, or the file system's "
    "limit",
    errno.EIO: "the disk or the network to it has failed; see what the system logged",
    errno.ESTALE: "the network disk does not know this file any more; it was removed there, or "
    "the disk must be mounted again",
    errno.ENODEV: "the disk is gone; mount it again",
    errno.ENXIO: "the disk is gone; mount it again",
    errno.ENOTCONN: "the disk is gone; mount it again",
    errno.EHOSTDOWN: "the server of this disk does not answer",
    errno.ETIMEDOUT: "the server of this disk does not answer",
    errno.ELOOP: "its links lead in circles; see ls -l, and remove one",
    errno.ENAMETOOLONG: "the name is longer than the file system allows",
    errno.EMFILE: "too many files are open; see ulimit -n",
    errno.ENFILE: "too many files are open on this machine",
    errno.ENOMEM: "the system has no memory left",
}
"""What errors of the system mean, and what can be done."""


def in_words(error: OSError) -> str:
    """Return what an error of the system means, where it is one of disks, and its own words."""
    own = error.strerror or str(error)
    return f"{_SAID[error.errno]} ({own})" if error.errno in _SAID else own


def is_known(error: OSError) -> bool:
    """Return whether an error is one of disks, and not of the file that was asked for."""
    return error.errno in _SAID


def _is_full(error: OSError) -> bool:
    """Return whether the disk is full; numpy says so in words, without an error number."""
    full = error.errno is None and " requested and " in str(error)
    return error.errno == errno.ENOSPC or full


def _free(path: Path) -> str:
    while not path.exists():
        path = path.parent
    return f"{shutil.disk_usage(path).free / 2**20:.0f} MiB"
