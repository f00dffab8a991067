"""``neurodiffuse rois``."""

from __future__ import annotations

from pathlib import Path

import click

from neurodiffuse.flags import PLACE, asked_links, common, links_flag


@click.command()
@click.option("--dataset", required=True, metavar="NAME", help="Data set plugin, such as bids.")
@click.option("--sub", "subjects", required=True, multiple=True, metavar="ID", help="Subject.")
@click.option("--root", default="", metavar="DIR", help="Folder of the data set.")
@click.option(
    "--mask",
    default="",
    metavar="EXPR",
    help="Count voxels inside this. [default: the data set's own mask]",
)
@click.option(
    "--roi",
    "expressions",
    multiple=True,
    metavar="EXPR",
    help="Count these, such as 'V1+V2' or 'ecc:0.5-1', instead of all that are listed; their "
    "masks are written too. Repeat for several.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="datasets.NAME.key=value",
    help="Change an option of the data set plugin. Repeat for several.",
)
@click.option(
    "--out",
    type=PLACE,
    help="Folder of the table, page and masks. [default: rois/DATASET-sub-ID]",
)
@click.option("--all", "detail", is_flag=True, help="Also detail, such as halves of regions.")
@click.option("--view", is_flag=True, help="Also interactive pictures, inside the page.")
@click.option("--list", "only_list", is_flag=True, help="Print the table; write nothing.")
@links_flag
@common
@click.pass_context
def rois(
    context: click.Context,
    dataset: str,
    subjects: tuple[str, ...],
    root: str,
    mask: str,
    expressions: tuple[str, ...],
    settings: tuple[str, ...],
    out: Path | None,
    detail: bool,
    view: bool,
    only_list: bool,
) -> None:
    """List a subject's regions, their files and voxels, and draw them.

    \b
    neurodiffuse rois --dataset nsd --sub 1
    neurodiffuse rois --dataset bids --root bids_example --sub 01 --roi "V1+V2" --roi ecc:0.5-1

    The names are those that --mask and --roi of every command understand.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.config import dataset_options
    from neurodiffuse.pipeline import match_subjects
    from neurodiffuse.plugins import Registry
    from neurodiffuse.questions.rois.ask import check_free, listing, write

    registry = (context.obj or {}).get("registry") or Registry.installed()
    options = dataset_options(registry, dataset, root=root, settings=settings)
    data = registry.dataset(dataset, options, asked_links(context, "inside"))
    labels = match_subjects(subjects, data)
    places = {
        label: (out / f"sub-{label}" if len(labels) > 1 else out)
        if out
        else Path("rois") / f"{dataset}-sub-{label}"
        for label in labels
    }
    for place in () if only_list else places.values():
        check_free(place)
    for label in labels:
        found = listing(data, label, mask=mask, expressions=expressions, detail=detail)
        click.echo(str(found))
        if not only_list:
            page = write(found, data, dataset, places[label], masks=bool(expressions), view=view)
            click.echo(f"page: {page}")
