"""The JSON files beside images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.files import json_of
from neurodiffuse.readers.noting import note_read
from neurodiffuse.readers.reach import check_file


class Sidecars:
    """Metadata of the images of one data set, by the inheritance principle of BIDS.

    A JSON file further up, or with fewer entities in its name, applies to every image with
    these entities; the nearest one wins.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listings: dict[Path, tuple[tuple[Path, frozenset[str], str], ...]] = {}

    def of(self, path: Path) -> dict[str, Any]:
        """Return an image's metadata, empty when there is none."""
        merged: dict[str, Any] = {}
        for file in self.files(path):
            merged |= read_json(file)
        return merged

    def files(self, path: Path) -> tuple[Path, ...]:
        """Return the JSON files that an image's metadata are in, the nearest last."""
        stem = _stem(path.name)
        suffix, entities = stem.rsplit("_", 1)[-1], set(stem.split("_")[:-1])
        found: list[Path] = []
        for folder in reversed([p for p in path.parents if p.is_relative_to(self.root)]):
            fitting = [
                (len(parts), file)
                for file, parts, end in self._inherited(folder)
                if end == suffix and parts <= entities
            ]
            found += [file for _, file in sorted(fitting)]
        own = path.with_name(f"{stem}.json")
        return (*found, own) if own.exists() else tuple(found)

    def factor(self, path: Path) -> float:
        """Return ``ScaleFactor`` of integers that the header does not scale, else 1.

        Raises
        ------
        DataError
            If the factor is no number.
        """
        check_file(path)
        image: Any = nib.load(path)
        proxy = image.dataobj  # nibabel moves slope and intercept there from the header
        scaled = (float(proxy.slope), float(proxy.inter)) != (1, 0)
        if scaled or image.get_data_dtype().kind not in "iu":
            return 1.0
        value = self.of(path).get("ScaleFactor", 1.0)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not np.isfinite(value):
            raise DataError(f"{path}: ScaleFactor {value!r} of its JSON file is no number.")
        return float(value)

    def _inherited(self, folder: Path) -> tuple[tuple[Path, frozenset[str], str], ...]:
        """Return the JSON files of a folder that belong to no image of their own."""
        if folder not in self._listings:
            names = [entry.name for entry in folder.iterdir()]
            images = {_stem(name) for name in names if not name.endswith(".json")}
            found = []
            for name in sorted(names):
                stem = name.removesuffix(".json")
                if stem != name and stem not in images:
                    *parts, suffix = stem.split("_")
                    found.append((folder / name, frozenset(parts), suffix))
            self._listings[folder] = tuple(found)
        return self._listings[folder]


def read_json(path: Path) -> dict[str, Any]:
    """Return the object that a JSON file holds."""
    note_read(path)
    check_file(path)
    try:
        content = json_of(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is not readable as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: holds no JSON object, {{…}}.")
    return content


def _stem(name: str) -> str:
    return name.removesuffix(".gz").rsplit(".", 1)[0]
