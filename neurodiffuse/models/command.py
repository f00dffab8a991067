"""The commands ``neurodiffuse models list``, ``fetch`` and ``verify``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurodiffuse.flags import common

if TYPE_CHECKING:
    from neurodiffuse.downloads import Wanted
    from neurodiffuse.plugins import Registry
    from neurodiffuse.types import Model


@click.group(invoke_without_command=True)
@click.pass_context
def models(context: click.Context) -> None:
    """List, fetch and verify published weights."""
    if context.invoked_subcommand is None:
        context.invoke(list_models)


@models.command("list")
@click.argument("name", required=False)
@common
@click.pass_context
def list_models(context: click.Context, name: str | None = None) -> None:
    """List the weights that plugins need, or the files of one model.

    \b
    neurodiffuse models list
    neurodiffuse models list versatile-diffusion
    """  # noqa: D301 (click's mark for lines that stay as they are)
    registry = _registry(context)
    if name:
        click.echo(_described(registry.model(name)))
        return
    found = registry.models()
    if not found:
        click.echo("No installed plugin needs published weights.")
    rows = [(model.name, _state(model), model.licence, model.summary) for model in found]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(3)]
    for row in rows:
        aligned = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        click.echo("  ".join([*aligned, row[-1]]))


@models.command("fetch")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--accept-licence", is_flag=True, help="Accept the licences shown, for scripts.")
@click.option("--dry-run", is_flag=True, help="List files and bytes; ask no server.")
@click.option(
    "--jobs", type=click.IntRange(1, 32), default=4, show_default=True, help="Files at a time."
)
@common
@click.pass_context
def fetch(
    context: click.Context, names: tuple[str, ...], accept_licence: bool, dry_run: bool, jobs: int
) -> None:
    """Fetch published weights into the cache, and verify them.

    \b
    neurodiffuse models fetch vdvae-imagenet64 versatile-diffusion
    NEURODIFFUSE_MODELS=/data/weights neurodiffuse models fetch vdvae-imagenet64

    The licence is shown before the first download. A download that broke off goes on when the
    same command is given again.
    """  # noqa: D301
    from neurodiffuse.downloads import agree
    from neurodiffuse.models import obtain

    wanted = [_registry(context).model(name) for name in dict.fromkeys(names)]
    if dry_run:
        click.echo("\n\n".join(_described(model) for model in wanted))
        return
    for model in wanted:
        found = obtain.standing(model)
        obtain.refuse_offline(model, (*found.rest, *found.differ))
        if found.rest or found.differ:
            agree(
                obtain.terms(model),
                flag="--accept-licence",
                given=accept_licence,
                show=click.echo,
                ask=click.confirm,
            )
    for model in wanted:
        fetched = obtain.obtain(model, jobs=jobs, quiet=_quiet(context))
        click.echo(_outcome(model, [one.verified for one in fetched]))


@models.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@click.option(
    "--weights",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="A folder or file of your own, for one NAME. [default: the cache]",
)
@click.option("--remove", is_flag=True, help="Remove damaged files of the cache.")
@common
@click.pass_context
def verify(
    context: click.Context, names: tuple[str, ...], weights: Path | None, remove: bool
) -> None:
    """Compare weights with their published checksums.

    \b
    neurodiffuse models verify
    neurodiffuse models verify vdvae-imagenet64 --weights /data/vdvae

    Where no checksum is published, with the one of when the file was fetched. Without NAME, all
    weights that are in the cache.
    """  # noqa: D301
    from neurodiffuse.errors import ConfigError, DataError
    from neurodiffuse.models import folder_of, obtain

    if weights and (len(names) != 1 or remove):
        raise ConfigError("--weights: goes with one NAME, and not with --remove.")
    registry = _registry(context)
    chosen = [registry.model(name) for name in dict.fromkeys(names)]
    damaged: list[str] = []
    for model in chosen or [m for m in registry.models() if folder_of(m).is_dir()]:
        if weights and weights.is_file():
            checks = [obtain.verify_own_file(model, weights)]
        else:
            checks = obtain.verify(model, weights or folder_of(model))
        click.echo(f"{model.name}: {obtain.summary(checks)}")
        for check in (c for c in checks if c.problem):
            damaged.append(f"{check.path}: {check.problem}")
            if remove and check.path.is_file():
                check.path.unlink()
    if damaged:
        remedy = "Removed; fetch again" if remove else "Remove with --remove and fetch again"
        last = "" if weights else f"\n{remedy}: neurodiffuse models fetch NAME"
        raise DataError("\n".join(damaged) + last)


def _registry(context: click.Context) -> Registry:
    from neurodiffuse.plugins import Registry

    given: Any = (context.obj or {}).get("registry")
    return given or Registry.installed()


def _quiet(context: click.Context) -> bool:
    return bool((context.obj or {}).get("quiet"))


def _state(model: Model) -> str:
    """Return how much of a model is here, and its size."""
    from neurodiffuse.downloads import in_bytes
    from neurodiffuse.models.obtain import standing

    found = standing(model)
    sizes = [file.size for file in model.files]
    size = in_bytes(None if None in sizes else sum(s for s in sizes if s))
    if len(found.here) == len(model.files):
        return f"here, {size}"
    return f"{len(found.here)} of {len(model.files)} files, {size}"


def _described(model: Model) -> str:
    from neurodiffuse.models import folder_of
    from neurodiffuse.models.obtain import standing, wanted

    found = standing(model)
    lines = [f"{model.name}: {model.summary}"]
    lines += [f"  licence  {model.licence or 'none stated'}  {model.terms}".rstrip()]
    lines += [f"  cite     {model.cite}"] if model.cite else []
    lines += [f"  folder   {folder_of(model)}"]
    states = {one.place: "here" for one in found.here}
    states |= {one.place: "of another size than published" for one in found.differ}
    for file, one in zip(model.files, wanted(model), strict=True):
        lines.append(f"  {file.path}  {_expected(one)}  {states.get(one.place, _left(one))}")
        lines.append(f"    {file.address}")
    return "\n".join([*lines, f"  {_to_fetch((*found.rest, *found.differ))}"])


def _expected(one: Wanted) -> str:
    from neurodiffuse.downloads import in_bytes

    digest = f"sha256 {one.digests[0].value}" if one.digests else "sha256 not known"
    return f"{in_bytes(one.size)}  {digest}"


def _left(one: Wanted) -> str:
    from neurodiffuse.downloads import in_bytes

    return f"not here ({in_bytes(one.received)} received)" if one.received else "not here"


def _to_fetch(rest: tuple[Wanted, ...]) -> str:
    from neurodiffuse.downloads import in_bytes

    known = sum(max((one.size or 0) - one.received, 0) for one in rest)
    unknown = sum(one.size is None for one in rest)
    more = f" and {_files(unknown)} of unknown size" if unknown else ""
    return f"to fetch: {in_bytes(known)}{more}" if rest else "to fetch: nothing"


def _outcome(model: Model, verified: list[str]) -> str:
    from collections import Counter

    from neurodiffuse.models import folder_of

    if not verified:
        return f"{model.name}: complete in {folder_of(model)}"
    checks = ", ".join(f"{n} by {by}" for by, n in sorted(Counter(verified).items()))
    done = f"{_files(len(verified))} fetched into {folder_of(model)}"
    return f"{model.name}: {done}, verified {checks}"


def _files(n: int) -> str:
    return "1 file" if n == 1 else f"{n} files"
