"""The folders that a data set is read from and its index is kept in."""

from __future__ import annotations

import os
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse_bids.identity import same


def root_folder(given: str) -> Path:
    """Return the absolute path of a BIDS data set.

    Raises
    ------
    MissingDataError
        If there is no such folder.
    DataError
        If it holds no ``dataset_description.json``.
    """
    root = Path(given).expanduser().absolute()
    if not root.is_dir():
        what = "is a file" if root.exists() else "there is no such folder"
        raise MissingDataError(
            f"--root {given}: {what}. Give the folder of a BIDS derivative, the one that holds "
            "dataset_description.json."
        )
    if not (root / "dataset_description.json").is_file():
        raise DataError(
            f"--root {given}: is not a BIDS data set, it has no dataset_description.json. Give the "
            "folder that holds the sub-… folders of the derivative."
        )
    return root


def cache_folder(given: str) -> Path:
    """Return where the index is kept: as given, else the user's cache folder."""
    if given:
        return Path(given).expanduser().absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "neurodiffuse" / "bids"


def subject_folder(root: Path, label: str) -> str:
    """Return the label that a subject's folder has, ``01`` or ``1`` alike; empty for none.

    Raises
    ------
    DataError
        If two folders are of one subject by their labels.
    """
    names = sorted(
        entry.name
        for entry in os.scandir(root)
        if entry.name.startswith("sub-")
        and same("subject", entry.name.removeprefix("sub-"), label)
        and entry.is_dir()
    )
    if len(names) > 1:
        raise DataError(
            f"{root}: the folders {listing(names)} are of one subject, since {names[0]} and "
            f"{names[1]} are one index. Rename one, or move it out of the data set."
        )
    return names[0].removeprefix("sub-") if names else ""
