"""Files whose content is not on this machine: links and pointers of DataLad and Git LFS."""

from __future__ import annotations

import stat
from pathlib import Path

from neurodiffuse.readers.reach import leaves

_POINTERS = {
    b"/annex/objects/": "datalad get",
    b"version https://git-lfs": "git lfs pull --include",
}
"""How the files begin that stand for a content elsewhere, and what fetches it."""


def why_absent(path: Path) -> str:
    """Return why a file has no content here and what fetches it; empty where it has."""
    if path.is_symlink() and not path.exists():
        target = str(path.readlink())
        how = f"datalad get {path}" if "annex" in Path(target).parts or ".git" in target else ""
        return (
            f"the link leads nowhere (to {target}). "
            f"{f'Fetch its content: {how}' if how else 'Restore what it leads to'}."
        )
    try:
        if not stat.S_ISREG(path.stat().st_mode) or leaves(path):
            return ""  # it is not opened
        with path.open("rb") as file:
            start = file.read(40)
    except FileNotFoundError:
        return "there is no such file."
    except OSError:
        return ""
    for pointer, how in _POINTERS.items():
        if start.startswith(pointer):
            return f"only stands for a content that was not fetched. Fetch it: {how} {path}."
    return ""
