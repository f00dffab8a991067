"""What a name may be.

Features, stages, metrics, recipes, subjects and plugins have names that become parts of paths, so
that none may be a path itself.
"""

from __future__ import annotations

import re

LONGEST = 80

_NAME = re.compile(rf"[^\W_][\w.-]{{0,{LONGEST - 1}}}")


def wrong_with(name: object) -> str:
    """Return what is wrong with a name, empty if nothing is."""
    if isinstance(name, str) and _NAME.fullmatch(name) and not name.endswith((".", ".partial")):
        return ""
    return (
        f"{str(name)[:LONGEST]!r} cannot be a name: it is part of a path. Write letters, digits, "
        f"'-', '_' and '.', a letter or digit first, no '.' last, {LONGEST} at most."
    )
