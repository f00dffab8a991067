"""``neurodiffuse score``."""

from __future__ import annotations

from pathlib import Path

import click

from neurodiffuse.flags import PLACE, common
from neurodiffuse.machine import Machine, executor_flag, machine_flags


@click.command()
@click.option("--recon", required=True, type=PLACE, metavar="DIR", help="Reconstructions.")
@click.option("--seen", required=True, type=PLACE, metavar="DIR", help="What was seen.")
@click.option(
    "--metric",
    "names",
    multiple=True,
    metavar="NAME",
    help="Metric. Repeat for several. [default: all that have the dialect and are ready]",
)
@click.option(
    "--dialect",
    default="",
    metavar="NAME",
    help="Whose evaluation: brain-diffuser, mindeye, takagi, none. [default: brain-diffuser; none "
    "with --size]",
)
@click.option(
    "--size",
    type=click.IntRange(11),
    default=None,
    metavar="PIXELS",
    help="Side to which both pictures are resized for metrics without a size or dialect of their "
    "own. [default: the size of the first reconstruction]",
)
@click.option(
    "--pair-by",
    type=click.Choice(["name", "order", "common"]),
    default="name",
    show_default=True,
    help="What belongs together: files of one name, both folders in natural order, or files of one "
    "name with others left out.",
)
@click.option(
    "--bootstrap",
    type=click.IntRange(0),
    default=2000,
    show_default=True,
    metavar="N",
    help="Resamplings of the images for intervals; 0 gives none.",
)
@click.option(
    "--null",
    "permutations",
    type=click.IntRange(0),
    metavar="N",
    help="Shufflings of the pairs; 0 tests nothing. [default: the metric's own]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, metavar="N", help="Of both."
)
@click.option(
    "--out",
    type=PLACE,
    help="Folder of tables and page. [default: scores/RECON, or RECON-2 … where there are others]",
)
@machine_flags
@executor_flag
@common
@click.pass_context
def score(
    context: click.Context,
    recon: Path,
    seen: Path,
    names: tuple[str, ...],
    dialect: str,
    size: int | None,
    pair_by: str,
    bootstrap: int,
    permutations: int | None,
    seed: int,
    out: Path | None,
) -> None:
    """Score a folder of reconstructions against what was seen; no run is needed.

    \b
    neurodiffuse score --recon recons --seen stimuli
    neurodiffuse score --recon recons --seen stimuli --dialect mindeye --metric clip

    Prints a table and writes scores.tsv, images.tsv (every image), scores.json and a page.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.plugins import Registry
    from neurodiffuse.questions.score import ask, written

    given = context.obj or {}
    registry = given.get("registry") or Registry.installed()
    dialect = dialect or ("none" if size else "brain-diffuser")
    settings = ask.Settings(
        recon, seen, names, dialect, pair_by, bootstrap, permutations, seed, size or 0
    )
    place = out or written.default_place(settings)
    written.check_free(place, settings)
    quiet = bool(given.get("quiet"))
    found = ask.score(settings, registry, Machine.asked(given), quiet=quiet)
    page = written.write(found, place)
    click.echo(written.table(found))
    click.echo(f"page: {page}")
