"""Write a new plugin: an installable distribution with a class that works, and its tests."""

from __future__ import annotations

import os
import re
from pathlib import Path

from neurodiffuse.errors import ConfigError, RunError, listing
from neurodiffuse.places import replacing
from neurodiffuse.plugins import Registry

STARTERS = {
    "generator": "mosaic",
    "encoder": "layout",
    "decoder": "resemblance",
    "refiner": "slope",
    "metric": "closeness",
    "dataset": "folders",
}
"""The word in a starter's files that the plugin's name takes the place of."""


def new(name: str, role: str, folder: Path, registry: Registry) -> Path:
    """Write the distribution ``neurodiffuse-NAME`` and return its folder.

    The starters are small complete plugins, with tests; only their name is changed.

    Raises
    ------
    ConfigError
        If the name cannot be a plugin's, or is taken.
    RunError
        If the folder exists or cannot be written.
    """
    _check_name(name, role, registry)
    place = folder / f"neurodiffuse-{name}"
    if os.path.lexists(place):
        raise RunError(f"{place}: exists already. Choose another name or --out.")
    source, word = Path(__file__).parent / "starters" / role, STARTERS[role]
    words = {
        f"neurodiffuse_{word}": f"neurodiffuse_{name.replace('-', '_')}",
        word.capitalize(): "".join(part.capitalize() for part in name.split("-")),
        word: name,
    }
    with replacing(place) as beside:
        for path in sorted(p for p in source.rglob("*") if p.is_file()):
            if "__pycache__" in path.parts:
                continue
            target = beside / _renamed(str(path.relative_to(source)), words)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_renamed(path.read_text(encoding="utf-8"), words), "utf-8")
    return place


def _renamed(text: str, words: dict[str, str]) -> str:
    """Replace each word once, longer ones first, never inside what was put in."""
    pattern = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    return re.sub(pattern, lambda found: words[found.group()], text)


def _check_name(name: str, role: str, registry: Registry) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConfigError(
            f"plugins new {name!r}: write the name in small letters, digits and single hyphens, "
            "such as my-generator."
        )
    taken = [card.name for card in registry.cards(role)]
    if name in taken:
        raise ConfigError(
            f"plugins new {name!r}: there is a {role} of this name. Taken: {listing(taken)}."
        )
