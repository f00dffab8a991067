"""Flags that every command understands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


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
