"""The errors a user can cause, each also a builtin error.

A message says where, what was given, what is possible and what to do, in one line. The command
line prints it and exits with status 1, as it does with an error of the system that names a file;
every other exception is a bug and shows its traceback.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable


class NeurodiffuseError(Exception):
    """Any error that the input, the settings or the machine caused, not a bug."""


class ConfigError(NeurodiffuseError, ValueError):
    """A recipe, flag or option is wrong; ``problems`` lists every one that was found."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class PluginError(NeurodiffuseError, LookupError):
    """A plugin is missing, broken or clashes with another one."""


class DataError(NeurodiffuseError, ValueError):
    """The data set's content is not usable: a length, a value, a file's format."""


class MissingDataError(DataError, FileNotFoundError):
    """Something that the data set should hold is not there."""

    def __str__(self) -> str:  # FileNotFoundError would print the errno form
        return str(self.args[0]) if self.args else ""


class RunError(NeurodiffuseError, OSError):
    """The run folder cannot be used: locked, full, unwritable, of another recipe."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class DownloadError(NeurodiffuseError, OSError):
    """A file cannot be fetched: the server, the network, the disk or the terms."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def is_text(given: str) -> bool:
    """Return whether a text can be written as UTF-8, which names of files need not be."""
    return given.isprintable() or not any("\ud800" <= c <= "\udfff" for c in given)


def printable(text: str, most: int = 0) -> str:
    """Return a text as a terminal can show it: what would steer the terminal is spelt out.

    Of a text longer than ``most`` characters (0: any length) the middle is left out.
    """
    if most and len(text) > most:
        text = f"{text[: most * 2 // 3]} … {text[-(most // 3) :]}"
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in "\n\t" or unicodedata.category(c) not in _STEERING else _spelt(c) for c in text
    )


_STEERING = ("Cc", "Cf", "Cs", "Zl", "Zp")
"""Kinds of characters that are not shown: controls, directions of writing, bytes that are none."""


def _spelt(character: str) -> str:
    if character in "\u200c\u200d\xad":  # joiners of scripts and emoji, a soft hyphen
        return character
    return character.encode("unicode_escape").decode()


def near(name: str, known: Iterable[str]) -> str:
    """Return ``" Did you mean 'x'?"`` when a known name is close, else an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


NAME_MOST = 500
"""Characters of one name in a list, which may be a path."""


def listing(names: Iterable[str], *, most: int = 20, like: str = "") -> str:
    """Return names joined for a message, cut after ``most`` of them with the number left out.

    With ``like`` those that resemble it come first.
    """
    names = list(names)
    if like:
        names.sort(key=lambda n: -difflib.SequenceMatcher(None, like.lower(), n.lower()).ratio())
    if not names:
        return "none"
    shown = ", ".join(printable(str(name), NAME_MOST) for name in names[:most])
    return shown if len(names) <= most else f"{shown} … and {len(names) - most} more"
