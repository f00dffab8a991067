"""One file with all that is needed: 2.4 GB in place of 10.6, read in seconds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from neurodiffuse.errors import DataError
from neurodiffuse.models import cache_root
from neurodiffuse_torch import read_checkpoint
from neurodiffuse_versatile_diffusion import weights
from neurodiffuse_versatile_diffusion.places import COMPACT, Source
from neurodiffuse_versatile_diffusion.weights import Needed

FORMAT = "neurodiffuse versatile-diffusion 1"
STALE = 24 * 3600
"""Seconds after which an unfinished file is of a killed process."""


def obtain(source: Source) -> Needed:
    """Return what is needed of weights, from the compact file if it was made of them.

    Else the published files are read and the compact file is written: beside them, or in the
    cache of weights where that folder cannot be written. Where neither can, a warning is given
    and the published files are read each time.

    Raises
    ------
    DataError
        If a file is damaged or not what it should be.
    """
    key = key_of(source.files)
    for place in _places(source, key):
        if place.is_file() and (not key or _about(place).get("sources") == key):
            return read(place)
    needed = weights.read(source)
    for place in _places(source, key):
        with contextlib.suppress(PermissionError):
            write(place, needed, key)
            return needed
    warnings.warn(
        f"{source.folder} and {cache_root()} cannot be written: the weights are converted anew "
        "each time. Set NEURODIFFUSE_MODELS to a folder of your own.",
        stacklevel=2,
    )
    return needed


def key_of(files: tuple[Path, ...]) -> str:
    """Return a text that changes when a file is another one: of names, sizes and times."""
    lines = []
    for file in files:
        about = file.stat()
        lines.append(f"{file.name} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest() if lines else ""


def read(place: Path) -> Needed:
    """Return the content of a compact file."""
    about = _about(place)
    if about.get("format") != FORMAT:
        raise DataError(
            f"{place}: not compact weights that this version writes ({FORMAT}). Delete it, and "
            "it is made again from the published files."
        )
    unet, vae = json.loads(about["unet"]), json.loads(about["vae"])
    return Needed(unet, vae, read_checkpoint(place))


def write(place: Path, needed: Needed, key: str) -> None:
    """Write a compact file beside its place and put it there when it is complete.

    Raises
    ------
    PermissionError
        If the folder cannot be written.
    """
    about = {
        "format": FORMAT,
        "sources": key,
        "unet": json.dumps(needed.unet),
        "vae": json.dumps(needed.vae),
    }
    place.parent.mkdir(parents=True, exist_ok=True)
    _clear(place)
    partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
    try:
        partial.touch()
        save_file(needed.tensors, partial, about)
        partial.replace(place)
    except SafetensorError as error:
        raise DataError(f"{place}: could not be written ({error}).") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def _places(source: Source, key: str) -> Iterator[Path]:
    """Yield where the compact file may be: a file itself, beside the weights, in the cache."""
    if source.folder.is_file():
        yield source.folder
        return
    yield source.folder / COMPACT
    if key:
        yield cache_root() / "compact" / f"{key[:16]}.safetensors"


def _clear(place: Path) -> None:
    """Remove what killed processes left unfinished."""
    for partial in place.parent.glob(f"{place.name}.*.partial"):
        with contextlib.suppress(OSError):
            if time.time() - partial.stat().st_mtime > STALE:
                partial.unlink()


def _about(place: Path) -> dict[str, str]:
    """Return the header of a compact file; empty if it is none."""
    try:
        with safe_open(place, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}
