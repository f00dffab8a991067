"""Check the sections of a recipe one by one, and then against one another."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from neurodiffuse.config.sections import SECTIONS, FeatureConfig, LeaveOut
from neurodiffuse.errors import PluginError, listing, near
from neurodiffuse.names import wrong_with
from neurodiffuse.options import check_options, check_value
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card

SMALLEST = 11
"""Pixels of the window of SSIM, below which pictures cannot be scored."""

_ROLE = {"features": "encoder", "stages": "generator", "metrics": "metric"}


def section_of(
    table: dict[str, Any], name: str, problems: list[str], above: str = ""
) -> dict[str, Any]:
    """Return a section of a table, made empty where it is missing; ``above`` is in what it is."""
    found = table.setdefault(name, {})
    if isinstance(found, dict):
        return found
    where = f"{above}.{name}" if above else name
    keys = [f.name for f in dataclasses.fields(SECTIONS[where])] if where in SECTIONS else []
    key = "KEY" if keys or above else "NAME.KEY"
    problem = f"{where}: expected a section, found {found!r}. Write {where}.{key} = VALUE"
    problems.append(f"{problem}; its keys: {listing(keys)}." if keys else f"{problem}.")
    table[name] = {}
    return table[name]


def read_section(name: str, cls: Any, given: Mapping[str, Any], problems: list[str]) -> Any:
    """Return a section that has no plugin as its dataclass."""
    problems += check_options(name, cls, given)
    known = {k: v for k, v in given.items() if k in {f.name for f in dataclasses.fields(cls)}}
    section = cls(**known)
    for key in ("bootstrap", "calibration"):
        value = getattr(section, key, 2)
        if type(value) is int and value < 2:
            problems.append(f"{name}.{key}: {value} is too few; give 2 or more.")
    size = getattr(section, "size", 0)
    if type(size) is int and size != 0 and size < SMALLEST:
        problems.append(
            f"{name}.size: {size} is too small; give {SMALLEST} pixels or more, or 0 for the size "
            "of the pictures that are made."
        )
    return section


def read_entry(
    registry: Registry,
    table: str,
    key: str,
    cls: Any,
    given: Any,
    cards: dict[tuple[str, str], Card],
    problems: list[str],
    others: Mapping[str, Any],
) -> Any:
    """Return a section that names a plugin as its dataclass, None where it cannot be read.

    ``others`` are all sections of the table, to tell which a misspelt one may mean.
    """
    where, role = f"{table}.{key}", _ROLE[table]
    if wrong := wrong_with(key):
        problems.append(f"{table}: {wrong}")
        return None
    if not isinstance(given, dict):
        problems.append(
            f"{where}: expected a section, found {given!r}. Set one of its keys: "
            f"{where}.{role} = NAME, or an option of that {role}."
        )
        return None
    own = {name: kind for name, kind in get_type_hints(cls).items() if name != "options"}
    reserved = {k: v for k, v in given.items() if k in own}
    options = {k: v for k, v in given.items() if k not in own}
    if role not in reserved:
        names = [c.name for c in registry.cards(role)]
        known = [k for k, part in others.items() if isinstance(part, dict) and role in part]
        problems.append(
            f"{where}: the recipe has no {key!r} in {table}.{near(key, known)} It has: "
            f"{listing(known)}. A new one needs {role} = one of: {listing(names)}."
        )
        return None
    for name, value in reserved.items():
        if name not in ("alpha", "alphas"):
            problems += check_value(f"{where}.{name}", value, own[name])
    if type(samples := reserved.get("samples", 1)) is int and samples < 1:
        problems.append(f"{where}.samples: {samples} is too few; give 1 or more.")
    if cls is FeatureConfig:
        reserved.setdefault("alpha", None)
        problems += _check_alpha(where, reserved) + _check_leave_out(where, reserved)
    name = reserved[role]
    if isinstance(name, str):
        found = check_part(registry, role, name, options, f"{where}.{role}", where, problems, own)
        if found:
            cards[table, key] = found
    return cls(**reserved, options=options)


def _check_alpha(where: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a penalty, or with how one is to be chosen."""
    alpha, grid = given["alpha"], given.get("alphas", ())
    if alpha in ("gcv", "loo"):
        if isinstance(grid, list | tuple) and all(_is_penalty(a) for a in grid):
            return []
        return [
            f"{where}.alphas: a list of penalties above 0 is needed, such as [1e3, 1e4, 1e5]; "
            f"{grid!r} is not."
        ]
    if not _is_penalty(alpha):
        said = "none is given" if alpha is None else f"{alpha!r} is not one"
        return [
            f"{where}.alpha: the ridge penalty must be a number above 0, or 'gcv' or 'loo' to have "
            f"it chosen; {said}."
        ]
    unset: tuple[object, ...] = (None, [], (), "feature")
    idle = [key for key in ("alphas", "alpha_per", "bands") if given.get(key) not in unset]
    return [
        f"{where}.{key}: only matters when alpha is chosen; write alpha = 'gcv' or leave it out."
        for key in idle
    ]


def _check_leave_out(where: str, given: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with the rows that are to be left out together."""
    text = given.get("leave_out", "image")
    if not isinstance(text, str):
        return []  # told already
    try:
        asked = LeaveOut.read(text)
    except ValueError:
        return [
            f"{where}.leave_out: write 'image', 'session', 'cluster:20' for 20 clusters of images "
            f"(2 or more), or 'cluster:20:NAME' to make them in another feature; not {text!r}."
        ]
    if asked.by != "image" and given["alpha"] == "gcv":
        return [
            f"{where}.leave_out: {text!r} and alpha = 'gcv', which leaves out rows one by one. "
            "Write alpha = 'loo'."
        ]
    return []


def _is_penalty(alpha: Any) -> bool:
    good = isinstance(alpha, int | float) and not isinstance(alpha, bool)
    return good and math.isfinite(alpha) and alpha > 0


def check_part(
    registry: Registry,
    role: str,
    name: str,
    options: Mapping[str, Any],
    where: str,
    section: str,
    problems: list[str],
    also: Iterable[str] = (),
) -> Card | None:
    """Check a plugin's name and options by building it; constructors only store."""
    try:
        card = registry.card(role, name, where)
        cls = registry.load(card)
    except PluginError as error:
        problems.append(str(error))
        return None
    found = check_options(section, cls, options, also)
    if not found:
        try:
            cls(**options)
        except ValueError as error:
            found = [f"{section}: {error}"]
    problems += found
    return card
