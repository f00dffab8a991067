"""Check settings of the command line for what they may name, before they are laid over a recipe."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from neurodiffuse.config.recipe import set_in
from neurodiffuse.config.ridge import KEYS, RIDGE
from neurodiffuse.config.sections import SECTIONS, TABLES, Config
from neurodiffuse.errors import listing, near
from neurodiffuse.plugins import Registry

DESCRIPTION = ("name", "summary", "cite", "needs", "extends", "domain", "notes")
"""Keys that say what a recipe is; a recipe's file has them, and no run can change them."""

TOP = (*DESCRIPTION, "seed", "datasets", *SECTIONS, *TABLES)
"""Every key and section at the top of a recipe."""

_SETTABLE = ("seed", "datasets", *SECTIONS, *TABLES)


def lay_over(
    table: dict[str, Any],
    settings: Iterable[str],
    registry: Registry,
    dataset: str,
    problems: list[str],
) -> None:
    """Put ``section.key=value`` strings into a recipe's table, those that a run may set."""
    for setting in settings:
        keys = [key.strip() for key in setting.partition("=")[0].split(".")]
        found = _misplaced(setting, keys, registry, dataset)
        if found:
            problems.append(f"--set {setting}: {found}")
        else:
            set_in(table, setting, problems)


def _misplaced(setting: str, keys: list[str], registry: Registry, dataset: str) -> str:
    """Return what is wrong with where a setting wants to go, or nothing."""
    if "=" not in setting or not all(keys) or keys[0] == "dataset":
        return ""  # told by `set_in`
    if keys[0] == "extends":
        name = setting.partition("=")[2].strip().strip("\"'") or "NAME"
        return f"extends stands in a recipe's file. To decode with that recipe: --recipe {name}"
    if keys[0] in DESCRIPTION:
        return (
            f"{keys[0]} is said in a recipe's file and not for a run. Write a file with "
            f"{keys[0]} = …, with extends = NAME if it changes a recipe, and give --recipe FILE."
        )
    if keys[0] not in _SETTABLE:
        return (
            f"{keys[0]}: no such section or key.{near(keys[0], _SETTABLE)} "
            f"Possible: {listing(_SETTABLE)}."
        )
    if keys[0] == "datasets" and len(keys) > 1 and keys[1] != dataset:
        return _other_dataset(keys[1], registry, dataset)
    return ""


def _other_dataset(name: str, registry: Registry, dataset: str) -> str:
    installed = [card.name for card in registry.cards("dataset")]
    if name in installed:
        return f"{dataset!r} is decoded, not {name!r}. Write datasets.{dataset}.…, or --dataset."
    return (
        f"no data set is called {name!r}.{near(name, [dataset, *installed])} "
        f"{dataset!r} is decoded: write datasets.{dataset}.…"
    )


def idle_settings(settings: Iterable[str], config: Config) -> list[str]:
    """Return a line for each option of ridge that is set where another decoder predicts."""
    found = []
    by = {f: name for name, features in config.predicted_by().items() for f in features}
    for setting in settings:
        keys = [key.strip() for key in setting.partition("=")[0].split(".")]
        if len(keys) != 3 or keys[0] != "features" or keys[2] not in KEYS:
            continue
        part = config.decoders.get(by.get(keys[1], ""))
        if part is not None and part.decoder != RIDGE:
            found.append(
                f"--set {setting}: {keys[2]} is an option of ridge, and decoders.{by[keys[1]]} "
                f"({part.decoder!r}) predicts {keys[1]!r}."
            )
    return found
