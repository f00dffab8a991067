"""Locks between processes: a file that one of them holds, and that is gone when it lets go.

The system frees a lock when the process that holds it ends, however it ends. The file of a killed
process stays until the next one has taken it over and let go. A file is removed by who holds it,
while it is held; who has waited for it meanwhile finds that its name leads to another file or to
none, and begins again. The file lies beside what it guards, not in a folder of one machine, so
that the machines of a cluster that share a disk see it too.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from neurodiffuse.progress import say

WITHOUT = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
"""What file systems answer that have no locks, as NFS and Lustre may be mounted."""

_TOLD: set[int] = set()


@contextlib.contextmanager
def held(path: Path, busy: Callable[[str], None], *, quiet: bool = False) -> Iterator[bool]:
    """Hold a lock file alone until the block ends, and remove it then.

    Parameters
    ----------
    path
        The file, in a folder that is there.
    busy
        Told who holds it where it is held: it raises, or returns to wait for it.
    quiet
        Do not say that the file system has no locks.

    Yields
    ------
    bool
        Whether the file system has locks; without them the block is entered all the same.
    """
    while True:
        file = path.open("a+", encoding="utf-8", errors="replace")
        try:
            locked = _taken(path, file, busy, quiet)
            if is_still(path, file):
                break
        except BaseException:
            file.close()
            raise
        file.close()  # who held it has removed it meanwhile
    with file:
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {platform.node()}")
            file.flush()
            yield locked
        finally:
            path.unlink(missing_ok=True)


def lock(path: Path, file: IO[Any], *, wait: bool = False, quiet: bool = False) -> bool:
    """Lock a file that is open, for this process; return whether its file system has locks.

    Raises
    ------
    BlockingIOError
        If another process holds it, unless ``wait``.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in WITHOUT:
            raise
        device = os.fstat(file.fileno()).st_dev
        if device not in _TOLD:
            _TOLD.add(device)
            say(
                f"{path.parent}: its file system has no locks ({error.strerror}); do "
                "not give a second command for the same folder while this one works",
                quiet=quiet,
            )
        return False
    return True


def holder(path: Path) -> str:
    """Return who holds a lock file that cannot be written, as on a read-only disk; else nothing."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read(200).strip() or "another process"
    except OSError:
        return ""  # there is none, or the file system has no locks
    return ""


def is_still(path: Path, file: IO[Any]) -> bool:
    """Return whether a path leads to an open file still."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _taken(path: Path, file: IO[str], busy: Callable[[str], None], quiet: bool) -> bool:
    try:
        return lock(path, file, quiet=quiet)
    except BlockingIOError:
        file.seek(0)
        busy(file.read(200).strip() or "another process")
    return lock(path, file, wait=True, quiet=quiet)
