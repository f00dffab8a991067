"""What a label, a name and a picture's file are: two spellings of one thing are one thing."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from neurodiffuse.readers.pictures import PICTURES
from neurodiffuse.readers.reach import leaves

INDEXED = ("subject", "session", "run")
"""The entities whose labels are indices where they are numbers."""

_INDEX = re.compile(r"0*([0-9]+)(?:\.0+)?")
_DECIMAL = re.compile(r"([0-9]+)\.0+")
_POINTER = b"/annex/objects/"


def index(label: str) -> str:
    """Return what a label stands for: ``01``, ``1`` and a table's ``1.0`` are index ``1``."""
    found = _INDEX.fullmatch(label)
    return found[1] if found else label


def same(entity: str, one: str, other: str) -> bool:
    """Return whether two labels of an entity are the same."""
    return one == other or (entity in INDEXED and index(one) == index(other))


def composed(text: str) -> str:
    """Return a text with composed characters (NFC): a Mac's file names have decomposed ones."""
    return unicodedata.normalize("NFC", text)


def whole(name: str) -> str:
    """Return ``12`` for ``12.0``, as pandas writes numbers beside a missing one."""
    found = _DECIMAL.fullmatch(name)
    return found[1] if found else name


def bare(stimulus: str) -> str:
    """Return an id without BIDS' ``stim-``, which some tables write and others leave out."""
    return stimulus.removeprefix("stim-")


def loose(name: str) -> str:
    """Return a name without what spellings differ in: case, file ending, format of a number."""
    stem, ending = os.path.splitext(bare(composed(name)))  # noqa: PTH122
    stem = stem if ending.lower() in PICTURES else stem + ending
    return index(stem.removesuffix("_image")).casefold()


class Names:
    """Names that are looked up as they are written, else loosely."""

    def __init__(self, names: Iterable[str]) -> None:
        self._exact: dict[str, list[str]] = {}
        self._loose: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            self._exact.setdefault(bare(composed(name)), []).append(name)
            self._loose.setdefault(loose(name), []).append(name)

    def find(self, name: str) -> tuple[tuple[str, ...], bool]:
        """Return the names that fit, and whether they do so loosely only."""
        exact = self._exact.get(bare(composed(name)))
        if exact:
            return tuple(exact), False
        return tuple(self._loose.get(loose(name), ())), True


def file_of(path: Path) -> Path:
    """Return the file that a path leads to, by which it is told from others.

    Links are followed, but not into the store of git-annex, where one object stands for all
    files of one content.
    """
    for _ in range(40):
        path = _real(path.parent) / path.name
        if not path.is_symlink():
            break
        target = path.parent / path.readlink()
        if "annex" in target.parts and ".git" in target.parts:
            break
        path = target
    return path


@lru_cache(maxsize=4096)
def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder))  # links in circles are no error here


def is_absent(path: Path) -> bool:
    """Return whether a file's content is not here: nothing, a dangling link, or a pointer.

    A pointer is what git-annex leaves of an unlocked file that was not fetched.
    """
    try:
        found = path.stat()
        if found.st_size > 512 or not stat.S_ISREG(found.st_mode) or leaves(path):
            return False
        with path.open("rb") as file:
            return file.read(len(_POINTER)) == _POINTER
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # it is there, and its reader says what is wrong with it
