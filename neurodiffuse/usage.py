"""What is wrong with the words of a command line, in one line of this program's style."""

from __future__ import annotations

import click
from click.exceptions import BadOptionUsage, BadParameter, MissingParameter, NoSuchOption

from neurodiffuse.errors import listing, near


def explained(error: click.UsageError) -> str:
    """Return what was given, what is possible and what to do, in one line."""
    command = error.ctx.command_path if error.ctx else "neurodiffuse"
    if isinstance(error, MissingParameter):
        return f"{_name(error)}: is missing. {command} --help says what it is."
    if isinstance(error, NoSuchOption):
        known = [name for p in error.ctx.command.params for name in p.opts] if error.ctx else []
        return (
            f"{error.option_name}: {command} has no such option."
            f"{near(error.option_name, known)} {command} --help lists them."
        )
    if isinstance(error, BadOptionUsage):
        return f"{error.option_name}: {_sentence(error.message)} {command} --help says more."
    if isinstance(error, BadParameter):
        given, _, rest = error.message.partition(" is not ")
        wanted = _possible(error.param.type, given) if error.param and rest else ""
        said = f"{given} is not possible. {wanted}" if wanted else _sentence(error.message)
        return f"{_name(error)}: {said}"
    return f"{_sentence(error.format_message())} {command} --help says what is possible."


def _name(error: BadParameter) -> str:
    """Return the option as it is written, or what an argument is called."""
    parameter = error.param
    if parameter is None:
        return str(error.param_hint or "an option")
    if isinstance(parameter, click.Option):
        return max(parameter.opts, key=len)
    return str(parameter.metavar or parameter.name).upper()


def _possible(kind: click.ParamType, given: str) -> str:
    """Return what may be given for an option of a kind, empty if click's message says it."""
    if isinstance(kind, click.IntRange | click.FloatRange):
        what = "a whole number" if isinstance(kind, click.IntRange) else "a number"
        if kind.min is not None and kind.max is not None:
            return f"Give {what} from {kind.min} to {kind.max}."
        if kind.min is not None:
            return f"Give {what}, {kind.min} or more."
        return f"Give {what}, at most {kind.max}."
    if isinstance(kind, click.Choice):
        known = [str(choice) for choice in kind.choices]
        close = near(given.strip("'"), known).strip()
        return f"{close} Possible: {listing(known)}.".strip()
    if isinstance(kind, type(click.INT)):
        return "Give a whole number."
    return ""


def _sentence(text: str) -> str:
    words = " ".join(text.split())
    return words if words.endswith((".", "?")) else f"{words}."
