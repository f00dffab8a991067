"""Captions: COCO's annotation files, which NSD's bucket does not hold."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.downloads import Digest, HttpSource, Wanted
from neurodiffuse.errors import DownloadError
from neurodiffuse_nsd.tree import Tree


@dataclass(frozen=True)
class Archive:
    """The archive of annotations and what is taken out of it."""

    address: str
    size: int
    sha256: str
    members: tuple[str, ...]


ARCHIVE = Archive(
    # the bucket of images.cocodataset.org, whose own name has no certificate
    "https://s3.amazonaws.com/images.cocodataset.org/annotations/annotations_trainval2017.zip",
    252_907_541,
    "113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    ("annotations/captions_train2017.json", "annotations/captions_val2017.json"),
)
"""Size and SHA-256 as several public projects pin them."""


def unpacked(tree: Tree, archive: Archive = ARCHIVE) -> list[Path]:
    """Return where the captions are read from."""
    return [tree.annotations / Path(member).name for member in archive.members]


def wanted(tree: Tree, archive: Archive = ARCHIVE) -> list[Wanted]:
    """Return the archive, unless the captions are there."""
    if all(path.is_file() for path in unpacked(tree, archive)):
        return []
    place = tree.annotations / Path(archive.address).name
    digests = (Digest("sha256", archive.sha256),)
    return [Wanted(archive.address, place, HttpSource(), archive.size, digests)]


def unpack(tree: Tree, archive: Archive = ARCHIVE) -> None:
    """Take the captions out of the archive, and remove it.

    Raises
    ------
    DownloadError
        If the archive is damaged, or the disk is full.
    """
    place = tree.annotations / Path(archive.address).name
    if not place.is_file():
        return
    try:
        with zipfile.ZipFile(place) as zipped:
            for member, path in zip(archive.members, unpacked(tree, archive), strict=True):
                beside = path.with_name(f"{path.name}.part")
                with zipped.open(member) as packed, beside.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
                beside.replace(path)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise DownloadError(
            f"{place}: no archive of COCO's captions ({error}). Remove it and fetch again."
        ) from error
    except OSError as error:
        raise DownloadError(f"{place}: cannot be unpacked: {error.strerror or error}.") from error
    place.unlink()
