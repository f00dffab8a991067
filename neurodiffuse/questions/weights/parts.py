"""Which targets of a feature a map is about: all, those of one token, or a single one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neurodiffuse.errors import ConfigError
from neurodiffuse.types import Shape


@dataclass(frozen=True)
class Part:
    """Some targets of a feature: columns ``start`` to ``stop`` of its flat latents.

    ``kind`` is ``"all"``, ``"token"`` or ``"component"``, ``number`` which one of them.
    """

    start: int
    stop: int
    kind: str = "all"
    number: int = 0

    @property
    def signed(self) -> bool:
        """Whether its map keeps the sign: that of a single target does, a norm has none."""
        return self.kind == "component"

    @property
    def name(self) -> str:
        """What it is called in tables: ``all``, ``token 5``, ``component 7``."""
        return self.kind if self.kind == "all" else f"{self.kind} {self.number}"

    @property
    def label(self) -> str:
        """What is added to the feature's label in file names: nothing, ``Token5``."""
        return "" if self.kind == "all" else f"{self.kind.title()}{self.number}"

    def within(self, columns: slice) -> slice:
        """Return its part of a block of columns, counted from the block's first one."""
        start = max(self.start, columns.start) - columns.start
        return slice(start, max(min(self.stop, columns.stop) - columns.start, start))


def parts_of(
    feature: str, shapes: Sequence[Shape], tokens: Sequence[int], components: Sequence[int]
) -> tuple[Part, ...]:
    """Return the tokens and components that were asked for, or else all targets as one part.

    Parameters
    ----------
    feature
        Its name, for messages.
    shapes
        Of its latents; only a single block (tokens, width) has tokens.
    tokens, components
        Counted from 0; a component is a column of the flat latents.

    Raises
    ------
    ConfigError
        If the feature has no tokens, or a number is beyond the last one.
    """
    targets = sum(_size(shape) for shape in shapes)
    if not tokens and not components:
        return (Part(0, targets),)
    found = []
    if tokens:
        if len(shapes) != 1 or len(shapes[0]) != 2:
            raise ConfigError(
                f"--token: {feature!r} has no tokens, its latents have the shape {_text(shapes)} "
                "and not (tokens, width). Ask for --component, or leave both out."
            )
        count, width = shapes[0]
        for k in tokens:
            _check("--token", feature, k, count)
            found.append(Part(k * width, (k + 1) * width, "token", k))
    for k in components:
        _check("--component", feature, k, targets)
        found.append(Part(k, k + 1, "component", k))
    return tuple(dict.fromkeys(found))


def _check(flag: str, feature: str, number: int, count: int) -> None:
    if not 0 <= number < count:
        raise ConfigError(f"{flag} {number}: {feature!r} has 0 to {count - 1}.")


def _size(shape: Shape) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _text(shapes: Sequence[Shape]) -> str:
    shown = " + ".join("x".join(str(n) for n in shape) for shape in shapes[:3])
    return shown + (f" + … ({len(shapes)} blocks)" if len(shapes) > 3 else "")
