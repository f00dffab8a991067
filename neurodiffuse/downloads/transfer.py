"""One file: receive, resume after a break, verify, give the final name."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from neurodiffuse.downloads.digests import Digest, computed
from neurodiffuse.downloads.source import Interrupted, Remote
from neurodiffuse.downloads.wanted import Wanted, in_bytes
from neurodiffuse.downloads.watch import Watch
from neurodiffuse.errors import DownloadError
from neurodiffuse.files import in_words, json_of
from neurodiffuse.locks import is_still, lock

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""After these no more can be written, of any file."""


@dataclass(frozen=True)
class Retries:
    """How often a broken transfer is tried again.

    ``attempts`` in a row without a single new byte end it. The pause before the next one
    doubles from ``first`` to ``longest`` seconds, or is what the server asks for.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0

    def pause(self, failures: int, asked: float) -> float:
        """Return the seconds to wait after so many failures in a row."""
        pause = min(self.first * 2.0 ** (failures - 1), self.longest)
        return max(asked, pause * random.uniform(0.75, 1.0))  # so that many do not return at once


def transfer(wanted: Wanted, watch: Watch, retries: Retries) -> str:
    """Fetch one file, whatever breaks, and return by what it was verified.

    The answer is the kind of a checksum, ``"size"``, or ``"nothing"`` when the server states
    neither.

    Raises
    ------
    DownloadError
        The file cannot be had; what was received stays in ``NAME.part`` for the next time,
        unless it is damaged.
    """
    with _disk(wanted), _part(wanted) as file:
        for damaged in (False, True):
            remote = _receive_all(wanted, file, watch, retries)
            checks = wanted.digests or remote.digests
            wrong = _wrong(wanted.part, checks)
            if wrong is None:
                break
            watch.add(-_empty(wanted, file))
            if damaged:  # twice in a row is no accident of the line
                wanted.part.unlink()
                raise DownloadError(
                    f"{wanted.address}: what the server sends is not the published file "
                    f"({wrong}). It was removed."
                )
            watch.say(f"{wanted.place.name}: damaged on the way ({wrong}); fetched again")
        os.fsync(file.fileno())
        wanted.part.replace(wanted.place)
    wanted.note.unlink(missing_ok=True)
    if checks:
        return checks[0].kind
    return "nothing" if (wanted.size or remote.size) is None else "size"


def _receive_all(wanted: Wanted, file: IO[bytes], watch: Watch, retries: Retries) -> Remote:
    """Receive until the file is whole, going on after every interruption."""
    failures = 0
    while True:
        before = _length(file)
        try:
            return _receive(wanted, file, watch)
        except Interrupted as cut:
            failures = 1 if _length(file) > before else failures + 1
            if failures >= retries.attempts:
                raise DownloadError(
                    f"{cut}; given up after {failures} attempts. The same command goes on from "
                    f"{in_bytes(_length(file))}."
                ) from cut
            pause = retries.pause(failures, cut.wait)
            watch.say(f"{cut}; trying again in {pause:.0f} s")
            watch.pause(pause)


def _receive(wanted: Wanted, file: IO[bytes], watch: Watch) -> Remote:
    """Receive what is missing, in one go."""
    known, held = _known(wanted), _length(file)
    if held and known is None:
        watch.add(-_empty(wanted, file))
        held = 0
    if known is not None and held == known.size:
        return known
    version = known.version if known else ""
    with wanted.source.open(wanted.address, held, version) as stream:
        remote = stream.remote
        _refuse_other(wanted, remote)
        if stream.start == 0 or known is None:
            if held:
                watch.say(f"{wanted.place.name}: cannot be resumed or has changed; begun anew")
                watch.add(-_empty(wanted, file))
            known = remote
            _remember(wanted, known)
        file.seek(stream.start)
        for chunk in stream.chunks:
            _write(file, chunk)
            watch.add(len(chunk))
    return _whole(wanted, known, _length(file))


def _write(file: IO[bytes], chunk: bytes) -> None:
    rest = memoryview(chunk)
    while rest:  # an unbuffered write may take a part only
        rest = rest[file.write(rest) :]


def _whole(wanted: Wanted, remote: Remote, received: int) -> Remote:
    size = wanted.size if remote.size is None else remote.size
    if size is not None and received < size:
        raise Interrupted(f"{wanted.address}: broke off at {received:,} of {size:,} bytes")
    if size is not None and received > size:
        raise DownloadError(
            f"{wanted.address}: the server sent {received:,} bytes of a file of {size:,}."
        )
    return remote


def _refuse_other(wanted: Wanted, remote: Remote) -> None:
    if wanted.size is not None and remote.size not in (None, wanted.size):
        raise DownloadError(
            f"{wanted.address}: the server's file has {remote.size:,} bytes, the published one "
            f"{wanted.size:,}. It was replaced or truncated; nothing was fetched of it."
        )
    published = {digest.kind: digest.value.lower() for digest in wanted.digests}
    for digest in remote.digests:
        if not digest.value.startswith(published.get(digest.kind, "")):
            raise DownloadError(
                f"{wanted.address}: the server's file has {digest.kind} {digest.value}, the "
                f"published one {published[digest.kind]}. It was replaced; nothing was fetched."
            )


def _wrong(part: Path, checks: tuple[Digest, ...]) -> str | None:
    for check in checks:
        found = computed(part, check)
        if found != check.value.lower():
            return f"{check.kind} {found} where {check.value} is stated"
    return None


def _known(wanted: Wanted) -> Remote | None:
    """Return what was noted of the server's file when its part was begun."""
    try:
        note = json_of(wanted.note.read_text("utf-8"))
        if note["address"] != wanted.address:
            return None
        digests = tuple(Digest(**digest) for digest in note["digests"])
        return Remote(note["size"], note["version"], digests)
    except (FileNotFoundError, ValueError, LookupError, TypeError):
        return None  # a part without a readable note is begun anew


def _remember(wanted: Wanted, remote: Remote) -> None:
    note = {"address": wanted.address, **asdict(remote)}
    wanted.note.write_text(json.dumps(note), "utf-8")


def _empty(wanted: Wanted, file: IO[bytes]) -> int:
    """Throw the part away and return how many bytes it had."""
    length = _length(file)
    file.truncate(0)
    wanted.note.unlink(missing_ok=True)
    return length


def _length(file: IO[bytes]) -> int:
    return os.fstat(file.fileno()).st_size


@contextlib.contextmanager
def _part(wanted: Wanted) -> Iterator[IO[bytes]]:
    """Open the part for this process alone; the system lets it go if the process is killed."""
    wanted.place.parent.mkdir(parents=True, exist_ok=True)
    while True:
        # unbuffered: what was received is on the disk, and closing never writes
        file = os.fdopen(os.open(wanted.part, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0)
        with file:
            try:
                lock(wanted.part, file)
            except BlockingIOError:
                raise DownloadError(
                    f"{wanted.part}: another process is fetching this file; wait for it."
                ) from None
            if not is_still(wanted.part, file):
                continue  # it was renamed while we waited to open it: it is somebody's whole file
            yield file
            return


@contextlib.contextmanager
def _disk(wanted: Wanted) -> Iterator[None]:
    """Say in words that the disk is full or refuses; the part stays."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(
                f"{wanted.part}: the disk is full or allows no more ({in_words(error)}). Make "
                "room; the same command goes on from here."
            ) from error
        if isinstance(error, DownloadError):
            raise
        raise DownloadError(f"{error.filename or wanted.part}: {in_words(error)}") from error


class DiskFull(DownloadError):  # noqa: N818 (the user's words)
    """No more can be written; other transfers need not go on."""
