"""Where results go: a folder that a user names, which stays as it was unless all went well."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from neurodiffuse.errors import RunError
from neurodiffuse.files import in_words, said_clearly
from neurodiffuse.locks import held

MOUNTS = Path("/proc/self/mountinfo")
"""Where Linux lists mount points, also those that lead to another folder of the same disk."""


def check_folder(place: Path, flag: str = "--out") -> None:
    """Refuse a place where there is no folder and none can be made.

    Raises
    ------
    RunError
        Naming what is in the way: a file, a pipe, a link that leads nowhere or in circles.
    """
    whole = place.absolute()
    for there in (whole, *whole.parents):
        try:
            found = there.stat()
        except FileNotFoundError:
            if there.is_symlink():
                raise RunError(
                    f"{flag}: {there} is a link that leads nowhere (to {there.readlink()}). Make "
                    "that folder, or name another one."
                ) from None
            continue
        except NotADirectoryError:
            continue
        except OSError as error:
            raise RunError(f"{flag}: {there} cannot be used: {in_words(error)}.") from error
        if not stat.S_ISDIR(found.st_mode):
            raise RunError(f"{flag}: {there} is {kind(found.st_mode)}; give a folder.")
        return


def check_replaceable(place: Path, flag: str = "--out") -> None:
    """Refuse a place where a folder cannot be put, or put in the place of the one that is there.

    Raises
    ------
    RunError
        If it is no folder (`check_folder`), a mount point, the folder that the command is given
        in, or its parent cannot be written.
    """
    check_folder(place, flag)
    real = place.resolve()
    within = f"give a folder in it, such as {place / 'answer'}"
    if _is_mount(real):
        raise RunError(f"{flag}: {place} is a mount point, which cannot be replaced; {within}.")
    if Path.cwd().is_relative_to(real):
        raise RunError(
            f"{flag}: {place} is the folder that the command is given in and would be replaced; "
            f"{within}."
        )
    there = next(folder for folder in real.parents if folder.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise RunError(
            f"{place}: {there} cannot be written. Choose another {flag} or change the folder's "
            "permissions."
        )


@contextlib.contextmanager
def replacing(place: Path, flag: str = "--out") -> Iterator[Path]:
    """Give an empty folder to write in that takes the place of ``place`` when all went well.

    Whether what lies there may be replaced is asked before. Where a link leads to it, the link
    stays. Nothing stays of a block that fails, neither of folders made for it.

    Raises
    ------
    RunError
        As `check_replaceable`, or if another process writes there.
    """

    def busy(who: str) -> None:
        raise RunError(f"{flag}: {who} is writing {place}. Wait for it, or name another folder.")

    check_replaceable(place, flag)
    real = place.resolve()
    partial, old, lock = (
        real.with_name(real.name + end) for end in (".partial", ".old.partial", ".lock")
    )
    with said_clearly(place), made(real.parent), held(lock, busy):
        for left in (partial, old):  # by a killed process
            shutil.rmtree(left, ignore_errors=True)
        try:
            partial.mkdir()
            yield partial
            if real.exists():
                shutil.copymode(real, partial)
                real.rename(old)
            partial.rename(real)
        finally:
            for left in (partial, old):
                shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder with its parents; those that were made and are empty go if the block fails."""
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for one in missing:
            with contextlib.suppress(OSError):  # it was not made, or is not empty
                one.rmdir()
        raise


def kind(mode: int) -> str:
    """Return in words what a file is that is no folder, of its mode."""
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "a file"


def _is_mount(folder: Path) -> bool:
    if os.path.ismount(folder):
        return True
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return False
    points = (line.split(" ")[4] for line in lines)
    return str(folder) in {re.sub(r"\\(\d{3})", lambda o: chr(int(o[1], 8)), p) for p in points}
