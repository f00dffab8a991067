"""Which files a subject of a BIDS derivative is read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from neurodiffuse_bids.regions import Region


def files_of_region(region: Region, legends: Sequence[Path], aliases: Path | None) -> list[Path]:
    """Return the files of a region: its images, what names their labels, and the user's names.

    ``legends`` are the tables that were read to name the regions of the subject. Of lookup
    tables that are named as images are, those count that may belong to an image of the region.
    """
    images = list(_images(region))
    tables = [t for t in legends if any(_may_name(t, image) for image in images)]
    return [*images, *tables, *([aliases] if aliases else [])]


def _images(region: Region) -> Iterator[Path]:
    for part in region.parts:
        yield part.path
    for member in region.members:
        yield from _images(member)


def _may_name(table: Path, image: Path) -> bool:
    """Return whether all parts of a table's name are in the image's, or it has no entities."""
    own, theirs = (set(path.name.split(".")[0].split("_")) for path in (table, image))
    return own <= theirs or not any("-" in part for part in own)
