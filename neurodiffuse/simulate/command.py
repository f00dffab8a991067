"""The command ``neurodiffuse simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurodiffuse.flags import common

_DIR = click.Path(path_type=Path)


@click.command()
@click.argument("out", type=_DIR)
@click.option("--images", type=_DIR, metavar="DIR", help="Folder of photographs. [default: scenes]")
@click.option("--captions", type=_DIR, metavar="FILE", help="JSON: file name to list of captions.")
@click.option(
    "--geometry",
    type=_DIR,
    metavar="DIR",
    help="Folder of ROI masks, as sub-01_mask-LHPPA.nii.gz. [default: built in]",
)
@click.option("--subjects", type=int, default=2, show_default=True, help="How many.")
@click.option(
    "--train", type=int, help="Training images. [default: 400 scenes, or all other photographs]"
)
@click.option("--test", type=int, default=40, show_default=True, help="Test images, of everybody.")
@click.option("--sessions", type=int, default=2, show_default=True, help="Of each subject.")
@click.option("--runs", type=int, default=2, show_default=True, help="In each session.")
@click.option("--repetitions", type=int, default=3, show_default=True, help="Of each test image.")
@click.option(
    "--train-repetitions", type=int, default=1, show_default=True, help="Of each training image."
)
@click.option("--unequal", is_flag=True, help="Repetitions from 1 to those numbers, by image.")
@click.option("--own-train", is_flag=True, help="Training images differ between subjects.")
@click.option("--size", type=int, default=64, show_default=True, help="Side of images, pixels.")
@click.option(
    "--noise",
    type=float,
    multiple=True,
    default=(1.0, 1.4, 1.9),
    show_default=True,
    help="Spread of a trial's noise over the signal's. Repeat: one for each subject, in turn.",
)
@click.option(
    "--dtype",
    type=click.Choice(["int16", "float32"]),
    default="int16",
    show_default=True,
    help="Of stored betas; int16 is scaled.",
)
@click.option(
    "--held-out",
    type=float,
    default=0.5,
    show_default=True,
    help="Share of test scenes with combinations that training scenes lack.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Everything follows from it.")
@common
@click.pass_context
def simulate(context: click.Context, out: Path, **options: Any) -> None:
    """Write a data set with known answers into OUT, a BIDS derivative.

    \b
    neurodiffuse simulate my_brain --subjects 3 --train 1000 --test 200
    neurodiffuse simulate my_brain --images photos --captions captions.json

    What was planted in each voxel lies in OUT/sourcedata/truth.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.simulate.study import Settings, plan
    from neurodiffuse.simulate.write import check_empty, write

    quiet = bool((context.obj or {}).get("quiet"))
    check_empty(out)
    study = plan(Settings(**options), quiet=quiet)
    write(out, study, quiet=quiet)
    if quiet:
        return
    trials, n_subjects = sum(map(len, study.trials)), len(study.brains)
    voxels = ", ".join(str(brain.geometry.n_voxels) for brain in study.brains)
    click.echo(
        f"{out}: {n_subjects} subject{'s' if n_subjects > 1 else ''} ({voxels} voxels), "
        f"{len(study.album.pictures)} pictures, {trials} trials."
    )
    if not any(picture.labels.any() for picture in study.album.pictures):
        click.echo("No captions: category-selective regions respond to the pictures' layout only.")
