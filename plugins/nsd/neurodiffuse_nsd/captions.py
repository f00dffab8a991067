"""What people wrote about the pictures: COCO's annotations, or the curated array."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_nsd.tree import Tree

SPLITS = ("train2017", "val2017")

CURATED = "COCO_73k_annots_curated.npy"
"""Name of the array that Ozcelik & VanRullen (2023) and others used, (73000, 5)."""

Captions = Mapping[int, tuple[str, ...]]
"""Captions by the picture's row among the 73,000, from 0."""


def find_captions(tree: Tree, given: str) -> tuple[Path, ...]:
    """Return the file of the curated array, or COCO's two; none where there is neither.

    ``given`` is the array, or the folder that either is in; empty: NSD's folder of annotations.

    Raises
    ------
    MissingDataError
        If what is given is not there.
    """
    place = Path(given).expanduser() if given else tree.annotations
    if place.suffix == ".npy" and place.is_file():
        return (place,)
    coco = tuple(place / f"captions_{split}.json" for split in SPLITS)
    if all(path.exists() for path in coco):
        return coco
    if (place / CURATED).exists():
        return (place / CURATED,)
    if given:
        raise MissingDataError(
            f"datasets.nsd.captions: {place} is no .npy file, and no folder that holds "
            f"{coco[0].name} and {coco[1].name}, or {CURATED}."
        )
    return ()


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
    try:
        table = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        if "bject" in str(error):  # numpy has two wordings
            raise DataError(
                f"{path}: holds Python objects, which could run any code when they are read. Save "
                "it as texts: np.save(file, array.astype(str))."
            ) from error
        raise DataError(f"{path}: cannot be read as an array ({error}).") from error
    if table.ndim != 2 or table.dtype.kind != "U":
        raise DataError(
            f"{path}: is {table.dtype} of shape {table.shape}; texts (n_pictures, n_captions) are "
            "needed."
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
    try:
        with path.open(encoding="utf-8") as file:
            items = json.load(file)["annotations"]
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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            return {(r["cocoSplit"], int(r["cocoId"])): int(r["nsdId"]) for r in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read as NSD's table of pictures ({error}).") from error
