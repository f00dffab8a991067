"""The command ``neurodiffuse roi-optimal``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from neurodiffuse.errors import ConfigError
from neurodiffuse.flags import PLACE, asked_links, common, links_flag
from neurodiffuse.machine import Machine, executor_flag, machine_flags

if TYPE_CHECKING:
    from neurodiffuse.run import Run

ASKED = ("renorm", "method", "pattern", "seeds", "candidates", "display", "width")
"""Options that are of the question, by its names."""


@click.command("roi-optimal")
@click.option(
    "--roi",
    "words",
    multiple=True,
    required=True,
    metavar="EXPR|PRESET",
    help="Region, such as FFA1, V1+V2 or ecc:0-1; or visual, category, paper-combinations, "
    "eccentricity, all; or random:K voxels. Repeat for several.",
)
@click.option(
    "--run",
    "path",
    type=PLACE,
    metavar="DIR",
    help="Fitted run. [default: the last one decoded in runs/]",
)
@click.option("--dataset", default="", metavar="NAME", help="Fit first: data set plugin.")
@click.option("--root", default="", metavar="DIR", help="Fit first: folder of the data set.")
@click.option("--recipe", default="", metavar="NAME|FILE", help="Fit first: method.")
@click.option("--out", type=PLACE, metavar="DIR", help="Fit first: run folder, made or continued.")
@click.option(
    "--sub",
    "subjects",
    multiple=True,
    metavar="ID",
    help="Subject. Repeat for several. [default with --run: all of the run]",
)
@click.option(
    "--renorm",
    type=click.Choice(["train-norm", "reference", "none"]),
    default="train-norm",
    show_default=True,
    help="Length of the latents: as training latents, as the published code, as predicted.",
)
@click.option(
    "--reference-as",
    multiple=True,
    metavar="FEATURE=KIND",
    help="Which published constants a feature gets: vdvae, clip-text, clip-vision. [by its name]",
)
@click.option(
    "--method",
    type=click.Choice(["linear", "encoder-ranked"]),
    default="linear",
    show_default=True,
    help="Paint once, or rank candidates by the response that a forward model predicts.",
)
@click.option(
    "--pattern",
    type=click.Choice(["ones", "signs"]),
    default="ones",
    show_default=True,
    help="Activity of the region: 1 in every voxel (the paper's), or +1 and -1 at random, anew for "
    "each picture: where its voxels look.",
)
@click.option(
    "--width",
    type=float,
    metavar="DEGREES",
    help="Of signs: how wide the pictures were, in degrees of visual angle. [default: as the data "
    "set says, else rings are in half widths]",
)
@click.option("--seeds", default=1, show_default=True, help="Pictures kept of each region.")
@click.option("--candidates", default=8, show_default=True, help="Of encoder-ranked, made of each.")
@click.option(
    "--display",
    type=click.Choice(["none", "stretch", "equalise"]),
    default="none",
    show_default=True,
    help="Colour histograms of the pictures shown; raw ones are kept.",
)
@links_flag
@machine_flags
@executor_flag
@common
@click.pass_context
def roi_optimal(context: click.Context, words: tuple[str, ...], **options: Any) -> None:
    """Paint what a region's activity alone is decoded to.

    \b
    neurodiffuse roi-optimal --roi category --run runs/demo --seeds 4
    neurodiffuse roi-optimal --roi FFA1 --roi "V1+V2" --dataset bids --root bids_example --sub 01
    neurodiffuse roi-optimal --roi eccentricity --pattern signs --seeds 512 --run runs/layout

    Several subjects have a row each and one of their averaged latents. Pictures, tables, figures
    and a page are written into DIR/roi-optimal. Of random signs, the energy that the pictures have
    over the mean stimulus is mapped, which says where the region's voxels look.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.questions.roi_optimal.ask import roi_optimal as ask
    from neurodiffuse.questions.roi_optimal.memory import check_memory
    from neurodiffuse.questions.roi_optimal.question import Question
    from neurodiffuse.questions.roi_optimal.regions import wanted
    from neurodiffuse.questions.roi_optimal.renormalise import reference_kinds
    from neurodiffuse.questions.roi_optimal.source import fitted, said_kinds
    from neurodiffuse.run import opened

    regions = wanted(words)
    run, subjects = _run(context, options)
    said = said_kinds(options["reference_as"], run.config.features)
    question = Question(
        subjects=subjects,
        regions=regions,
        kinds=reference_kinds(said) if options["renorm"] == "reference" else {},
        **{k: options[k] for k in ASKED},
    )
    with opened(run):
        if options["path"] is None:
            check_memory(run, question)
            fitted(run)
        place = ask(run, question)
    click.echo(f"page: {place / 'index.html'}")


def _run(context: click.Context, options: dict[str, Any]) -> tuple[Run, tuple[str, ...]]:
    """Return the run to ask and the subjects to ask about."""
    from neurodiffuse.pipeline import latest_run
    from neurodiffuse.questions.roi_optimal import source

    given = context.obj or {}
    registry, quiet = given.get("registry"), bool(given.get("quiet"))
    machine = Machine.asked(given)
    if options["dataset"] and options["path"] is not None:
        raise ConfigError(
            "roi-optimal: give either --run DIR, a fitted run, or --dataset NAME and --sub ID, to "
            "fit first."
        )
    if not options["dataset"]:
        if options["path"] is None:
            options["path"] = latest_run()
            click.echo(f"run: {options['path']}", err=True)
        for name in ("root", "recipe", "out"):
            if options[name]:
                raise ConfigError(f"--{name}: belongs to --dataset; --run has its own settings.")
        return source.of_folder(
            options["path"],
            options["subjects"],
            registry,
            quiet=quiet,
            machine=machine,
            links=asked_links(context),
        )
    return source.to_fit(
        registry,
        quiet=quiet,
        machine=machine,
        links=asked_links(context),
        **{k: options[k] for k in ("dataset", "subjects", "root", "recipe", "out")},
    )
