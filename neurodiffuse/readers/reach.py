"""Which files of a data set may be read: plain files in it, and with ``links any`` all others.

A data set from a stranger may hold links to any file of this machine, whose content would end in
a report, or in the message of an error. So a file is looked at before it is opened: it has to be
a plain file, since a pipe or a device may be waited for without end, and what its name leads to
has to lie in the data set, or in a folder that the user named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neurodiffuse.errors import DataError
from neurodiffuse.files import in_words, is_known
from neurodiffuse.places import kind

Links = Literal["inside", "any"]


@dataclass(frozen=True)
class _Home:
    """A folder that a user named, and what links in it may lead to; None: anything."""

    folder: Path
    bounds: tuple[Path, ...] | None


_HOMES: dict[Path, _Home] = {}


def limit(root: Path | None, options: Mapping[str, Any], links: str = "inside") -> None:
    """Say how far the links of a data set may lead, in this process from now on.

    Parameters
    ----------
    root
        The folder of the data set, as the user named it; it may itself be a link.
    options
        Of the data set's plugin; folders and files that they name are the user's too.
    links
        ``inside`` or ``any``.
    """
    paths = [Path(v).expanduser() for v in options.values() if isinstance(v, str) and v]
    named = [path for path in paths if len(path.parts) > 1 and os.path.lexists(path)]
    folders = [p for p in [*([root] if root else []), *named] if p.is_dir()]
    bounds = {bound: None for folder in folders for bound in link_bounds(folder)}
    bounds |= {path.resolve(): None for path in named}
    for folder in folders:
        for one in {_plain(folder), folder.resolve()}:
            _HOMES[one] = _Home(folder, None if links == "any" else tuple(bounds))


def keep_inside(*folders: Path) -> None:
    """Limit the links in folders to `link_bounds`, unless `limit` has said how far they may lead.

    For a data set that is used without a run.
    """
    for folder in folders:
        if _plain(folder) not in _HOMES:
            limit(folder, {})


def link_bounds(folder: Path) -> tuple[Path, ...]:
    """Return the folders that links in ``folder`` may lead to: itself and the data set around it.

    That is the nearest folder, this one or one above, with ``dataset_description.json``,
    ``.datalad`` or ``.git``; and the store of the nearest git repository, which may lie further
    up.
    """
    real = folder.resolve()
    around = [real, *real.parents]
    marks = ("dataset_description.json", ".datalad", ".git")
    nearest = next((p for p in around if any((p / m).exists() for m in marks)), real)
    repository = next((p / ".git" for p in around if (p / ".git").is_dir()), None)
    stores = ((repository.resolve() / "annex"),) if repository else ()
    return tuple(dict.fromkeys((real, nearest, *stores)))


def leaves(path: Path) -> Path | None:
    """Return where a file of a data set is if that is out of its reach, else None."""
    place = _plain(path)
    home = next((_HOMES[p] for p in place.parents if p in _HOMES), None)
    if home is None or home.bounds is None:
        return None
    real = Path(os.path.realpath(place))
    return None if any(real.is_relative_to(bound) for bound in home.bounds) else real


def check_file(path: Path) -> None:
    """Refuse a file that may not be opened; one that is not there is the reader's business.

    Raises
    ------
    DataError
        If it is no plain file, cannot be looked at, or is a link that leads out of the data set.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if is_known(error):
            raise DataError(f"{path}: cannot be read: {in_words(error)}.") from error
        return
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else kind(mode)
        raise DataError(f"{path}: is {what} where a file is needed.")
    if real := leaves(path):
        raise DataError(
            f"{path}: is a link, or is below one, that leads out of the data set, to {real}. Copy "
            "the file into the data set or, if you trust who made the link, follow such links: "
            "--links any."
        )


def check_files(paths: Iterable[Path]) -> None:
    """Check files as `check_file` does, each once."""
    for path in dict.fromkeys(paths):
        check_file(path)


def files_of(dataset: Any, label: str, regions: Iterable[str]) -> Iterator[Path]:
    """Yield the files that a data set says a subject's results depend on, but for pictures."""
    for some in dataset.inputs(label).values():
        yield from some
    for name in regions:
        yield from dataset.region_files(label, name)


def _plain(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  (links are not followed here)
