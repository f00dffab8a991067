"""The command ``neurodiffuse weights``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurodiffuse.flags import PLACE, common
from neurodiffuse.machine import Machine, executor_flag, machine_flags


@click.command()
@click.option(
    "--run",
    "run_folder",
    type=PLACE,
    metavar="DIR",
    help="Fitted run. [default: the last in runs/]",
)
@click.option("--sub", "subjects", multiple=True, metavar="ID", help="Subject. [default: all]")
@click.option(
    "--feature", "features", multiple=True, metavar="NAME", help="Of the recipe. [default: all]"
)
@click.option(
    "--token", "tokens", type=int, multiple=True, metavar="K", help="One token of it, from 0."
)
@click.option(
    "--component",
    "components",
    type=int,
    multiple=True,
    metavar="K",
    help="One latent of it, from 0: a map with signs.",
)
@click.option(
    "--measure",
    "measures",
    multiple=True,
    default=("l1", "percentile"),
    show_default=True,
    metavar="NAME",
    help="l1, percentile, pattern (Haufe), explained (forward). Repeat for several.",
)
@click.option(
    "--against", default="", metavar="NAME", help="Feature to compare with. [default: the first]"
)
@click.option(
    "--roi",
    "regions",
    multiple=True,
    metavar="EXPR",
    help="Region or preset to compare in. [default: the paper's and every mask]",
)
@click.option("--permutations", type=int, default=9999, show_default=True, help="Of voxel labels.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the permutations.")
@click.option("--pictures/--no-pictures", default=True, help="Draw maps, or write numbers only.")
@click.option("--view", is_flag=True, help="Also interactive pictures, inside the page.")
@click.option(
    "--out", type=PLACE, metavar="DIR", help="Folder of the answer. [default: RUN/weights]"
)
@machine_flags
@executor_flag
@common
@click.pass_context
def weights(
    context: click.Context,
    run_folder: Path | None,
    out: Path | None,
    **asked: Any,
) -> None:
    """Show where in the brain each feature is read from, and compare regions.

    \b
    neurodiffuse weights --run runs/demo
    neurodiffuse weights --run runs/demo --measure percentile --measure pattern --view
    neurodiffuse weights --run runs/demo --feature text --token 5

    Weights say what the decoder uses, not what a voxel responds to; patterns and explained
    variance say that.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.pipeline import latest_run, reopen
    from neurodiffuse.plugins import Registry
    from neurodiffuse.questions.weights.ask import summary
    from neurodiffuse.questions.weights.ask import weights as ask
    from neurodiffuse.questions.weights.question import Question
    from neurodiffuse.run import opened

    given = context.obj or {}
    registry = given.get("registry") or Registry.installed()
    quiet, machine = bool(given.get("quiet")), Machine.asked(given)
    run = reopen(run_folder or latest_run(), registry, quiet=quiet, machine=machine)
    with opened(run, elsewhere=out is not None):
        answer = ask(run, Question(**asked), out)
    click.echo(summary(answer))
