"""Which small files were read: tables and the like, noted by their readers."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_READ: ContextVar[list[Path] | None] = ContextVar("_READ", default=None)


def files_read_by(
    function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> tuple[T, tuple[Path, ...]]:
    """Return what a function returns and the files that were noted meanwhile, each once."""
    before, own = _READ.get(), list[Path]()
    token = _READ.set(own)
    try:
        result = function(*args, **kwargs)
    finally:
        _READ.reset(token)
    if before is not None:
        before += own
    return result, tuple(dict.fromkeys(own))


def note_read(path: Path) -> None:
    """Note that a file is read, or that what is kept of it is used again."""
    read = _READ.get()
    if read is not None:
        read.append(path)
