"""Features of what was seen, kept on disk by content, so that nothing computes them twice.

The folder is ``NEURODIFFUSE_FEATURES``, else in the user's cache; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from neurodiffuse.errors import NeurodiffuseError, RunError

MOST = 8 * 2**30
"""Bytes that are kept; the features that were not used for longest go first."""


def folder() -> Path:
    """Return where features are kept."""
    if given := os.environ.get("NEURODIFFUSE_FEATURES"):
        return Path(given).expanduser()
    import platformdirs

    return platformdirs.user_cache_path("neurodiffuse", appauthor=False) / "features"


def key(pictures: np.ndarray, *about: object) -> str:
    """Return a name for features of these pictures by what ``about`` describes."""
    digest = hashlib.blake2b(repr((*about, pictures.shape)).encode(), digest_size=16)
    for picture in pictures:
        digest.update(np.ascontiguousarray(picture).data)
    return digest.hexdigest()


def kept(name: str, n: int, compute: Callable[[], Iterator[np.ndarray]]) -> np.ndarray:
    """Return n rows of float32 features, memory-mapped; computed if they are not there.

    Parameters
    ----------
    name
        Of `key`.
    n
        Number of rows.
    compute
        Yields them, some rows at a time, in order.

    Raises
    ------
    RunError
        If the folder cannot be written.
    """
    path = folder() / f"{name}.npy"
    found = _read(path, n)
    if found is not None:
        return found
    beside = path.with_name(f"{path.stem}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(beside, n, compute())
        beside.replace(path)
    except OSError as error:
        if isinstance(error, NeurodiffuseError):
            raise
        raise RunError(
            f"features: {path.parent} cannot be written ({error.strerror or error}). Set "
            "NEURODIFFUSE_FEATURES to a folder with room; nothing half-written stays."
        ) from error
    finally:
        if beside.exists():
            beside.unlink()
    _forget_oldest(path)
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _read(path: Path, n: int) -> np.ndarray | None:
    """Return what is there, or None when there is nothing or it is damaged."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError):
        return None
    return found if found.ndim == 2 and len(found) == n and found.dtype == np.float32 else None


def _write(path: Path, n: int, parts: Iterator[np.ndarray]) -> None:
    rows, start = None, 0
    for part in parts:
        if rows is None:
            rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, part.shape[1]))
        rows[start : start + len(part)] = part
        start += len(part)
    if rows is not None:
        rows.flush()


def _forget_oldest(new: Path) -> None:
    """Delete what was not used for longest until no more than `MOST` bytes are left."""
    others = [path for path in new.parent.glob("*.npy") if path != new]
    stated = sorted(((p.stat(), p) for p in others), key=lambda one: -one[0].st_mtime)
    total = new.stat().st_size
    for state, path in stated:
        total += state.st_size
        if total > MOST:
            path.unlink(missing_ok=True)
