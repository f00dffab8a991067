"""What a file holds, as a number: hashed whole, in samples, or while something else reads it."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path

Stamp = list[int]
"""Size in bytes, time of the last change of the content and of anything, both in ns."""

AHEAD = 2**30
"""Bytes that hashing may be ahead of reading: what the system's cache can be trusted to keep."""

SAMPLED = 64 * 2**20
"""Bytes from which a file also has a digest of samples."""

CHUNK = 2**20
PAGE, PAGES = 4096, 64


def stamp_of(path: Path) -> Stamp | None:
    """Return size and times of a file, None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def samples_of(path: Path) -> str:
    """Return the SHA-256 of pages of a file, evenly from its first to its last byte.

    The last bytes of a ``.gz`` are a checksum of all that is in it.
    """
    digest, size = hashlib.sha256(), path.stat().st_size
    with path.open("rb", buffering=0) as file:
        for k in range(PAGES):
            file.seek(max(0, size - PAGE) * k // (PAGES - 1))
            digest.update(file.read(PAGE))
    return digest.hexdigest()


class Hasher:
    """Hashes files in a thread while something else reads them, so that disks are read once.

    Parameters
    ----------
    paths
        The files, in the order in which they are read.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self._total = sum(path.stat().st_size for path in self.paths)
        self._done = 0
        self._allowed: float = AHEAD
        self._turn = threading.Condition()
        self._stopped = False
        self._found: dict[Path, str] = {}
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="hashing", daemon=True)

    def __enter__(self) -> Hasher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._turn:
            self._stopped = True
            self._turn.notify()
        self._thread.join()

    def reached(self, share: float) -> None:
        """Say which part of all that is to be read has been read."""
        with self._turn:
            self._allowed = AHEAD + share * self._total
            self._turn.notify()

    def digests(self) -> dict[Path, str]:
        """Wait for the rest and return the SHA-256 of every file."""
        self.reached(float("inf"))
        self._thread.join()
        if self._error:
            raise self._error
        return self._found

    def _work(self) -> None:
        buffer = memoryview(bytearray(CHUNK))
        try:
            for path in self.paths:
                digest = hashlib.sha256()
                with path.open("rb", buffering=0) as file:
                    while count := file.readinto(buffer):
                        digest.update(buffer[:count])
                        if not self._may_go_on(count):
                            return
                self._found[path] = digest.hexdigest()
        except OSError as error:
            self._error = error

    def _may_go_on(self, count: int) -> bool:
        """Wait until reading is near; return whether anybody still waits for digests."""
        self._done += count
        with self._turn:
            self._turn.wait_for(lambda: self._stopped or self._done <= self._allowed)
        return not self._stopped
