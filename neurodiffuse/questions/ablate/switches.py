"""Read ``--vary`` and ``--variant``: other settings of a recipe, by the user's own words."""

from __future__ import annotations

from collections.abc import Sequence

from neurodiffuse.errors import ConfigError

Asked = tuple[str, tuple[str, ...]]

OPENING, CLOSING, QUOTES = "[{", "]}", "\"'"


def varied(text: str) -> list[Asked]:
    """Return a name and a setting for each value of ``section.key=a,b,c``.

    Raises
    ------
    ConfigError
        If it has no key or no value.
    """
    key, equals, values = text.partition("=")
    found = [value.strip() for value in split(values)]
    if not equals or "." not in key or not all(found):
        raise ConfigError(
            f"--vary {text!r}: write section.key=value,value, such as "
            "stages.recon.strength=0.5,0.75,0.9."
        )
    key = key.strip()
    return [(f"{key}={value}", (f"{key}={value}",)) for value in found]


def named(text: str) -> Asked:
    """Return the name and the settings of ``name: section.key=value, section.key=value``.

    Raises
    ------
    ConfigError
        If it has no name or no setting.
    """
    name, colon, rest = text.partition(":")
    settings: list[str] = []
    for piece in split(rest):
        if "=" in piece or not settings:
            settings.append(piece.strip())
        else:
            settings[-1] += f",{piece}"  # a bare text with a comma in it
    if not colon or not name.strip() or not all("=" in s for s in settings):
        raise ConfigError(
            f"--variant {text!r}: write 'name: section.key=value, section.key=value', such as "
            "'gentle: stages.recon.strength=0.5, stages.recon.steps=20'."
        )
    return name.strip(), tuple(settings)


def split(text: str) -> Sequence[str]:
    """Return the pieces between commas that are in no bracket and no quotes."""
    pieces, depth, quote = [""], 0, ""
    for letter in text:
        if letter == "," and not depth and not quote:
            pieces.append("")
            continue
        pieces[-1] += letter
        if quote:
            quote = "" if letter == quote else quote
        elif letter in QUOTES:
            quote = letter
        else:
            depth += (letter in OPENING) - (letter in CLOSING)
    return pieces
