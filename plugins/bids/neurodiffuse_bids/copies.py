"""Which picture files show the same: by their content, or by their pixels."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from neurodiffuse.errors import DataError
from neurodiffuse.progress import progress
from neurodiffuse.readers.pictures import read_picture
from neurodiffuse.store import content

FEW = 500
"""Of more pictures than these, none is decoded only to look for copies."""

PIXELS = 40_000_000
"""How many pixels are decoded at most only to look for copies, in about two seconds."""

_PIECE = 65536

Key = TypeVar("Key")


def equal_pictures(
    paths: Mapping[Key, Path], *, every: bool, known: dict[Path, str] | None = None
) -> dict[Key, str]:
    """Return a name for what pictures show, of those that another one shows too, by key.

    Two pictures show the same when their decoded pixels are the same, whatever their files'
    formats. Where they are not to be decoded in any case (``every``) and are many or large, only
    files of the same content are found. What cannot be read is passed over; whoever reads it next
    says why. ``known`` are pictures that were decoded before, and keeps the new ones.
    """
    if not every and len(paths) > FEW:
        return equal_files(paths)
    found: dict[Key, str] = {}
    known = {} if known is None else known
    left = PIXELS
    work = progress(paths.items(), "comparing pictures", total=len(paths), quiet=len(paths) < FEW)
    for key, path in work:
        if path not in known:
            try:
                picture = read_picture(path)
            except DataError:
                continue
            known[path] = content(picture)
            left -= picture.shape[0] * picture.shape[1]
            if left < 0 and not every:
                return equal_files(paths)
        found[key] = known[path]
    times = Counter(found.values())
    return {key: shown for key, shown in found.items() if times[shown] > 1}


def equal_files(paths: Mapping[Key, Path]) -> dict[Key, str]:
    """Return the SHA-256 of files of which another one has the same content, by key.

    Only files of one size are read; of large ones the ends first, then all of those whose ends
    agree.
    """
    found: dict[Key, str] = {}
    for some in _alike(paths, lambda path: str(path.stat().st_size)).values():
        for few in _alike(some, _ends).values():
            for digest, copies in _alike(few, _digest).items():
                found |= dict.fromkeys(copies, digest)
    return found


def _alike(paths: Mapping[Key, Path], trait: Callable[[Path], str]) -> dict[str, dict[Key, Path]]:
    """Return the files that share a trait with another file, by the trait."""
    groups: dict[str, dict[Key, Path]] = {}
    for key, path in paths.items():
        groups.setdefault(trait(path), {})[key] = path
    return {found: group for found, group in groups.items() if len(group) > 1}


def _ends(path: Path) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(_PIECE // 8)
        file.seek(max(0, size - _PIECE // 8))
        return hashlib.sha256(first + file.read()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
