"""Mutations of bytes, texts, tables, JSON and arguments, each from a seeded generator."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

NASTY = (
    "", " ", "nan", "inf", "-inf", "-1", "0", "1e309", "1e-320", "99999999999999999999", "n/a",
    "true", "../../x", "/etc/passwd", "a\x00b", "\x1b[2J", "é\u0301", "\u202e", "x" * 5000,
    "%s%n", "{}", "[]", "null", "'", '"', "\\", "sub-01", "1.5", "0x10", "1_000", "-0", "*",
)  # fmt: skip
"""Values that are odd somewhere."""
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63, -(2**70), 1e308, float("nan"), float("inf"), "", "x", [],
    {}, [[]], [None], {"a": {"b": []}}, "../../x",
)  # fmt: skip


def bytes_of(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, repeat, insert or overwrite a few bytes; half of them near the beginning."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        most = max(1, min(len(out), 400) if chance.random() < 0.5 else len(out))
        at = chance.randrange(most)
        how = chance.randrange(7)
        if how == 0 and out:
            out[at % len(out)] ^= 1 << chance.randrange(8)
        elif how == 1 and out:
            out[at % len(out)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif how == 2:
            del out[at:]
        elif how == 3:
            del out[at : at + chance.randint(1, 64)]
        elif how == 4:
            out[at:at] = chance.randbytes(chance.randint(1, 16))
        elif how == 5:
            out[at : at + 4] = chance.choice((b"\xff" * 4, b"\0" * 4, b"\0\0\x80\x7f", b"\1\0\0\0"))
        else:
            out[at:at] = out[at : at + chance.randint(1, 200)]
    return bytes(out)


def text_of(text: str, chance: random.Random) -> str:
    """Change words, lines or characters of a text."""
    lines = text.split("\n")
    at = chance.randrange(len(lines))
    how = chance.randrange(6)
    if how == 0:
        lines.insert(at, chance.choice(lines))
    elif how == 1:
        del lines[at]
    elif how == 2:
        other = chance.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 3:
        lines[at] = chance.choice(NASTY)
    else:
        words = lines[at].split(" ")
        words[chance.randrange(len(words))] = chance.choice(NASTY)
        lines[at] = " ".join(words)
    return "\n".join(lines)


def recipe_of(text: str, chance: random.Random) -> str:
    """Change one value of a recipe to another that TOML can hold, or any of its text."""
    if chance.random() < 0.4:
        return text_of(text, chance)
    lines = text.split("\n")
    settings = [k for k, line in enumerate(lines) if " = " in line]
    at = chance.choice(settings)
    values = (
        "0", "1", "-1", "2.5", "1e9", "nan", "inf", "true", '""', '"none"', "[]", "{}", "[1, 10]",
        "64", "16", '"train"', '"pixels"', "12", "[[1]]", "1979-05-27",
    )  # fmt: skip
    lines[at] = f"{lines[at].split(' = ')[0]} = {chance.choice(values)}"
    return "\n".join(lines)


def table_of(text: str, chance: random.Random) -> str:
    """Change a field, a column's name, a row or the form of a table."""
    rows = [line.split("\t") for line in text.split("\n")]
    row = rows[chance.randrange(len(rows))]
    how = chance.randrange(7)
    if how <= 2:
        row[chance.randrange(len(row))] = chance.choice(NASTY)
    elif how == 3:
        row.append(chance.choice(NASTY))
    elif how == 4 and len(row) > 1:
        del row[chance.randrange(len(row))]
    elif how == 5:
        column = chance.randrange(len(rows[0]))
        rows = [[f for k, f in enumerate(r) if k != column] for r in rows]
    else:
        return text_of(text, chance)
    return "\n".join("\t".join(r) for r in rows)


def json_of(text: str, chance: random.Random) -> str:
    """Change one value of JSON, drop or add a key, or damage its text."""
    if chance.random() < 0.3:
        return text_of(text, chance)
    found = json.loads(text)
    places: list[tuple[Any, Any]] = []

    def look(value: Any) -> None:
        for key in value if isinstance(value, dict) else range(len(value)):
            places.append((value, key))
            if isinstance(value[key], dict | list):
                look(value[key])

    if isinstance(found, dict | list):
        look(found)
    if not places or chance.random() < 0.1:
        return json.dumps(chance.choice(VALUES))
    holder, key = chance.choice(places)
    if chance.random() < 0.2:
        del holder[key]
    else:
        holder[key] = chance.choice(VALUES)
    if chance.random() < 0.05:
        return "[" * 2000 + json.dumps(found)
    return json.dumps(found)


def arguments_of(words: list[str], chance: random.Random, more: tuple[str, ...]) -> list[str]:
    """Change, drop, repeat, swap or add words of a command line."""
    out = list(words)
    changes: list[Callable[[int], None]] = [
        lambda at: out.__setitem__(at, chance.choice(NASTY).replace("\x00", "\x01")),
        lambda at: out.__delitem__(at),
        lambda at: out.insert(at, chance.choice(out)),
        lambda at: out.insert(at, chance.choice(more)),
        lambda at: out.extend((chance.choice(more), chance.choice(NASTY).replace("\x00", "\x01"))),
        lambda at: out.__setitem__(at, text_of(out[at], chance).replace("\x00", "\x01")),
    ]
    for _ in range(chance.choice((1, 1, 2))):
        if len(out) > 1:
            chance.choice(changes)(chance.randrange(1, len(out)))
    return out
