"""The command ``neurodiffuse fetch nsd``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurodiffuse.errors import ConfigError, DownloadError
from neurodiffuse.flags import common

if TYPE_CHECKING:
    from neurodiffuse_nsd.fetch.needs import Request

ROOT = "NEURODIFFUSE_NSD_ROOT"
PARTS = ("design", "betas", "rois", "anatomy", "stimuli", "captions")


@click.command("nsd")
@click.option(
    "--sub",
    "subjects",
    required=True,
    multiple=True,
    metavar="ID",
    help="Subject, 1 to 8. Repeat for several.",
)
@click.option("--root", default="", metavar="DIR", help=f"Folder of the data. [default: ${ROOT}]")
@click.option("--recipe", default="", metavar="NAME|FILE", help="Fetch what this method needs.")
@click.option("--sessions", type=click.IntRange(1, 40), help="The first ones. [default: 37]")
@click.option("--version", type=click.Choice(["b1", "b2", "b3"]), help="Betas. [default: b3]")
@click.option(
    "--space",
    type=click.Choice(["func1pt8mm", "func1mm", "fsaverage"]),
    help="[default: func1pt8mm]",
)
@click.option(
    "--format", "form", type=click.Choice(["nifti", "hdf5"]), help="Of volumes. [default: nifti]"
)
@click.option(
    "--part",
    "parts",
    type=click.Choice(PARTS),
    multiple=True,
    help="Fetch this part only. Repeat for several. [default: all that the recipe needs]",
)
@click.option("--accept-terms", is_flag=True, help="Accept the agreements shown, for scripts.")
@click.option("--dry-run", is_flag=True, help="List files and bytes; ask no server.")
@click.option("--verify", is_flag=True, help="Compare files that are here with the bucket's.")
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files at a time."
)
@click.option("--endpoint", default="", metavar="URL", help="S3 server with a copy of the bucket.")
@common
@click.pass_context
def nsd(
    context: click.Context,
    root: str,
    accept_terms: bool,
    dry_run: bool,
    verify: bool,
    jobs: int,
    endpoint: str,
    **asked: Any,
) -> None:
    """Fetch what a recipe needs of the Natural Scenes Dataset, into its own layout.

    \b
    neurodiffuse fetch nsd --sub 1 --root nsd --dry-run
    neurodiffuse fetch nsd --sub 1 --root nsd --recipe brain-diffuser

    The data access agreement is shown and asked about once. A download that broke off goes on
    when the same command is given again.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse_nsd.fetch import gather
    from neurodiffuse_nsd.fetch.bucket import Bucket
    from neurodiffuse_nsd.tree import Tree

    place, request = _root(root), _request(context, **asked)
    click.echo(gather.heading(request))
    if dry_run:
        click.echo(_offline(request, place))
        return
    _refuse_offline()
    bucket = Bucket(endpoint)
    if verify:
        found = gather.listed(request, bucket)
        wanted = gather.wanted_of(found.needs, bucket, place)
        counts = gather.verify(wanted, jobs)
        absent = len(wanted) - counts.total()
        click.echo(f"as in the bucket: {_counted(counts)}; not here: {absent or 'none'}")
        return
    _agree(request, accept_terms)
    _fetch(request, bucket, Tree(place), jobs, quiet=bool((context.obj or {}).get("quiet")))


def _fetch(request: Request, bucket: Any, tree: Any, jobs: int, *, quiet: bool) -> None:
    from collections import Counter

    from neurodiffuse.errors import listing
    from neurodiffuse_nsd.fetch import coco, gather

    found = gather.listed(request, bucket)
    if found.absent and not quiet:
        names = listing((need.key for need in found.absent), most=3)
        click.echo(f"not in the bucket, left out: {names}")
    click.echo(gather.total_in_words(found.needs, tree.root))
    wanted = gather.wanted_of(found.needs, bucket, tree.root)
    if "captions" in request.parts:
        click.echo(gather.captions_in_words(tree))
        wanted += coco.wanted(tree)
    fetched = gather.obtain(wanted, tree, jobs=jobs, quiet=quiet)
    counts = Counter(one.verified for one in fetched)
    click.echo(f"fetched {len(fetched)} files, verified {_counted(counts)}; all is in {tree.root}")


def _counted(counts: Any) -> str:
    return ", ".join(f"{n} by {by}" for by, n in sorted(counts.items())) or "none"


def _offline(request: Request, root: Path) -> str:
    """Return the plan as far as it is known without asking the bucket."""
    from neurodiffuse_nsd.fetch import gather
    from neurodiffuse_nsd.fetch.needs import needs
    from neurodiffuse_nsd.tree import Tree

    found = needs(request)
    lines = [gather.files_in_words(found, root)] if found else []
    if "captions" in request.parts:
        lines.append(gather.captions_in_words(Tree(root)))
    lines.append(gather.total_in_words(found, root))
    lines.append("Sizes are computed, not asked for: the bucket's are shown before fetching.")
    return "\n".join(lines)


def _root(given: str) -> Path:
    root = given or os.environ.get(ROOT, "")
    if not root:
        raise ConfigError(f"--root: say where the data go, or set {ROOT}.")
    return Path(root).expanduser()


def _request(context: click.Context, *, recipe: str, **flags: Any) -> Request:
    """Return what the recipe needs, changed by the flags that were given."""
    from neurodiffuse_nsd.fetch.needs import Request, of_recipe, subject_of

    subjects = tuple(dict.fromkeys(subject_of(text) for text in flags.pop("subjects")))
    fields: dict[str, Any] = {}
    if recipe:
        from neurodiffuse.config import read_recipe
        from neurodiffuse.plugins import Registry

        registry = (context.obj or {}).get("registry") or Registry.installed()
        table = read_recipe(registry, recipe)
        names = {str(feature.get("encoder", "")) for feature in table.get("features", {}).values()}
        cards = [card for card in registry.cards("encoder") if card.name in names]
        fields = of_recipe(table, {kind for card in cards for kind in card.reads})
    fields |= {name: value for name, value in flags.items() if value}
    return Request(subjects, **fields)


def _refuse_offline() -> None:
    from neurodiffuse.downloads import forbidden

    if switch := forbidden():
        raise DownloadError(f"fetch nsd: fetching is forbidden ({switch}); --dry-run works.")


def _agree(request: Request, given: bool) -> None:
    from neurodiffuse.downloads import agree
    from neurodiffuse_nsd.fetch.terms import COCO, NSD

    of_bucket = [part for part in request.parts if part != "captions"]
    for terms in ([NSD] if of_bucket else []) + ([COCO] if "captions" in request.parts else []):
        agree(terms, flag="--accept-terms", given=given, show=click.echo, ask=click.confirm)
