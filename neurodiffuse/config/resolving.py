"""Make one checked configuration of a recipe, a data set and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from neurodiffuse.config.entries import check_part, read_entry, read_section, section_of
from neurodiffuse.config.recipe import read_recipe, read_settings, set_in, to_install
from neurodiffuse.config.sections import SECTIONS, TABLES, Config
from neurodiffuse.config.wiring import check_wiring
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.names import wrong_with
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card

_TOP = ("name", "summary", "cite", "needs", "extends", "seed", "datasets", *SECTIONS, *TABLES)


def resolve(
    registry: Registry,
    *,
    dataset: str,
    subjects: Iterable[str],
    recipe: str,
    root: str = "",
    mask: str = "",
    settings: Iterable[str] = (),
) -> Config:
    """Return the checked configuration of a run.

    Parameters
    ----------
    registry
        The installed plugins.
    dataset
        Name of a data set plugin.
    subjects
        Subject labels as the user wrote them; they are matched when the data set is opened.
    recipe
        Name of an installed recipe or path of a TOML file.
    root
        Folder of the data set, the option ``root`` of its plugin; kept as an absolute path, so
        that the run can be asked from anywhere.
    mask
        ROI expression, in place of ``mask.select``.
    settings
        ``section.key=value`` strings; values are TOML, bare words are strings.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = read_recipe(registry, recipe)
    problems: list[str] = []
    if "name" in table and (wrong := wrong_with(table["name"])):
        problems.append(f"{recipe}: name: {wrong}")
    table.setdefault("name", Path(recipe).stem)
    for setting in settings:
        set_in(table, setting, problems)
    if mask:
        section_of(table, "mask", problems)["select"] = mask
    options = _dataset(registry, table, dataset, root, problems)
    return _checked(registry, table, recipe, dataset, subjects, options, problems)


def vary(registry: Registry, config: Config, settings: Iterable[str]) -> Config:
    """Return a configuration with other settings, given and checked as in `resolve`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = config.to_dict()
    options = table.pop("dataset_options")
    for name in TABLES:
        table[name] = {
            key: {k: v for k, v in part.items() if k != "options"} | part["options"]
            for key, part in table[name].items()
        }
    for key in ("recipe", "dataset", "subjects"):
        del table[key]
    table["datasets"] = {config.dataset: options}
    problems: list[str] = []
    for setting in settings:
        set_in(table, setting, problems)
    options = _dataset(registry, table, config.dataset, "", problems)
    return _checked(
        registry, table, config.recipe, config.dataset, config.subjects, options, problems
    )


def dataset_options(
    registry: Registry, dataset: str, *, root: str = "", settings: Iterable[str] = ()
) -> dict[str, Any]:
    """Return the checked options of a data set plugin, for a command that needs no recipe.

    ``settings`` are ``datasets.NAME.key=value`` strings, as in `resolve`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = read_settings(settings)
    problems: list[str] = []
    for key in table.keys() - {"datasets"}:
        problems.append(f"--set {key}…: only datasets.{dataset}.key=value matters here.")
    options = _dataset(registry, table, dataset, root, problems)
    if problems:
        raise ConfigError(*problems)
    return options


def _checked(
    registry: Registry,
    table: dict[str, Any],
    recipe: str,
    dataset: str,
    subjects: Iterable[str],
    options: Mapping[str, Any],
    problems: list[str],
) -> Config:
    """Return the configuration of a recipe's tables; ``problems`` has what was found before."""
    for key in table.keys() - set(_TOP):
        problems.append(
            f"{recipe}: {key}: no such section or key.{near(key, _TOP)} Possible: {listing(_TOP)}."
        )
    values: dict[str, Any] = {}
    for name, cls in SECTIONS.items():
        values[name] = read_section(name, cls, section_of(table, name, problems), problems)
    cards: dict[tuple[str, str], Card] = {}
    for name, cls in TABLES.items():
        section = section_of(table, name, problems)
        values[name] = {
            key: read_entry(registry, name, key, cls, part, cards, problems)
            for key, part in section.items()
        }
    if not problems:
        check_wiring(values, cards, problems)
    seed = table.get("seed", 0)
    if type(seed) is not int or seed < 0:
        problems.append(f"seed: {seed!r} is not a whole number of 0 or more.")
    if problems:
        raise ConfigError(*problems, *to_install(recipe, table))
    return Config(
        recipe=recipe,
        name=str(table["name"]),
        dataset=dataset,
        subjects=tuple(subjects),
        dataset_options=options,
        seed=seed,
        summary=str(table.get("summary", "")),
        cite=tuple(table.get("cite", ())),
        **values,
    )


def _dataset(
    registry: Registry, table: dict[str, Any], dataset: str, root: str, problems: list[str]
) -> dict[str, Any]:
    """Return a data set's options, its root absolute."""
    options = dict(section_of(section_of(table, "datasets", problems), dataset, problems))
    if root:
        options["root"] = str(Path(root).expanduser().resolve())
    where = f"datasets.{dataset}"
    check_part(registry, "dataset", dataset, options, "--dataset", where, problems)
    return options
