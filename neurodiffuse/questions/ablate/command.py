"""The command ``neurodiffuse ablate``."""

from __future__ import annotations

from typing import Any

import click

from neurodiffuse.flags import common
from neurodiffuse.machine import executor_flag, machine_flags
from neurodiffuse.questions.asked import asked_run, decoded, run_flags


@click.command()
@run_flags
@click.option(
    "--vary",
    "vary",
    multiple=True,
    metavar="section.key=VALUE,…",
    help="A row for each value of a setting. Repeat for several settings.",
)
@click.option(
    "--variant",
    "variants",
    multiple=True,
    metavar="'NAME: section.key=VALUE, …'",
    help="A row with several other settings. Repeat for several rows.",
)
@click.option(
    "--structure/--no-structure",
    default=True,
    help="Also leave out each stage and each feature. [default: structure]",
)
@machine_flags
@executor_flag
@common
@click.pass_context
def ablate(
    context: click.Context,
    vary: tuple[str, ...],
    variants: tuple[str, ...],
    structure: bool,
    **options: Any,
) -> None:
    """Show what each part of a method is worth.

    \b
    neurodiffuse ablate --run runs/demo
    neurodiffuse ablate --run runs/demo --vary stages.recon.strength=0.5,0.9
    neurodiffuse ablate --dataset bids --root bids_example --sub 01 --recipe demo

    Only the first stage, without it, and without each feature, beside the full method: scores,
    paired tests and pictures, in DIR/ablate. Nothing that stays the same is computed again.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.questions.ablate.ask import ablate as ask
    from neurodiffuse.questions.ablate.switches import named, varied
    from neurodiffuse.run import opened

    asked = [one for text in vary for one in varied(text)] + [named(text) for text in variants]
    run = asked_run(context, options)
    with opened(run):
        decoded(run, options)
        place = ask(run, asked, structure=structure)
    click.echo(f"page: {place / 'index.html'}")
