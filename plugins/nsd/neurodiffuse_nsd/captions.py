"""What people wrote about the pictures: the curated array, or COCO's annotations."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from os.path import lexists
from pathlib import Path
from typing import Any

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.files import json_of
from neurodiffuse.readers.absent import why_absent
from neurodiffuse.readers.reach import check_file
from neurodiffuse.readers.texts import read_texts
from neurodiffuse_nsd.design import PICTURES
from neurodiffuse_nsd.tree import Tree, check_content

SPLITS = ("train2017", "val2017")

CURATED = "COCO_73k_annots_curated.npy"
"""Name of the array that Ozcelik & VanRullen (2023) and others used, (73000, 5)."""

KINDS = {"curated": (CURATED,), "coco": tuple(f"captions_{split}.json" for split in SPLITS)}
"""Names of the files of each kind of captions, those that are preferred first."""

Captions = Mapping[int, tuple[str, ...]]
"""Captions by the picture's row among the 73,000, from 0."""


def find_captions(tree: Tree, given: str) -> tuple[Path, ...]:
    """Return the file of the curated array, else COCO's two; none where there is neither.

    ``given`` is the array, the folder that either is in, or ``coco`` or ``curated``, which asks
    for one of them; empty: whichever is among NSD's annotations or, as in the published code's
    own tree, in ``annots``, and has its content here.

    Raises
    ------
    MissingDataError
        If what is given is not there, or its content was not fetched.
    """
    kinds, places = _places(tree, given)
    if len(places) == 1 and places[0].suffix == ".npy" and not places[0].is_dir():
        check_content(places[0])
        return (places[0],)
    for kind in kinds:
        for place in places:
            files = tuple(place / name for name in KINDS[kind])
            if not any(map(why_absent, files)):
                return files
    if not given:
        return ()
    for path in _incomplete(kinds, places):
        check_content(path)
    names = " or ".join(" and ".join(KINDS[kind]) for kind in kinds)
    where = " and ".join(str(place) for place in places)
    raise MissingDataError(
        f"datasets.nsd.captions: {given!r} given, and {names} not in {where}. COCO's are got with "
        f"neurodiffuse fetch nsd --sub ID --part captions --root {tree.root}"
    )


def incomplete(tree: Tree, given: str) -> dict[Path, str]:
    """Return the files that `find_captions` passes over, and why: what they lack is not here.

    They are links that lead nowhere, pointers, and one of COCO's two files that is not there while
    the other one is.
    """
    return _incomplete(*_places(tree, given))


def _places(tree: Tree, given: str) -> tuple[Sequence[str], Sequence[Path]]:
    """Return which kinds of captions are looked for, and in which folders."""
    kinds = (given,) if given in KINDS else tuple(KINDS)
    if given and given not in KINDS:
        return kinds, (Path(given).expanduser(),)
    return kinds, (tree.annotations, tree.root / "annots")


def _incomplete(kinds: Sequence[str], places: Sequence[Path]) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for kind in kinds:
        for place in places:
            files = [place / name for name in KINDS[kind]]
            if any(map(lexists, files)):
                found |= {path: why for path in files if (why := why_absent(path))}
    return found


def source_of(paths: Sequence[Path]) -> str:
    """Return which captions the files of `find_captions` hold, in a sentence."""
    if len(paths) == 1:
        return (
            f"{paths[0]}: captions are those of the curated array, as in the published code of "
            "Brain-Diffuser; --set datasets.nsd.captions=coco takes COCO's."
        )
    return (
        f"{' and '.join(map(str, paths))}: captions are all of COCO's. The published code of "
        f"Brain-Diffuser has those of {CURATED}, which is taken where it lies beside these, unless "
        "datasets.nsd.captions says otherwise."
    )


def read_captions(tree: Tree, paths: Sequence[Path]) -> Captions:
    """Return all captions that the files of `find_captions` have for NSD's pictures.

    COCO's are in the order of its file, without blanks at their ends; the curated array has
    empty texts where a picture has fewer, which are left out.

    Raises
    ------
    DataError
        If a file is something else.
    """
    if not paths:
        return {}
    return _curated(paths[0]) if len(paths) == 1 else _coco(tree, paths)


def _curated(path: Path) -> Captions:
    table = read_texts(path)
    if table.ndim != 2:
        raise DataError(
            f"{path}: has shape {table.shape}; texts (n_pictures, n_captions) are needed."
        )
    if len(table) != PICTURES:
        raise DataError(
            f"{path}: has {len(table):,} rows, and NSD has {PICTURES:,} pictures: row k has to "
            "hold the captions of picture k, from 0."
        )
    texts = (tuple(text for cell in row if (text := cell.strip())) for row in table)
    return {k: some for k, some in enumerate(texts) if some}


def _coco(tree: Tree, paths: Sequence[Path]) -> Captions:
    """Match COCO's captions with NSD's pictures through ``nsd_stim_info_merged.csv``."""
    origin = _origins(tree)
    out: dict[int, tuple[str, ...]] = {}
    for split, path in zip(SPLITS, paths, strict=True):
        wanted = {image: row for (part, image), row in origin.items() if part == split}
        found: dict[int, list[str]] = {}
        for item in _annotations(path):
            row = wanted.get(item["image_id"])
            if row is not None and (text := item["caption"].strip()):
                found.setdefault(row, []).append(text)
        out |= {row: tuple(texts) for row, texts in found.items()}
    return out


def _annotations(path: Path) -> list[dict[str, Any]]:
    check_file(path)
    try:
        items = json_of(path.read_text(encoding="utf-8"))["annotations"]
        if not all({"image_id", "caption"} <= item.keys() for item in items):
            raise KeyError("image_id and caption of an annotation")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: cannot be read as COCO's captions ({error}).") from error
    return list(items)


def _origins(tree: Tree) -> dict[tuple[str, int], int]:
    """Return NSD's row of each picture by COCO's split and number."""
    path = tree.picture_table
    if not path.exists():
        raise tree.missing(path, "which says what COCO image a picture is")
    check_file(path)
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return {(r["cocoSplit"], int(r["cocoId"])): int(r["nsdId"]) for r in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as NSD's table of pictures ({error}).") from error
