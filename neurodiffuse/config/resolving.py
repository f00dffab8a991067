"""Make one checked configuration of a recipe, a data set and settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from neurodiffuse.config.entries import check_part, read_entry, read_section, section_of
from neurodiffuse.config.given import TOP, idle_settings, lay_over
from neurodiffuse.config.recipe import read_recipe, read_settings, to_install
from neurodiffuse.config.sections import SECTIONS, TABLES, Config, domain_of
from neurodiffuse.config.wiring import check_wiring
from neurodiffuse.errors import ConfigError, is_text, listing, near, printable
from neurodiffuse.names import wrong_with
from neurodiffuse.options import check_value
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card

DESCRIBED: dict[str, Any] = {
    "name": str,
    "summary": str,
    "cite": Sequence[str],
    "needs": Sequence[str],
    "extends": str,
    "domain": str | Sequence[str],
    "notes": Sequence[str],
}
"""What the keys that describe a recipe have to be."""


def resolve(
    registry: Registry,
    *,
    dataset: str,
    subjects: Iterable[str],
    recipe: str,
    root: str = "",
    mask: str = "",
    settings: Iterable[str] = (),
    links: Literal["inside", "any"] = "inside",
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
    links
        Whether links may lead out of the data set; see `neurodiffuse.readers.reach`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = read_recipe(registry, recipe)
    problems: list[str] = []
    if isinstance(table.get("name"), str) and (wrong := wrong_with(table["name"])):
        problems.append(f"{recipe}: name: {wrong}")
    table.setdefault("name", Path(recipe).stem)
    settings = tuple(settings)
    for flag, text in (("root", root), ("mask", mask), *(("set", one) for one in settings)):
        if not is_text(text):
            problems.append(f"--{flag} {printable(text)}: is not UTF-8; rename what it names.")
    lay_over(table, settings, registry, dataset, problems)
    for flag, value, key in (
        ("mask", mask, "mask.select"),
        ("root", root, f"datasets.{dataset}.root"),
    ):
        if value and any(s.partition("=")[0].strip() == key for s in settings):
            problems.append(f"--{flag} {value} and --set {key}=…: they say the same; give one.")
    if mask:
        section_of(table, "mask", problems)["select"] = mask
    options = _dataset(registry, table, dataset, root, problems)
    config = _checked(registry, table, recipe, dataset, subjects, options, problems)
    if idle := idle_settings(settings, config):
        raise ConfigError(*idle)
    return dataclasses.replace(config, links=links)


def vary(registry: Registry, config: Config, settings: Iterable[str]) -> Config:
    """Return a configuration with other settings, given and checked as in `resolve`.

    Raises
    ------
    ConfigError
        With every problem found.
    """
    table = config.to_dict()
    table.pop("links", None)
    options = table.pop("dataset_options")
    for name in TABLES:
        table[name] = {
            key: {k: v for k, v in part.items() if k != "options"} | part["options"]
            for key, part in table.get(name, {}).items()
        }
    for key in ("recipe", "dataset", "subjects"):
        del table[key]
    table["datasets"] = {config.dataset: options}
    problems: list[str] = []
    settings = tuple(settings)
    lay_over(table, settings, registry, config.dataset, problems)
    options = _dataset(registry, table, config.dataset, "", problems)
    other = _checked(
        registry, table, config.recipe, config.dataset, config.subjects, options, problems
    )
    if idle := idle_settings(settings, other):
        raise ConfigError(*idle)
    return dataclasses.replace(other, links=config.links)


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
    settings = tuple(settings)
    problems: list[str] = []
    for key in read_settings(settings).keys() - {"datasets"}:
        problems.append(f"--set {key}…: only datasets.{dataset}.key=value matters here.")
    table: dict[str, Any] = {}
    if not problems:
        lay_over(table, settings, registry, dataset, problems)
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
    for key in table.keys() - set(TOP):
        problems.append(
            f"{recipe}: {key}: no such section or key.{near(key, TOP)} Possible: {listing(TOP)}."
        )
    for key, kind in DESCRIBED.items():
        if key in table:
            problems += check_value(f"{recipe}: {key}", table[key], kind)
    _check_other_datasets(registry, table, recipe, dataset, problems)
    values: dict[str, Any] = {}
    for name, cls in SECTIONS.items():
        values[name] = read_section(name, cls, section_of(table, name, problems), problems)
    cards: dict[tuple[str, str], Card] = {}
    by_ridge = not section_of(table, "decoders", problems)
    for name, cls in TABLES.items():
        section = section_of(table, name, problems)
        values[name] = {
            key: read_entry(
                registry, name, key, cls, part, cards, problems, section, by_ridge=by_ridge
            )
            for key, part in section.items()
        }
    if not problems:
        check_wiring(values, cards, problems, registry)
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
        domain=domain_of(table),
        notes=tuple(table.get("notes", ())),
        **values,
    )


def _check_other_datasets(
    registry: Registry, table: dict[str, Any], recipe: str, dataset: str, problems: list[str]
) -> None:
    """Tell of tables for data sets whose name is that of an installed one, misspelt.

    A recipe may have tables for data sets that are not decoded now, or not installed.
    """
    installed = [card.name for card in registry.cards("dataset")]
    named = section_of(table, "datasets", problems)
    for name in named.keys() - {dataset, *installed}:
        if hint := near(name, installed):
            problems.append(f"{recipe}: datasets.{name}: no data set is called {name!r}.{hint}")


def _dataset(
    registry: Registry, table: dict[str, Any], dataset: str, root: str, problems: list[str]
) -> dict[str, Any]:
    """Return a data set's options, its root absolute."""
    options = dict(
        section_of(section_of(table, "datasets", problems), dataset, problems, "datasets")
    )
    if root:
        options["root"] = str(Path(root).expanduser().resolve())
    where = f"datasets.{dataset}"
    check_part(registry, "dataset", dataset, options, "--dataset", where, problems)
    return options
