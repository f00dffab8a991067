"""What is here, what is missing, how many bytes that is, and whether the disk holds them."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from neurodiffuse.downloads.wanted import Wanted, in_bytes
from neurodiffuse.errors import DownloadError


@dataclass(frozen=True)
class Plan:
    """What a download would do.

    ``here`` are files that are there already, ``differ`` files that are there with another size
    than published, ``rest`` the files to fetch.
    """

    here: tuple[Wanted, ...]
    differ: tuple[Wanted, ...]
    rest: tuple[Wanted, ...]

    @property
    def received(self) -> int:
        """Bytes that an earlier attempt left."""
        return sum(wanted.received for wanted in self.rest)

    @property
    def size(self) -> int | None:
        """Bytes to fetch, None when the size of a file is not known."""
        sizes = [wanted.size for wanted in self.rest]
        if None in sizes:
            return None
        return max(sum(size for size in sizes if size) - self.received, 0)


def plan(wanted: Sequence[Wanted]) -> Plan:
    """Compare what is wanted with what is on the disk; nothing is asked of a server."""
    here, differ, rest = [], [], []
    for one in wanted:
        if not one.place.is_file():
            rest.append(one)
        elif one.size is None or one.place.stat().st_size == one.size:
            here.append(one)
        else:
            differ.append(one)
    return Plan(tuple(here), tuple(differ), tuple(rest))


def looked_up(wanted: Sequence[Wanted], jobs: int = 8) -> list[Wanted]:
    """Return the same files with the sizes and checksums that their servers state.

    Only the files that are not here and of unknown size are asked about.
    """

    def look(one: Wanted) -> Wanted:
        if one.size is not None or one.place.is_file():
            return one
        remote = one.source.look(one.address)
        return replace(one, size=remote.size, digests=one.digests or remote.digests)

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(look, wanted))


def check_disk(wanted: Sequence[Wanted]) -> None:
    """Refuse to start when the files do not fit on the disks that they go to."""
    needed: Counter[int] = Counter()
    folders: dict[int, Path] = {}
    for one in wanted:
        folder = _existing(one.place.parent)
        device = folder.stat().st_dev
        folders.setdefault(device, folder)
        needed[device] += max((one.size or 0) - one.received, 0)
    for device, bytes_ in needed.items():
        free = shutil.disk_usage(folders[device]).free
        if bytes_ > free:
            raise DownloadError(
                f"{folders[device]}: {in_bytes(bytes_)} are to be fetched and {in_bytes(free)} "
                "are free. Make room, or choose another folder."
            )


def _existing(folder: Path) -> Path:
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
