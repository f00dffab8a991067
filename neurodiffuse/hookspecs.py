"""Every place where one can plug in, beside the list ``CARDS`` (`neurodiffuse.cards`).

A plugin is a module that is named by an entry point in the group ``neurodiffuse``. Its list
``CARDS`` says which classes it offers. Functions of the names below, marked ``@hookimpl``, do what
no list can; those that begin with ``register_`` and end with a role are an older way to offer
classes. The module must import nothing heavy: it only names classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from neurodiffuse.types import Section

hookspec = pluggy.HookspecMarker("neurodiffuse")
hookimpl = pluggy.HookimplMarker("neurodiffuse")

CONTRACT = 1
"""Version of this contract; a plugin module may state the one it was written for as CONTRACT."""


@hookspec
def register_datasets(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` for each data set."""


@hookspec
def register_encoders(register: Any) -> None:
    """Call ``register(name, target, summary=…, reads=("images",) or ("captions",))``."""


@hookspec
def register_decoders(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` for each decoder."""


@hookspec
def register_refiners(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` for each refiner."""


@hookspec
def register_generators(register: Any) -> None:
    """Call ``register(name, target, summary=…, reads=(latent names), optional=(…))``."""


@hookspec
def register_metrics(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` for each metric."""


@hookspec
def register_recipes(register: Any) -> None:
    """Call ``register(name, "package:recipes/name.toml", summary=…)`` for each recipe."""


@hookspec
def register_layouts(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` for each form to simulate in."""


@hookspec
def register_algebras(register: Any) -> None:
    """Call ``register(name, "package.module:Class", summary=…)`` to compute ridge with."""


@hookspec
def register_models(register: Any) -> None:
    """Call ``register(MODEL)`` for each `neurodiffuse.types.Model`: published weights."""


@hookspec
def register_commands(cli: Any) -> None:
    """Add click commands to the group ``cli``: ``cli.add_command(my_command)``."""


@hookspec
def report_sections(run: Any) -> Iterable[Section]:  # type: ignore[empty-body]
    """Return sections to add to a finished run's report."""
