"""What a run may use: the device of networks and ridge, the memory to stay within, the executor.

None of it is part of a run's identity: the same recipe may be continued elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

from neurodiffuse.errors import ConfigError
from neurodiffuse.executor import Executor, InProcess, read_executor
from neurodiffuse.options import parameters

if TYPE_CHECKING:
    from neurodiffuse.plugins import Registry

UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}

LEAST = 2**20
"""Bytes below which a budget was not meant."""


@dataclass(frozen=True)
class Machine:
    """``device`` is a torch device or ``auto``; ``memory`` is in bytes, None is what there is.

    ``executor`` does the work of steps; see `neurodiffuse.work`.
    """

    device: str = "auto"
    memory: int | None = None
    executor: Executor = field(default_factory=InProcess, compare=False)

    @classmethod
    def asked(cls, given: Mapping[str, Any]) -> Machine:
        """Return what `machine_flags` and `executor_flag` left in the click context's ``obj``."""
        executor = given.get("executor") or InProcess()
        return cls(given.get("device") or "auto", given.get("memory"), executor)

    def given_to(self, cls: type, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return a plugin's options with the machine's, where its constructor names them.

        What the recipe says goes first.
        """
        named = parameters(cls)
        own = {"device": self.device, "memory": self.memory}
        return {k: v for k, v in own.items() if k in named and v is not None} | dict(options)

    def algebra(self, registry: Registry) -> Any | None:
        """Return the `neurodiffuse.decoders.algebra.Algebra` of a plugin that is for this device.

        None means BLAS: on a CPU, which is asked for by name or is all there is, it is the
        fastest.

        Raises
        ------
        NeurodiffuseError
            If a plugin has one and it cannot be used, although a device is there or was named.
        """
        if self.device == "cpu":
            return None
        for card in registry.cards("algebra"):
            cls = registry.load(registry.card("algebra", card.name))
            found: Any = cls(**self.given_to(cls, {}))
            if found.there():
                return found
        return None


def read_memory(text: str) -> int:
    """Return bytes of ``8GiB``, ``8GB``, ``500M`` or a plain number of bytes.

    ``GiB`` and the bare ``G`` count in 1024s, ``GB`` in 1000s.

    Raises
    ------
    ValueError
        If the text is none of these.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?b)?", text.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{text!r} is not an amount of memory; write 8GiB, 500MB or bytes")
    number, unit, kind = found.groups()
    thousand = 1000 if unit and (kind or "").lower() == "b" else 1024
    return int(float(number) * thousand ** UNITS[unit.lower()])


class _Memory(click.ParamType):
    name = "SIZE"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        if isinstance(value, int):
            return value
        try:
            size = read_memory(value)
        except ValueError as error:
            raise ConfigError(f"--memory: {error}.") from error
        if size < LEAST:
            raise ConfigError(f"--memory: {value!r} is {size} bytes: too few. Write 8GiB.")
        return size


class _Executor(click.ParamType):
    name = "WHERE"

    def convert(self, value: Any, param: Any, ctx: Any) -> Executor:
        try:
            return value if isinstance(value, Executor) else read_executor(value)
        except ConfigError as error:
            self.fail(str(error).removeprefix("--executor "), param, ctx)


def executor_flag(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--executor`` to a command; what it starts is ended with the command."""

    def keep(context: click.Context, parameter: click.Parameter, value: Executor) -> None:
        context.ensure_object(dict)["executor"] = context.with_resource(value)

    return click.option(
        "--executor",
        type=_Executor(),
        default="local",
        envvar="NEURODIFFUSE_EXECUTOR",
        metavar="WHERE",
        expose_value=False,
        callback=keep,
        help="Who works: local, local:N processes, dask:ADDRESS, slurm:CONFIG. [default: local]",
    )(function)


def machine_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--device`` and ``--memory`` to a command; `Machine.asked` reads them."""

    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
        if parameter.name:
            context.ensure_object(dict)[parameter.name] = value

    function = click.option(
        "--memory",
        type=_Memory(),
        envvar="NEURODIFFUSE_MEMORY",
        metavar="SIZE",
        expose_value=False,
        callback=keep,
        help="Memory to stay within, such as 8GiB. [default: what there is]",
    )(function)
    return click.option(
        "--device",
        default="auto",
        envvar="NEURODIFFUSE_DEVICE",
        metavar="NAME",
        expose_value=False,
        callback=keep,
        help="Where networks and ridge run: auto, cpu, cuda, cuda:1, mps. [default: auto]",
    )(function)
