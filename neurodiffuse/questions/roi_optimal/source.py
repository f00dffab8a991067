"""Where the fitted maps come from: a run folder, or steps that are done first."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import ConfigError, listing, near
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, said_clearly, say
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask

RECIPES = ("demo", "pixels")
"""Methods that are tried in this order when none is named; for NSD the paper's goes first."""


def of_folder(
    path: Path, subjects: Sequence[str], registry: Registry | None, *, quiet: bool
) -> tuple[Run, tuple[str, ...]]:
    """Return the run of a folder and the subjects asked about, by default all of the run."""
    run = pipeline.reopen(path, registry or Registry.installed(), quiet=quiet)
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
) -> tuple[Run, tuple[str, ...]]:
    """Return a new or continued run; `fitted` does what is left to do.

    Everything that can go wrong is looked at first, as ``decode`` does.
    """
    registry = registry or Registry.installed()
    if not subjects:
        raise ConfigError("--sub: name a subject to fit. Repeat the option for several.")
    config = resolve(
        registry,
        dataset=dataset,
        subjects=subjects,
        recipe=recipe or _default_recipe(registry, dataset),
        root=root,
    )
    config, data = pipeline.open_subjects(config, registry)
    folder = f"{config.dataset}-{config.name}-sub-{'+'.join(config.subjects)}"
    run = Run(out or Path("runs") / folder, config, registry, data, quiet)
    pipeline.plan_of(run)
    return run, config.subjects


def fitted(run: Run) -> None:
    """Do the steps up to the fit that are not done yet; ``decode`` goes on from there."""
    for label in run.config.subjects:
        for step in (mask, encode, fit):
            if run.folder(step.__name__, label).exists():
                continue
            start = time.perf_counter()
            with said_clearly(run.path):
                step(run, label)
            seconds = time.perf_counter() - start
            run.log_step(step.__name__, label, seconds)
            say(f"sub-{label} {step.__name__}: done in {seconds:.1f} s", quiet=run.quiet)


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


def _default_recipe(registry: Registry, dataset: str) -> str:
    installed = [card.name for card in registry.cards("recipe")]
    for name in (*(("brain-diffuser",) if dataset == "nsd" else ()), *RECIPES):
        if name in installed:
            return name
    raise ConfigError(f"--recipe: name one of: {listing(installed)}.")
