"""Flags that every command understands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from neurodiffuse.errors import is_text, printable


class _Place(click.ParamType):
    """A path that is not empty, and whose name can be written into files of text."""

    name = "DIR"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path:
        if not str(value):
            self.fail("is empty; is it a variable that is not set? Give a path.", param, ctx)
        if not is_text(str(value)):
            shown = printable(str(value))
            self.fail(f"{shown}: the name is not UTF-8; rename the folder.", param, ctx)
        return Path(value)


PLACE = _Place()
"""Of every flag that takes a folder or a file."""


def links_flag(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--links`` to a command that opens a data set; `asked_links` returns it."""

    def keep(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
        context.ensure_object(dict)["links"] = value or ""

    return click.option(
        "--links",
        type=click.Choice(["inside", "any"]),
        expose_value=False,
        callback=keep,
        help="Where links in the data set may lead: inside it, or to any file. [default: inside, "
        "or as for the run before]",
    )(function)


def asked_links(context: click.Context, otherwise: str = "") -> Any:
    """Return what ``--links`` said, ``otherwise`` where it was not given."""
    return (context.obj or {}).get("links") or otherwise


def common(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``--quiet`` and ``--debug`` stand after the command as well as before it.

    They end up in ``context.obj``, a dict with the keys ``quiet`` and ``debug``.
    """

    def keep(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if value and parameter.name:
            context.ensure_object(dict)[parameter.name] = True

    texts = {
        "--debug": "Show the traceback of an error.",
        "--quiet": "Say only errors and results.",
    }
    for name, text in texts.items():
        function = click.option(
            name, is_flag=True, expose_value=False, is_eager=True, callback=keep, help=text
        )(function)
    return function
