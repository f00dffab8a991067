"""A file to be fetched: from where, to where, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.downloads.digests import Digest
from neurodiffuse.downloads.source import Source


@dataclass(frozen=True)
class Wanted:
    """A file to be fetched.

    ``address`` is what its ``source`` understands, ``place`` the final name. ``size`` in bytes
    and ``digests`` are what the publisher states, where known: a server that offers something
    else is refused.
    """

    address: str
    place: Path
    source: Source
    size: int | None = None
    digests: tuple[Digest, ...] = ()

    @property
    def part(self) -> Path:
        """Where the file is received before it has its final name."""
        return self.place.with_name(self.place.name + ".part")

    @property
    def note(self) -> Path:
        """What is remembered of the server's file, to resume."""
        return self.place.with_name(self.place.name + ".part.json")

    @property
    def received(self) -> int:
        """Bytes of the part that an earlier attempt left."""
        return self.part.stat().st_size if self.part.is_file() and self.note.is_file() else 0


def in_bytes(size: int | None) -> str:
    """Return a size as it is said: ``3.4 GB``; one kB is 1000 bytes."""
    if size is None:
        return "size unknown"
    if size < 1000:
        return f"{size} bytes"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{value:.3g} {unit}"
    return f"{value / 1000:.3g} TB"
