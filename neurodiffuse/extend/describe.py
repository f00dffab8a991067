"""What a plugin is, in words: from its card, its class and the recipes that use it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable

from neurodiffuse.config import read_recipe
from neurodiffuse.errors import ConfigError, NeurodiffuseError, PluginError, listing, near
from neurodiffuse.options import kind_name, parameters
from neurodiffuse.plugins import ROLES, Registry
from neurodiffuse.types import Card

SECTIONS = {
    "encoder": "features",
    "decoder": "decoders",
    "refiner": "refiners",
    "generator": "stages",
    "metric": "metrics",
}


def find(registry: Registry, name: str, role: str = "") -> list[Card]:
    """Return the cards of a name, in all roles or in one.

    Raises
    ------
    PluginError
        If there is none.
    """
    roles = [role] if role else list(ROLES)
    found = [card for r in roles for card in registry.cards(r) if card.name == name]
    if not found:
        names = sorted({card.name for r in roles for card in registry.cards(r)})
        raise PluginError(
            f"no {role or 'plugin'} is called {name!r}.{near(name, names)} "
            f"Installed: {listing(names)}."
        )
    for card in found:  # the line for two plugins of one name
        registry.card(card.role, card.name)
    return found


def describe(registry: Registry, card: Card) -> str:
    """Return everything that is known of a card, as lines for the terminal."""
    source = f"{card.distribution} {card.version}".strip()
    lines = [f"{card.role} {card.name}: {card.summary}"]
    facts = {
        "from": source,
        "licence": card.licence,
        "cite": card.cite,
        "reads": ", ".join(card.reads),
        "class": card.target,
        "needs": card.extra,
    }
    lines += [f"  {key:8} {value}" for key, value in facts.items() if value]
    if card.role == "recipe":
        return "\n".join([*lines, f"  {'show':8} neurodiffuse recipes show {card.name}"])
    try:
        cls = registry.load(card)
        lines += _options(cls)
    except (PluginError, TypeError) as error:
        return "\n".join([*lines, f"  broken   {error}"])
    used = recipes_with(registry, card)
    if used:
        lines.append(f"  {'used by':8} {', '.join(dict.fromkeys(name for name, _ in used))}")
    return "\n".join(lines)


def _options(cls: type) -> list[str]:
    """Return one line for each option: type, default and its text in the docstring."""
    said = documented(cls)
    lines = []
    for name, parameter in parameters(cls).items():
        default = "needed" if parameter.default is parameter.empty else repr(parameter.default)
        lines.append(f"    {name} ({kind_name(parameter.annotation)}; {default})")
        if name in said:
            lines.append(f"      {said[name]}")
    return ["  options", *lines] if lines else ["  options  none"]


def documented(cls: type) -> dict[str, str]:
    """Return what a class says of its parameters: the numpydoc section, in one line each."""
    text = inspect.getdoc(cls) or ""
    found = re.search(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", text, re.M | re.S)
    said: dict[str, list[str]] = {}
    names: list[str] = []
    for line in (found.group(1) if found else "").splitlines():
        if line and not line[0].isspace():
            names = [name.strip() for name in line.partition(":")[0].split(",")]
        elif line.strip():
            for name in names:
                said.setdefault(name, []).append(line.strip())
    return {name: " ".join(lines).replace("``", "") for name, lines in said.items()}


def recipes_with(registry: Registry, card: Card) -> list[tuple[str, str]]:
    """Return ``(recipe, section's key)`` for each use of a plugin in the installed recipes."""
    section = SECTIONS.get(card.role, "")
    found: list[tuple[str, str]] = []
    for recipe in registry.cards("recipe"):
        try:
            parts = read_recipe(registry, recipe.name).get(section, {})
        except NeurodiffuseError:  # that recipe's own trouble, told where it is used
            continue
        found += [
            (recipe.name, key)
            for key, part in parts.items()
            if isinstance(part, dict) and part.get(card.role) == card.name
        ]
    return found


def one_of(cards: Iterable[Card], name: str) -> Card:
    """Return the only card, or say which roles there are."""
    cards = list(cards)
    if len(cards) > 1:
        roles = [card.role for card in cards]
        raise ConfigError(f"{name!r} has several roles: choose with --role: {listing(roles)}.")
    return cards[0]
