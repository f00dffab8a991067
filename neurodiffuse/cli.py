"""The command line: read arguments, call one function, say what came out."""

from __future__ import annotations

import sys
from functools import cache, partial
from json import JSONDecodeError
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import click

from neurodiffuse import __version__
from neurodiffuse.config import STEPS, resolve
from neurodiffuse.errors import ConfigError, NeurodiffuseError, listing, near, printable
from neurodiffuse.files import in_words
from neurodiffuse.flags import PLACE, asked_links, common, links_flag
from neurodiffuse.machine import Machine, executor_flag, machine_flags
from neurodiffuse.plugins import Registry
from neurodiffuse.streams import prepare_streams
from neurodiffuse.usage import explained
from neurodiffuse.watcher import watched


@cache
def registry() -> Registry:
    """Return what is installed, looked up once."""
    with watched() as note:
        return Registry.installed(note)


class Commands(click.Group):
    """A group that also has the plugins' commands and answers a wrong name with a near one."""

    _complete = False

    def _with_plugins(self) -> None:
        if not self._complete:
            self._complete = True
            with watched() as note:
                registry().commands(self, note)

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names of all commands."""
        self._with_plugins()
        return super().list_commands(context)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Return a command by name."""
        self._with_plugins()
        return super().get_command(context, name)

    def resolve_command(self, context: click.Context, args: list[str]) -> Any:
        """Return the command that the arguments name, or say which there are."""
        if self.get_command(context, args[0]) is None:
            names = self.list_commands(context)
            raise ConfigError(
                f"no command is called {args[0]!r}.{near(args[0], names)} "
                f"Commands: {listing(names)}."
            )
        return super().resolve_command(context, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="neurodiffuse")
@click.option("--quiet", is_flag=True, help="Say only errors and the result.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(context: click.Context, quiet: bool, debug: bool) -> None:
    """Reconstruct what a person saw from fMRI, and ask the same model what each region is for."""
    context.obj = {"quiet": quiet, "debug": debug, "registry": registry()}
    for warning in registry().warnings:
        click.echo(f"neurodiffuse: warning: {warning}", err=True)


@cli.command()
@click.option("--dataset", required=True, metavar="NAME", help="Data set plugin, such as bids.")
@click.option(
    "--sub",
    "subjects",
    required=True,
    multiple=True,
    metavar="ID",
    help="Subject: 1, 01 and sub-01 mean the same. Repeat for several.",
)
@click.option("--root", default="", metavar="DIR", help="Folder of the data set.")
@click.option(
    "--recipe",
    default="",
    metavar="NAME|FILE",
    help="Method: an installed name or a TOML file. [default: what the data set names, else the "
    "one for any pictures]",
)
@click.option(
    "--out",
    type=PLACE,
    help="Run folder, made or continued. [default: runs/DATASET-RECIPE-sub-ID]",
)
@click.option(
    "--mask",
    default="",
    metavar="EXPR",
    help="Voxels, such as 'V1+V2' or 'visual-V1'. [default: the data set's own mask]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="section.key=value",
    help="Change one setting of the recipe. Repeat for several.",
)
@click.option(
    "--from", "start_from", default="", metavar="STEP", help=f"Redo from: {', '.join(STEPS)}."
)
@click.option("--average", is_flag=True, help="Also decode the subjects' averaged latents.")
@click.option(
    "--dry-run",
    is_flag=True,
    help="Check settings, tables, headers and regions, print the plan, compute nothing. Betas and "
    "pictures are read by the run.",
)
@links_flag
@machine_flags
@executor_flag
@common
@click.pass_context
def decode(
    context: click.Context,
    dataset: str,
    subjects: tuple[str, ...],
    root: str,
    recipe: str,
    out: Path | None,
    mask: str,
    settings: tuple[str, ...],
    start_from: str,
    average: bool,
    dry_run: bool,
) -> None:
    """Reconstruct what subjects saw: from a data set to images, scores and a report.

    \b
    neurodiffuse decode --dataset bids --root bids_example --sub 01 --out runs/demo
    neurodiffuse decode --dataset nsd --sub 1 --recipe brain-diffuser

    A killed run goes on where it stopped when the same command is given again.
    """  # noqa: D301  (\\b keeps click from rewrapping the examples)
    from neurodiffuse import pipeline, plan_text
    from neurodiffuse.config import Choice, default_recipe
    from neurodiffuse.plan import plan_of
    from neurodiffuse.progress import say
    from neurodiffuse.run import Run, opened

    quiet = bool(context.obj.get("quiet"))
    if start_from and start_from not in STEPS:
        raise ConfigError(
            f"--from: no step is called {start_from!r}.{near(start_from, STEPS)} "
            f"Steps: {listing(STEPS)}."
        )
    choice, links = Choice(recipe), asked_links(context, "inside")
    if not recipe:
        choice = default_recipe(registry(), dataset, root=root, settings=settings, links=links)
    config = resolve(
        registry(),
        dataset=dataset,
        subjects=subjects,
        recipe=choice.recipe,
        root=root,
        mask=mask,
        settings=settings,
        links=links,
    )
    config, data = pipeline.open_subjects(config, registry())
    out = out or pipeline.default_out(config)
    if average and len(config.subjects) < 2:
        raise ConfigError("--average: averages over subjects; name two or more with --sub.")
    run = Run(out, config, registry(), data, quiet, Machine.asked(context.obj))
    plan = plan_of(run)
    if average:
        from neurodiffuse.questions.average import ask

        ask.check_ahead(run)
    if dry_run:
        click.echo(plan_text.describe(run, plan, start_from, choice.why))
        return
    for line in plan_text.warnings(run, start_from):
        click.echo(line, err=True)
    say(choice.why, quiet=quiet or not choice.why)
    ready = partial(pipeline.check_again, run, start_from) if start_from else None
    with opened(run, start_from=start_from, ready=ready):
        pipeline.execute(run)
        if average:
            ask.average(run)
            click.echo(ask.summary(run))
        click.echo(plan_text.results(run))


LONGEST = 1500
"""Characters of a line that tells an error: what a file holds may be as long as it likes."""

_DAMAGED = (
    "neurodiffuse: a file is empty, cut off or damaged ({}); --debug shows which. If it belongs to "
    "a run, give the decode command of that run again with --from mask."
)


def main() -> None:
    """Run the command line; an expected error is one line and exit status 1."""
    debug = "--debug" in sys.argv
    prepare_streams()
    try:
        cli.main(prog_name="neurodiffuse", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.Abort as stop:
        if isinstance(stop.__cause__, EOFError):  # click takes any file's end for the keyboard's
            if debug:
                raise stop.__cause__ from None
            sys.exit(_DAMAGED.format(stop.__cause__))
        sys.exit("Interrupted; the same command goes on from here.")
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.UsageError as error:
        click.echo(f"neurodiffuse: {explained(error)}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (JSONDecodeError, BadZipFile) as error:
        if debug:
            raise
        sys.exit(_DAMAGED.format(error))
    except NeurodiffuseError as error:
        if debug:
            raise
        for line in str(error).split("\n"):
            click.echo(f"neurodiffuse: {printable(line, LONGEST)}", err=True)
        sys.exit(1)
    except BrokenPipeError:  # who read the output has left
        sys.exit(1)
    except OSError as error:
        if debug or error.errno is None:
            raise
        where = f"{error.filename}: {in_words(error)}" if error.filename else in_words(error)
        sys.exit(
            f"neurodiffuse: {printable(where, LONGEST)}. If results should go there, give another "
            "--out; --debug shows where it happened."
        )
