"""The command ``neurodiffuse simulate``."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from neurodiffuse.errors import ConfigError
from neurodiffuse.files import toml_of
from neurodiffuse.flags import PLACE, common
from neurodiffuse.options import check_options

if TYPE_CHECKING:
    from neurodiffuse.plugins import Registry
    from neurodiffuse.simulate.layout import Layout


@click.command()
@click.argument("out", type=PLACE)
@click.option(
    "--layout",
    default="bids",
    show_default=True,
    metavar="NAME",
    help="Form of the files: bids, or another that is installed, such as nsd.",
)
@click.option(
    "--set",
    "layout_settings",
    multiple=True,
    metavar="key=value",
    help="An option of the layout, such as format=hdf5 of nsd. Repeat for several.",
)
@click.option(
    "--images", type=PLACE, metavar="DIR", help="Folder of photographs. [default: scenes]"
)
@click.option("--captions", type=PLACE, metavar="FILE", help="JSON: file name to list of captions.")
@click.option(
    "--geometry",
    type=PLACE,
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
def simulate(
    context: click.Context, out: Path, layout: str, layout_settings: tuple[str, ...], **options: Any
) -> None:
    """Write a data set with known answers into OUT, a BIDS derivative unless --layout says else.

    \b
    neurodiffuse simulate my_brain --subjects 3 --train 1000 --test 200
    neurodiffuse simulate my_brain --images photos --captions captions.json
    neurodiffuse simulate my_nsd --layout nsd --set format=hdf5

    What was planted in each voxel lies in OUT/sourcedata/truth, or where the layout puts it.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.plugins import Registry
    from neurodiffuse.simulate.study import Settings
    from neurodiffuse.simulate.write import check_empty

    given = context.obj or {}
    quiet = bool(given.get("quiet"))
    registry = given.get("registry") or Registry.installed()
    writer = _layout(registry, layout, layout_settings)
    check_empty(out)
    said = writer.write(out, Settings(**options), quiet=quiet)
    if not quiet:
        click.echo(f"{out}: {said}")


def _layout(registry: Registry, name: str, settings: tuple[str, ...]) -> Layout:
    """Return a layout with the options that ``--set`` names."""
    cls = registry.load(registry.card("layout", name, "--layout"))
    options = dict(_setting(text) for text in settings)
    if problems := check_options("--set", cls, options):
        raise ConfigError(*problems)
    try:
        return cast("Layout", cls(**options))
    except ValueError as error:
        raise ConfigError(f"--set {error}") from error


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: write key=value, such as format=hdf5.")
    try:
        return key.strip(), toml_of(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()
