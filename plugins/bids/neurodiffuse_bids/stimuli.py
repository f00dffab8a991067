"""The pictures that were shown and what was said of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.pictures import PICTURES
from neurodiffuse.readers.tables import read_table


class Pictures:
    """The folder of stimuli: which file an id stands for, and which captions it has.

    ``folder`` is ``stimuli/`` of the data set or one that the user names; no file outside
    ``within`` is read, whatever the tables or symbolic links say.
    """

    def __init__(self, folder: Path, within: Path, captions_file: Path | None) -> None:
        self.folder = folder
        self.within = within
        self.captions_file = captions_file
        self._named: dict[str, str] = {}
        self._listing: dict[str, list[str]] | None = None
        self._captions: dict[str, tuple[str, ...]] | None = None
        self._catalogue: dict[str, dict[str, str]] | None = None

    def name(self, stimulus: str, file: str, table: Path) -> None:
        """Note that a table calls a file's picture ``stimulus``.

        Raises
        ------
        DataError
            If the tables give one id to two files.
        """
        before = self._named.setdefault(stimulus, file)
        if before != file:
            raise DataError(
                f"{table}: the stimulus {stimulus} is {file!r} here and {before!r} elsewhere; "
                "an id stands for one image."
            )

    def catalogue(self) -> Mapping[str, Mapping[str, str]]:
        """Return the rows of ``stimuli.tsv`` by stimulus id, none when there is no such table.

        Raises
        ------
        DataError
            If an id has two rows.
        """
        if self._catalogue is None:
            path, rows = self.folder / "stimuli.tsv", {}
            if path.exists():
                table = read_table(path)
                for k, stimulus in enumerate(table["stim_id"]):
                    if bare(stimulus) in rows:
                        raise DataError(f"{path}: the stimulus {stimulus} has two rows.")
                    rows[bare(stimulus)] = {n: v[k] for n, v in table.columns.items()}
            self._catalogue = rows
        return self._catalogue

    def tables(self) -> tuple[Path, ...]:
        """Return the tables of images that there are."""
        path = self.folder / "stimuli.tsv"
        return (path,) if path.exists() else ()

    def caption_tables(self) -> tuple[Path, ...]:
        """Return the tables of captions that there are."""
        path = self.captions_file or self.folder / "captions.tsv"
        return (path,) if path.exists() else ()

    def path(self, stimulus: str) -> Path:
        """Return the image file of a stimulus.

        Raises
        ------
        MissingDataError
            If there is none.
        DataError
            If there are several, or it lies outside of the data set.
        """
        named = self._named.get(stimulus) or self._from_catalogue(stimulus)
        if named:
            return self._inside(named, stimulus)
        files = self._files()
        found = [name for key in (stimulus, bare(stimulus)) for name in files.get(key, ())]
        if "/" in stimulus and Path(stimulus).suffix.lower() in PICTURES:
            return self._inside(stimulus, stimulus)
        if not found:
            raise MissingDataError(
                f"{self.folder}: no image for the stimulus {stimulus}.{near(stimulus, files)} "
                f"Looked for {stimulus}_image.png and the like, and in stim_file of the events."
            )
        if len(set(found)) > 1:
            raise DataError(
                f"{self.folder}: the stimulus {stimulus} has two images: "
                f"{listing(dict.fromkeys(found))}. Keep one."
            )
        return self._inside(found[0], stimulus)

    def captions(self, stimulus: str) -> tuple[str, ...]:
        """Return the captions of a stimulus, possibly none."""
        if self._captions is None:
            collected: dict[str, list[str]] = {}
            path = self.captions_file or self.folder / "captions.tsv"
            if self.captions_file or path.exists():
                table = read_table(path)
                for name, caption in zip(table["stim_id"], table["caption"], strict=True):
                    if caption:
                        collected.setdefault(bare(name), []).append(caption)
            self._captions = {name: tuple(texts) for name, texts in collected.items()}
        return self._captions.get(bare(stimulus), ())

    def _from_catalogue(self, stimulus: str) -> str:
        row = self.catalogue().get(bare(stimulus), {})
        return row.get("stim_file") or row.get("filename") or ""

    def _inside(self, name: str, stimulus: str) -> Path:
        path = (self.folder / name).resolve()
        if Path(name).is_absolute() or not path.is_relative_to(self.within.resolve()):
            raise DataError(
                f"stimulus {stimulus}: the path {name!r} climbs out of {self.within} to {path}; "
                "images, and what links point to, must lie in the data set or in the folder that "
                "datasets.bids.stimuli_dir names."
            )
        if not path.is_file():
            raise MissingDataError(
                f"stimulus {stimulus}: the events name it and there is no image "
                f"{self.folder / name}. Restore the file, or name the folder of the images with "
                "datasets.bids.stimuli_dir."
            )
        return path

    def _files(self) -> dict[str, list[str]]:
        """Return the pictures below the folder by stimulus id, as paths relative to it."""
        if self._listing is None:
            self._listing = {}
            for folder, _, names in os.walk(self.folder):
                for name in sorted(names):
                    stem, extension = os.path.splitext(name)  # noqa: PTH122
                    if extension.lower() in PICTURES:
                        path = (Path(folder) / name).relative_to(self.folder).as_posix()
                        for key in (bare(stem.removesuffix("_image")), name):
                            self._listing.setdefault(key, []).append(path)
        return self._listing


def bare(stimulus: str) -> str:
    """Return an id without BIDS' ``stim-``, which some tables write and others leave out."""
    return stimulus.removeprefix("stim-")


def id_of_file(name: str) -> str:
    """Return the id of an image that has no other: ``stim-x`` of ``stim-x_image.png``."""
    path = Path(name)
    if path.name.startswith("stim-") and path.stem.endswith("_image"):
        return path.stem.removesuffix("_image")
    return name
