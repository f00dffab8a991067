"""How two recipes differ."""

from __future__ import annotations

from neurodiffuse.config import DESCRIPTION, leaves, read_recipe
from neurodiffuse.plugins import Registry


def difference(registry: Registry, one: str, two: str) -> str:
    """Return a line for every setting that differs: ``section.key: one -> two``.

    A setting that only one of them has is ``-`` in the other.
    """
    first, second = (leaves(read_recipe(registry, name)) for name in (one, two))
    lines = []
    for key in sorted(first.keys() | second.keys()):
        a, b = (repr(t[key]) if key in t else "-" for t in (first, second))
        if a != b and key.split(".")[0] not in DESCRIPTION:
            lines.append(f"{key}: {a} -> {b}")
    return "\n".join(lines) or f"{one} and {two} do the same."
