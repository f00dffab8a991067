"""Where weights lie: the cache, a user's own folder or a user's own file."""

from __future__ import annotations

import os
from pathlib import Path

from neurodiffuse.errors import MissingDataError
from neurodiffuse.types import Download, Model, ModelFile


def cache_root() -> Path:
    """Return the folder of fetched weights: ``NEURODIFFUSE_MODELS``, else the user's cache."""
    if given := os.environ.get("NEURODIFFUSE_MODELS"):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("neurodiffuse", appauthor=False) / "models"


def folder_of(model: Model) -> Path:
    """Return the folder in the cache that `neurodiffuse models fetch` fills."""
    return cache_root() / model.name


def locate(model: Model, given: str | Path = "") -> Path:
    """Return the folder that holds all files of a model, or a user's own file.

    Parameters
    ----------
    model
        What is looked for.
    given
        The user's own folder or single file (option ``weights`` of a plugin); empty for the
        cache. A file is returned as it is: what it holds is for the reader to check.

    Raises
    ------
    MissingDataError
        Names the file that is not there and the line that fetches it.
    """
    if given:
        return _given(model, Path(given).expanduser())
    folder = folder_of(model)
    if lacking := _lacking(model, folder):
        n = len(lacking) - 1
        more = f" and {n} more {'files' if n > 1 else 'file'}" if n else ""
        raise MissingDataError(
            f"weights {model.name!r}: {folder / lacking[0].path}{more} not there. Fetch them: "
            f"neurodiffuse models fetch {model.name}"
        )
    return folder


def missing(model: Model, given: str | Path = "") -> tuple[Download, ...]:
    """Return the files that are not on this machine yet, for ``Role.downloads()``.

    Nothing is fetched into a user's own folder: if a file lacks there, `MissingDataError` is
    raised as by `locate`.
    """
    if given:
        _given(model, Path(given).expanduser())
        return ()
    lacking = _lacking(model, folder_of(model))
    return tuple(Download(file.address, file.size, model.licence) for file in lacking)


def _given(model: Model, place: Path) -> Path:
    if place.is_file():
        return place
    if not place.is_dir():
        raise MissingDataError(
            f"weights {model.name!r}: {place} does not exist. Give a file, a folder, or nothing "
            f"to use fetched weights (neurodiffuse models fetch {model.name})."
        )
    if lacking := [file for file in model.files if not (place / file.path).is_file()]:
        raise MissingDataError(
            f"weights {model.name!r}: {place} has no {lacking[0].path}. A folder of one's own "
            f"holds all of: {', '.join(file.path for file in model.files)}."
        )
    return place


def _lacking(model: Model, folder: Path) -> list[ModelFile]:
    """Return files of the cache that are absent or of another size than published."""
    return [file for file in model.files if not _there(folder / file.path, file.size)]


def _there(path: Path, size: int | None) -> bool:
    return path.is_file() and (size is None or path.stat().st_size == size)
