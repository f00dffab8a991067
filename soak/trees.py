"""What two trees of files have in common: everything but logs and what says when it was made."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

TIMED = re.compile(r"(^|/)logs/")
"""Files that say when and by whom something was done."""
TIMES = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?([+-]\d{4}| UTC)?"
    rb'|"seconds": [0-9.e-]+|\b\d+(\.\d+)? (s|seconds|minutes)\b'
)
LEFT = re.compile(r"\.partial\b|\.lock$|scratch|/tmp[^/]*$|~$")
"""Names that nothing finished has."""


def tree(root: Path) -> dict[str, str]:
    """Return what every file below ``root`` holds, as hashes without times; folders too."""
    found: dict[str, str] = {}
    for folder, folders, files in os.walk(root):
        folders.sort()
        here = Path(folder)
        for name in folders:
            found[f"{(here / name).relative_to(root)}/"] = "folder"
        for name in files:
            file = here / name
            key = str(file.relative_to(root))
            if file.is_symlink():
                found[key] = f"link to {file.readlink()}"
            elif TIMED.search(key):
                found[key] = "log"
            else:
                found[key] = hashlib.sha256(TIMES.sub(b"TIME", file.read_bytes())).hexdigest()
    return found


def differences(wanted: dict[str, str], found: dict[str, str]) -> list[str]:
    """Return one line for each file that is missing, of other content, too many or left over."""
    said = [f"missing: {key}" for key in wanted if key not in found]
    said += [f"differs: {key}" for key in wanted if key in found and wanted[key] != found[key]]
    said += [f"too many: {key}" for key in found if key not in wanted]
    return said + [f"left over: {key}" for key in found if LEFT.search(key)]
