"""The command ``neurodiffuse controls``."""

from __future__ import annotations

from typing import Any

import click

from neurodiffuse.flags import common
from neurodiffuse.machine import executor_flag, machine_flags
from neurodiffuse.questions.asked import asked_run, decoded, run_flags


@click.command()
@run_flags
@click.option(
    "--only",
    "wanted",
    multiple=True,
    metavar="KIND",
    help="ceiling, rescale, text-only, hold-out, retrieval, floor. Repeat for several. "
    "[default: all]",
)
@click.option(
    "--feature",
    default="",
    metavar="NAME",
    help="In whose latents images are near one another. [default: the last one of pictures]",
)
@click.option(
    "--neighbours",
    default=3,
    show_default=True,
    help="Nearest training images held out for each test image.",
)
@machine_flags
@executor_flag
@common
@click.pass_context
def controls(
    context: click.Context, wanted: tuple[str, ...], feature: str, neighbours: int, **options: Any
) -> None:
    """Put a run beside ceilings, floors and competitors.

    \b
    neurodiffuse controls --run runs/demo
    neurodiffuse controls --run runs/demo --only hold-out --neighbours 5

    True latents; predictions shuffled between images, mean latents, shuffled labels; text only;
    near training images held out; the nearest training image as an answer; predictions rescaled
    by training and by test images. Scores, paired tests and pictures, in DIR/controls.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.questions.controls.ask import controls as ask
    from neurodiffuse.run import opened

    run = asked_run(context, options)
    with opened(run):
        decoded(run, options)
        place = ask(run, feature=feature, neighbours=neighbours, wanted=wanted)
    click.echo(f"page: {place / 'index.html'}")
