"""Check the sections of a recipe one by one, and then against one another."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, get_type_hints

from neurodiffuse.config.ridge import check_alpha, check_leave_out
from neurodiffuse.config.sections import SECTIONS, FeatureConfig
from neurodiffuse.errors import PluginError, listing, near
from neurodiffuse.names import wrong_with
from neurodiffuse.options import check_options, check_value
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card

SMALLEST = 11
"""Pixels of the window of SSIM, below which pictures cannot be scored."""

_ROLE = {
    "features": "encoder",
    "decoders": "decoder",
    "refiners": "refiner",
    "stages": "generator",
    "metrics": "metric",
}


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
    for key in ("bootstrap", "calibration", "folds"):
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
    *,
    by_ridge: bool = True,
) -> Any:
    """Return a section that names a plugin as its dataclass, None where it cannot be read.

    ``others`` are all sections of the table, to tell which a misspelt one may mean. ``by_ridge``
    says that the recipe names no decoder, so that a feature needs a penalty.
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
    if cls is FeatureConfig and not reserved.get("alpha", True):
        del reserved["alpha"]  # as a stored configuration has it
    if cls is FeatureConfig and (by_ridge or "alpha" in reserved):
        reserved.setdefault("alpha", None)
        problems += check_alpha(where, reserved) + check_leave_out(where, reserved)
    name = reserved[role]
    if isinstance(name, str):
        found = check_part(registry, role, name, options, f"{where}.{role}", where, problems, own)
        if found:
            cards[table, key] = found
    return cls(**reserved, options=options)


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
