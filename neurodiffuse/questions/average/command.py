"""The command ``neurodiffuse average``."""

from __future__ import annotations

from pathlib import Path

import click

from neurodiffuse.flags import PLACE, common
from neurodiffuse.machine import Machine, executor_flag, machine_flags


@click.command("average")
@click.option(
    "--run",
    "path",
    type=PLACE,
    metavar="DIR",
    help="Finished run of two subjects or more. [default: the last in runs/]",
)
@machine_flags
@executor_flag
@common
@click.pass_context
def average(context: click.Context, path: Path | None) -> None:
    """Decode the average of subjects who saw the same test images.

    \b
    neurodiffuse average --run runs/both

    The subjects' predicted latents are averaged, painted and scored. The page in DIR/average shows
    the average beside each subject; all its pictures are in DIR/steps/sub-average.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.pipeline import latest_run, reopen
    from neurodiffuse.plugins import Registry
    from neurodiffuse.questions.average.ask import average as ask
    from neurodiffuse.questions.average.ask import summary
    from neurodiffuse.questions.average.beside import AVERAGE
    from neurodiffuse.run import opened

    given = context.obj or {}
    registry = given.get("registry") or Registry.installed()
    run = reopen(
        path or latest_run(),
        registry,
        quiet=bool(given.get("quiet")),
        machine=Machine.asked(given),
    )
    with opened(run):
        view = ask(run)
    click.echo(summary(run))
    click.echo(f"pictures: {view.folder('generate', AVERAGE) / 'decoded'}")
