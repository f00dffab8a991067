"""Published weights, and what a plugin would fetch at first use."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Download:
    """A file that a plugin fetches at first use; ``size`` in bytes, ``None`` when unknown."""

    address: str
    size: int | None
    licence: str


@dataclass(frozen=True)
class ModelFile:
    """A file of published weights.

    ``path`` is relative to the model's folder, with ``/``. ``address`` is where it is fetched
    from (https). ``size`` in bytes and ``sha256`` in hexadecimal, whole or its first digits, are
    checked where known.
    """

    path: str
    address: str
    size: int | None = None
    sha256: str = ""


@dataclass(frozen=True)
class Model:
    """Published weights that a plugin needs: its files, and on what terms they are given.

    ``licence`` is the licence's short name, ``terms`` the address of its text, ``cite`` the
    paper. ``name`` is what ``neurodiffuse models fetch`` takes and the name of the folder.
    """

    name: str
    files: tuple[ModelFile, ...]
    summary: str
    licence: str
    terms: str = ""
    cite: str = ""
