"""The tables of a recipe's file, of what it extends, and of settings given as text."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neurodiffuse.config.sections import Config
from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.files import read_text, toml_of
from neurodiffuse.plugins import Registry


def read_recipe(registry: Registry, recipe: str, _seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the tables of a recipe, on top of those of the recipe it ``extends``."""
    if recipe in _seen:
        raise ConfigError(f"recipe {recipe!r}: extends itself ({' → '.join((*_seen, recipe))}).")
    named_in = f"{_seen[-1]}: extends" if _seen else "--recipe"
    if recipe.endswith(".toml") or "/" in recipe:
        try:
            text, where = read_text(Path(recipe)), recipe
        except OSError as error:
            why = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
            count = " A path counts from the folder in which the command is given." if _seen else ""
            raise ConfigError(f"{named_in}: {recipe} cannot be read: {why}.{count}") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"{named_in}: {recipe} cannot be read: {error}.") from error
    else:
        try:
            card = registry.card("recipe", recipe, named_in)
        except PluginError as error:
            raise ConfigError(f"{error} Or give the path of a .toml file.") from error
        text, where = registry.text(card), f"recipe {recipe}"
    try:
        table = toml_of(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{where}: not valid TOML: {error}.") from error
    if parent := table.get("extends"):
        if not isinstance(parent, str):
            raise ConfigError(f"{where}: extends: {parent!r} is not a recipe's name or path.")
        try:
            return _merge(read_recipe(registry, parent, (*_seen, recipe)), table)
        except ConfigError as error:
            raise ConfigError(str(error), *to_install(where, table)) from error
    return table


def mask_named_by(registry: Registry, config: Config) -> str:
    """Return what named the mask of a configuration: its recipe, else the option ``--mask``."""
    try:
        section = read_recipe(registry, config.recipe).get("mask", {})
    except ConfigError:  # the recipe of an old run, which need not be there any more
        section = {}
    own = section.get("select", "") if isinstance(section, dict) else ""
    named = own and own == config.mask.select
    return f"recipe {config.recipe}: mask.select (--mask chooses another)" if named else "--mask"


def read_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Return the table that ``key=value`` strings make; values are TOML, bare words strings.

    Raises
    ------
    ConfigError
        With every string that cannot be read.
    """
    table: dict[str, Any] = {}
    problems: list[str] = []
    for setting in settings:
        set_in(table, setting, problems)
    if problems:
        raise ConfigError(*problems)
    return table


def to_install(recipe: str, table: Mapping[str, Any]) -> list[str]:
    """Return a line with the distributions of a recipe's ``needs`` that are not installed."""
    from importlib.metadata import PackageNotFoundError, version

    lacking = []
    needs = table.get("needs", ())
    for name in needs if isinstance(needs, list | tuple) else ():
        try:
            version(str(name))
        except PackageNotFoundError:
            lacking.append(str(name))
    if not lacking:
        return []
    return [f"{recipe}: needs what is not installed: pip install {' '.join(lacking)}."]


def _merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(base.get(key), dict):
            _merge(base[key], value)
        else:
            base[key] = value
    return base


def set_in(table: dict[str, Any], setting: str, problems: list[str]) -> None:
    """Put a ``section.key=value`` string into a table."""
    path, equals, text = setting.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        problems.append(
            f"--set {setting}: write section.key=value, such as features.vae.alpha=100."
        )
        return
    if keys[0] == "dataset":
        problems.append(
            f"--set {setting}: write datasets.NAME.key=value, with the data set's name."
        )
        return
    try:
        value = toml_of(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    for key in keys[:-1]:
        table = table.setdefault(key, {})
        if not isinstance(table, dict):
            at = ".".join(keys[: keys.index(key) + 1])
            problems.append(f"--set {setting}: {at} is a value, not a section. Write {at}=VALUE.")
            return
    table[keys[-1]] = value
