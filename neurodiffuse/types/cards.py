"""What is known of a plugin without importing its work, and what it adds to the report."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Card:
    """A registered name: what it is and where its class is, without importing it.

    ``target`` is ``"package.module:Class"``; for a recipe ``"package:path/inside/it.toml"``.
    ``optional`` is what a generator can do without: names in ``reads``, and ``"init"``.
    """

    name: str
    role: str
    target: str
    summary: str
    reads: tuple[str, ...] = ()
    extra: str = ""
    cite: str = ""
    licence: str = ""
    distribution: str = ""
    version: str = ""
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Broken:
    """A distribution whose entry point could not be loaded, and why."""

    entry_point: str
    distribution: str
    error: str


@dataclass(frozen=True)
class Section:
    """A part of the report: a heading and HTML that the plugin has escaped itself."""

    title: str
    html: str
    order: int = 50
    anchor: str = field(default="")
