"""Where the fitted maps come from: a run folder, or steps that are done first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from neurodiffuse import pipeline
from neurodiffuse.config import default_recipe, resolve
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.machine import Machine
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run


def of_folder(
    path: Path,
    subjects: Sequence[str],
    registry: Registry | None,
    *,
    quiet: bool,
    machine: Machine | None = None,
    links: Any = "",
) -> tuple[Run, tuple[str, ...]]:
    """Return the run of a folder and the subjects asked about, by default all of the run."""
    registry = registry or Registry.installed()
    run = pipeline.reopen(path, registry, quiet=quiet, machine=machine, links=links)
    if not subjects:
        return run, run.config.subjects
    chosen = pipeline.match_subjects(subjects, run.dataset)
    for label in chosen:
        if label not in run.config.subjects:
            raise ConfigError(
                f"--sub {label}: {path} is a run of {listing(run.config.subjects)}. Decode the "
                "subject too, or leave --sub out."
            )
    return run, chosen


def to_fit(
    registry: Registry | None,
    *,
    dataset: str,
    subjects: Sequence[str],
    root: str,
    recipe: str,
    out: Path | None,
    quiet: bool,
    machine: Machine | None = None,
    links: Any = "",
) -> tuple[Run, tuple[str, ...]]:
    """Return a new or continued run; `fitted` does what is left to do.

    Everything that can go wrong is looked at first, as ``decode`` does.
    """
    registry = registry or Registry.installed()
    if not subjects:
        raise ConfigError("--sub: name a subject to fit. Repeat the option for several.")
    allowed: Any = links or "inside"
    config = resolve(
        registry,
        dataset=dataset,
        subjects=subjects,
        recipe=recipe or default_recipe(registry, dataset, root=root, links=allowed).recipe,
        root=root,
        links=allowed,
    )
    config, data = pipeline.open_subjects(config, registry)
    place = out or pipeline.default_out(config)
    run = Run(place, config, registry, data, quiet, machine or Machine())
    plan_of(run)
    return run, config.subjects


def fitted(run: Run) -> None:
    """Do the steps up to the fit that are not done yet; ``decode`` goes on from there."""
    pipeline.execute(run, until="fit")


def said_kinds(said: Sequence[str], features: Iterable[str]) -> dict[str, str]:
    """Return for each feature what ``--reference-as FEATURE=KIND`` says of it, or nothing."""
    kinds = dict.fromkeys(features, "")
    for text in said:
        feature, equals, kind = text.partition("=")
        if not equals or feature not in kinds:
            raise ConfigError(
                f"--reference-as {text}: write FEATURE=KIND.{near(feature, kinds)} Features: "
                f"{listing(kinds)}."
            )
        kinds[feature] = kind
    return kinds
