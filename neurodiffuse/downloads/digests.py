"""Checksums that servers and publishers state, computed from the file on disk."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """A checksum: ``kind`` is ``sha256``, ``md5``, ``git-sha1`` or ``multipart``.

    A ``sha256`` may be its first digits only: torchvision names its files by the first eight.
    ``git-sha1`` is git's name of a blob, which the Hugging Face hub gives for small files.
    ``multipart`` is the ETag of an object that was uploaded to S3 in parts of ``part_size``
    bytes: the MD5 of the parts' MD5s, a hyphen, the number of parts.
    """

    kind: str
    value: str
    part_size: int = 0


def computed(path: Path, digest: Digest) -> str:
    """Return what the file's checksum of that kind is; reads the whole file.

    Of a SHA-256 as many digits as ``digest`` has, all when it has none.
    """
    if digest.kind == "multipart":
        return multipart(path, digest.part_size)
    if digest.kind == "git-sha1":
        sha1 = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
        return _hexdigest(sha1, path)
    if digest.kind == "md5":
        return _hexdigest(hashlib.md5(usedforsecurity=False), path)
    whole = _hexdigest(hashlib.new(digest.kind), path)
    return whole[: len(digest.value)] if digest.kind == "sha256" and digest.value else whole


def multipart(path: Path, part_size: int) -> str:
    """Return the ETag that S3 gives to a file uploaded in parts of ``part_size`` bytes."""
    parts = []
    with path.open("rb") as file:
        while left := min(part_size, path.stat().st_size - file.tell()):
            part = hashlib.md5(usedforsecurity=False)
            while left and (block := file.read(min(BLOCK, left))):
                part.update(block)
                left -= len(block)
            parts.append(part.digest())
    whole = hashlib.md5(b"".join(parts), usedforsecurity=False)
    return f"{whole.hexdigest()}-{len(parts)}"


def _hexdigest(sum_: hashlib._Hash, path: Path) -> str:
    for block in _blocks(path):
        sum_.update(block)
    return sum_.hexdigest()


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
