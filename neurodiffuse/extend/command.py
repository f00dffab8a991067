"""``neurodiffuse plugins`` and ``neurodiffuse recipes``."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from neurodiffuse.flags import PLACE, common
from neurodiffuse.machine import Machine, machine_flags
from neurodiffuse.plugins import ROLES, Registry

NEW = ("generator", "encoder", "decoder", "refiner", "dataset", "metric")


def _registry(context: click.Context) -> Registry:
    return (context.obj or {}).get("registry") or Registry.installed()


@click.group(invoke_without_command=True)
@click.pass_context
def plugins(context: click.Context) -> None:
    """List what is installed, describe it, write and check plugins."""
    if context.invoked_subcommand is None:
        context.invoke(list_plugins)


@plugins.command("list")
@click.pass_context
def list_plugins(context: click.Context) -> None:
    """List names by role, and the plugins that could not be loaded with what to do."""
    registry = _registry(context)
    for role in ROLES:
        for card in registry.cards(role):
            source = " ".join(p for p in (card.distribution, card.version, card.licence) if p)
            click.echo(f"{role:10} {card.name:24} {card.summary}  [{source}]")
    for broken in registry.broken:
        name = broken.distribution or broken.entry_point
        click.echo(f"{'broken':10} {name:24} {broken.error}")


@plugins.command("info")
@click.argument("name")
@click.option("--role", type=click.Choice(ROLES), help="Where a name has several roles.")
@click.pass_context
def info(context: click.Context, name: str, role: str | None) -> None:
    """Say what a name is: its options, what it reads, its licence and citation."""
    from neurodiffuse.extend.describe import describe, find

    registry = _registry(context)
    cards = find(registry, name, role or "")
    click.echo("\n\n".join(describe(registry, card) for card in cards))


@plugins.command("new")
@click.argument("name")
@click.option("--role", type=click.Choice(NEW), required=True, help="What it is to be.")
@click.option(
    "--out",
    type=PLACE,
    default=Path(),
    help="Folder to write it in. [default: here]",
)
@click.pass_context
def new(context: click.Context, name: str, role: str, out: Path) -> None:
    """Write a small plugin that works, as a distribution with tests, to be made your own."""
    from neurodiffuse.extend.new import new as write

    place = write(name, role, out, _registry(context))
    article = "an" if role == "encoder" else "a"
    click.echo(f"{place}: {article} {role} called {name}. Next:")
    click.echo(f'  pip install -e "{place}[test]"')
    click.echo(f"  python -m pytest {place}")
    more = " --set root=DIR" if role == "dataset" else ""
    click.echo(f"  neurodiffuse plugins check {name}{more}")


@plugins.command("check")
@click.argument("name")
@click.option("--role", type=click.Choice(NEW), help="Where a name has several roles.")
@click.option(
    "--recipe",
    default="",
    metavar="NAME|FILE",
    help="Take options, and a generator's encoders, from this recipe. [default: one that uses it]",
)
@click.option(
    "--set", "settings", multiple=True, metavar="key=value", help="An option. Repeat for several."
)
@machine_flags
@common
@click.pass_context
def check(
    context: click.Context, name: str, role: str | None, recipe: str, settings: tuple[str, ...]
) -> None:
    """Find out whether a plugin keeps the promises of its role, on made-up pictures or responses.

    \b
    neurodiffuse plugins check pixels
    neurodiffuse plugins check bids --set root=bids_example

    Exit status 1 if a promise is broken; each is told with what was found.
    """  # noqa: D301 (click's mark for lines that stay as they are)
    from neurodiffuse.config import read_settings
    from neurodiffuse.extend.describe import find
    from neurodiffuse.extend.examine import examine

    registry, broken = _registry(context), 0
    options = read_settings(settings)
    cards = [card for card in find(registry, name, role or "") if card.role in NEW]
    for card in cards:
        click.echo(f"{card.role} {card.name}  [{card.distribution} {card.version}]".rstrip())
        found = examine(
            registry, card, recipe=recipe, options=options, machine=Machine.asked(context.obj)
        )
        for finding in found:
            click.echo(f"  {'ok    ' if finding.kept else 'BROKEN'}  {finding}")
        wrong = sum(not finding.kept for finding in found)
        click.echo(f"  {len(found) - wrong} of {len(found)} promises are kept")
        broken += wrong
    if broken:
        sys.exit(1)


@click.group(invoke_without_command=True)
@click.pass_context
def recipes(context: click.Context) -> None:
    """List, show and compare methods."""
    if context.invoked_subcommand is None:
        context.invoke(list_recipes)


@recipes.command("list")
@click.pass_context
def list_recipes(context: click.Context) -> None:
    """List the installed recipes."""
    for card in _registry(context).cards("recipe"):
        click.echo(f"{card.name:20} {card.summary}  [{card.distribution}]")


@recipes.command("show")
@click.argument("name")
@click.pass_context
def show(context: click.Context, name: str) -> None:
    """Print a recipe with what it extends filled in; save it, edit it, give it to --recipe."""
    import tomli_w

    from neurodiffuse.config import read_recipe

    click.echo(tomli_w.dumps(read_recipe(_registry(context), name)), nl=False)


@recipes.command("diff")
@click.argument("one")
@click.argument("two")
@click.pass_context
def diff(context: click.Context, one: str, two: str) -> None:
    """Print every setting in which two recipes differ; names or TOML files."""
    from neurodiffuse.extend.difference import difference

    click.echo(difference(_registry(context), one, two))
