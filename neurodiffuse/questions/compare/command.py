"""The command ``neurodiffuse compare``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from neurodiffuse.flags import PLACE, common
from neurodiffuse.machine import Machine, executor_flag, machine_flags


@click.command()
@click.argument("runs", nargs=-1, type=PLACE, metavar="RUN…")
@click.option(
    "--pictures",
    "folders",
    multiple=True,
    metavar="NAME=DIR",
    help="Somebody else's pictures of the first run's test images. Repeat for several.",
)
@click.option(
    "--published/--no-published",
    "with_published",
    default=None,
    help="All published results with one of the metrics, or none. [default: those on the same data "
    "set and number of test images]",
)
@click.option(
    "--out", type=PLACE, metavar="DIR", help="Folder of the answer. [default: RUN/compare/DIGEST]"
)
@machine_flags
@executor_flag
@common
@click.pass_context
def compare(
    context: click.Context,
    runs: tuple[Path, ...],
    folders: tuple[str, ...],
    with_published: bool | None,
    out: Path | None,
) -> None:
    """Put runs, ablations, others' pictures and published results into one table.

    \b
    neurodiffuse compare runs/demo runs/gentler
    neurodiffuse compare runs/demo runs/demo/ablate/1a2b3c4d --pictures MindEye=recons

    RUN is a decoded run or RUN/ablate/DIGEST. Without one the last run in runs/ is taken. All are
    compared with the first: a table as TSV, LaTeX, Markdown and a page, and picture sheets.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.pipeline import latest_run
    from neurodiffuse.plugins import Registry
    from neurodiffuse.questions.compare.ask import compare as ask
    from neurodiffuse.questions.compare.entries import (
        distinct,
        named_folder,
        opened_arms,
        pictures_of,
    )
    from neurodiffuse.run import opened

    given = context.obj or {}
    registry = given.get("registry") or Registry.installed()
    quiet, machine = bool(given.get("quiet")), Machine.asked(given)
    named = [named_folder(text) for text in folders]
    arms = [
        arm
        for path in runs or (latest_run(),)
        for arm in opened_arms(path, registry, quiet=quiet, machine=machine)
    ]
    first = arms[0].run.trunk or arms[0].run
    with ExitStack() as stack:
        stack.enter_context(opened(first, elsewhere=out is not None and not named))
        arms += [pictures_of(first, name, folder) for name, folder in named]
        place = ask(distinct(arms), with_published=with_published, out=out)
    click.echo(f"page: {place / 'index.html'}")
