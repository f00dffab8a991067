"""Two folders of pictures, paired by name or by order."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.metrics.sizes import Pictures
from neurodiffuse.readers.pictures import PICTURES, read_picture

ORDER = "If they belong together in their natural order, write --pair-by order."


@dataclass(frozen=True)
class Pairs:
    """Files that belong together: ``seen[i]`` and ``made[i]`` are called ``names[i]``.

    ``alone`` says which are left out because the other folder has none of their name.
    """

    names: tuple[str, ...]
    seen: tuple[Path, ...]
    made: tuple[Path, ...]
    alone: str = ""


def pairs(made: Path, seen: Path, pair_by: str) -> Pairs:
    """Return which pictures belong together.

    Parameters
    ----------
    made, seen
        The folders; other files in them are left alone.
    pair_by
        ``"name"``: the same name without suffix (``é`` is one letter, however a disk writes it).
        ``"order"``: the natural order of the names
        (``img2`` before ``img10``). ``"common"``: by name, those that only one folder has left
        out.

    Raises
    ------
    DataError
        If names or counts do not fit.
    """
    reconstructions, stimuli = _listed("--recon", made), _listed("--seen", seen)
    if made.resolve() == seen.resolve():
        raise DataError(
            f"--recon, --seen: {made} and {seen} are the same folder, so that every picture would "
            "be compared with itself. Give the folder of what was seen with --seen."
        )
    if pair_by == "order":
        if len(reconstructions) != len(stimuli):
            raise DataError(
                f"{made} has {len(reconstructions)} pictures and {seen} has {len(stimuli)}; pairs "
                "by order need as many of each."
            )
        return Pairs(tuple(map(name_of, stimuli)), tuple(stimuli), tuple(reconstructions))
    first, second = named(reconstructions, made), named(stimuli, seen)
    alone = [
        f"{len(lonely)} of {len(mine)} in {folder} ({listing(lonely, most=3)})"
        for mine, others, folder in ((first, second, made), (second, first, seen))
        if (lonely := [name for name in mine if name not in others])
    ]
    names = tuple(name for name in second if name in first)
    if alone and not (pair_by == "common" and names):
        offer = f" {ORDER}" if len(first) == len(second) else _scored(made)
        if names:
            offer += f" To score the {len(names)} that both have, write --pair-by common."
        raise DataError(
            f"--recon, --seen: pictures without one of their name: {' and '.join(alone)}.{offer}"
        )
    left = f"Left out, for want of one of their name: {' and '.join(alone)}." if alone else ""
    return Pairs(names, tuple(second[n] for n in names), tuple(first[n] for n in names), left)


def _scored(folder: Path) -> str:
    """Return where the scores of a run's own pictures are, which need no pairing."""
    runs = [place for place in folder.absolute().parents if (place / "config.toml").exists()]
    return f" A run is scored already: neurodiffuse compare {runs[0]}." if runs else ""


def read(files: Sequence[Path]) -> Pictures:
    """Return the pictures, RGB, one array where all have one size, else each of its own.

    Transparent parts become white.

    Raises
    ------
    DataError
        If a file is damaged or not a picture that is read.
    """
    first = read_picture(files[0])
    values = np.empty((len(files), *first.shape), np.uint8)
    for k, file in enumerate(files):
        one = first if k == 0 else read_picture(file)
        if one.shape != first.shape:
            return [*values[:k], one, *(read_picture(other) for other in files[k + 1 :])]
        values[k] = one
    return values


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key by which ``img2`` comes before ``img10``."""
    parts = re.split(r"(\d+)", name.lower())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def name_of(path: Path) -> str:
    """Return a picture's name: its file's without suffix, in composed letters.

    Raises
    ------
    DataError
        If no table can hold it: it has a line break, a tab, or bytes that are no text.
    """
    wrong = [letter for letter in path.stem if unicodedata.category(letter) in ("Cc", "Cs")]
    if wrong:
        raise DataError(
            f"{path.parent}: the picture {path.name!a} has a name that no table can hold, for "
            f"its character {wrong[0]!a}. Rename it."
        )
    return unicodedata.normalize("NFC", path.stem)


def named(files: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Return the files by `name_of`.

    Raises
    ------
    DataError
        If two have one name.
    """
    twice = [name for name, count in Counter(map(name_of, files)).items() if count > 1]
    if twice:
        raise DataError(
            f"{folder}: more than one picture is called {listing(twice, most=3)}; which one is "
            "meant? Leave one of each name."
        )
    return {name_of(p): p for p in files}


def listed(folder: Path) -> list[Path]:
    """Return the pictures of a folder in natural order; other files are left alone."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in PICTURES and p.name[0] != "."]
    return sorted(found, key=lambda p: (natural(p.name), p.name))


def _listed(flag: str, folder: Path) -> list[Path]:
    if not folder.is_dir():
        kind = "is a file" if folder.exists() else "does not exist"
        raise MissingDataError(f"{flag}: {folder} {kind}; a folder of pictures is needed.")
    found = listed(folder)
    if not found:
        below = [p for p in sorted(folder.iterdir()) if p.is_dir() and listed(p)]
        names = listing((p.name for p in below), most=5)
        hint = f" Folders in it do ({names}): write {flag} {below[0]}." if below else ""
        raise MissingDataError(
            f"{flag}: {folder} holds no picture.{hint} Looked for: {', '.join(PICTURES)}."
        )
    return found
