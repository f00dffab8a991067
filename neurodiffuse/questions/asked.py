"""Which run a question is asked of: a finished one, or one that is decoded first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import click

from neurodiffuse.errors import ConfigError
from neurodiffuse.flags import PLACE, asked_links, links_flag
from neurodiffuse.machine import Machine

if TYPE_CHECKING:
    from neurodiffuse.run import Run

FLAGS: dict[str, dict[str, Any]] = {
    "--run": {"help": "Decoded run. [default: the last one in runs/]", "metavar": "DIR"},
    "--dataset": {"help": "Decode first: data set plugin.", "metavar": "NAME"},
    "--root": {"help": "Decode first: folder of the data set.", "metavar": "DIR"},
    "--sub": {"help": "Decode first: subject. Repeat for several.", "metavar": "ID"},
    "--recipe": {"help": "Decode first: method.", "metavar": "NAME|FILE"},
    "--out": {"help": "Decode first: run folder, made or continued.", "metavar": "DIR"},
}


def run_flags(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the flags that name a run to a command; `asked_run` takes their values."""
    more: dict[str, dict[str, Any]] = {
        "--run": {"type": PLACE},
        "--out": {"type": PLACE},
        "--sub": {"multiple": True},
    }
    for name, about in reversed(FLAGS.items()):
        extra = more.get(name, {"default": ""})
        function = click.option(name, **about, **extra)(function)
    return links_flag(function)


def asked_run(context: click.Context, options: Mapping[str, Any]) -> Run:
    """Return the run that the flags name; its steps may not be done yet.

    Raises
    ------
    ConfigError
        If flags of both ways are mixed.
    """
    from neurodiffuse import pipeline
    from neurodiffuse.plugins import Registry

    given = context.obj or {}
    registry = given.get("registry") or Registry.installed()
    links = asked_links(context)
    quiet, machine = bool(given.get("quiet")), Machine.asked(given)
    if options["dataset"]:
        if options["run"] is not None:
            raise ConfigError(
                f"{context.info_name}: give either --run DIR, a decoded run, or --dataset NAME and "
                "--sub ID, to decode first."
            )
        from neurodiffuse.questions.roi_optimal.source import to_fit

        named = {k: options[k] for k in ("dataset", "root", "recipe", "out")}
        run, _ = to_fit(
            registry,
            quiet=quiet,
            machine=machine,
            subjects=options["sub"],
            links=links,
            **named,
        )
        return run
    for name in ("root", "sub", "recipe", "out"):
        if options[name]:
            raise ConfigError(f"--{name}: belongs to --dataset; --run has its own settings.")
    path = options["run"]
    if path is None:
        path = pipeline.latest_run()
        click.echo(f"run: {path}", err=True)
    return pipeline.reopen(path, registry, quiet=quiet, machine=machine, links=links)


def decoded(run: Run, options: Mapping[str, Any]) -> None:
    """Decode a run that is asked for by its data set; a finished one is only checked."""
    from neurodiffuse import pipeline
    from neurodiffuse.questions.branches import check_finished

    if options["dataset"]:
        pipeline.execute(run)
    check_finished(run)
