"""The road from a data set to a report: plan it, check it, walk it.

`open_subjects` and `neurodiffuse.plan.plan_of` look at everything that can go wrong before
anything is computed; `execute` runs the steps that are not done yet.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import cast

from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError, listing, near
from neurodiffuse.files import said_clearly
from neurodiffuse.machine import Machine
from neurodiffuse.names import wrong_with
from neurodiffuse.plan import downloads_of, needed_of
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress, say
from neurodiffuse.run import Run, stored_config
from neurodiffuse.types import Dataset
from neurodiffuse.work import WHOLE, Site, spread


def default_recipe(registry: Registry, dataset: str) -> str:
    """Return the method for a data set when none is named: the best that is installed."""
    order = ("brain-diffuser", "demo", "pixels") if dataset == "nsd" else ("demo", "pixels")
    installed = [card.name for card in registry.cards("recipe")]
    for name in order:
        if name in installed:
            return name
    raise ConfigError(
        f"--recipe: none of {listing(order)} is installed; name one of: {listing(installed)}."
    )


def default_out(config: Config) -> Path:
    """Return the run folder of a command that names none."""
    return Path("runs") / f"{config.dataset}-{config.name}-sub-{'+'.join(config.subjects)}"


def latest_run(folder: Path = Path("runs")) -> Path:
    """Return the run that was decoded last in a folder, for questions that name none.

    Raises
    ------
    RunError
        If there is none.
    """
    found = [p.parent for p in folder.glob("*/report.html")]
    if not found:
        raise RunError(
            f"--run: there is no decoded run in {folder}. Name one with --run DIR, or decode "
            "first: neurodiffuse decode --dataset NAME --sub ID."
        )
    return max(found, key=lambda p: (p / "report.html").stat().st_mtime_ns)


def match_subjects(wanted: Sequence[str], dataset: Dataset) -> tuple[str, ...]:
    """Return the data set's labels for what the user wrote: ``1``, ``01`` and ``sub-01`` agree.

    Raises
    ------
    MissingDataError
        With the subjects that exist.
    """
    known = dataset.subjects()
    found = []
    for word in wanted:
        label = word.removeprefix("sub-")
        same = [k for k in known if k == label] or [
            k for k in known if k.lstrip("0") == label.lstrip("0") and label.lstrip("0")
        ]
        if len(same) != 1:
            raise MissingDataError(
                f"--sub {word!r}: no such subject.{near(label, known)} Subjects: {listing(known)}."
            )
        if wrong := wrong_with(same[0]):
            raise DataError(f"--dataset: a subject's label: {wrong}")
        found.append(same[0])
    return tuple(dict.fromkeys(found))


def open_subjects(config: Config, registry: Registry) -> tuple[Config, Dataset]:
    """Open the data set and return the configuration with the subjects' own labels."""
    cls = registry.load(registry.card("dataset", config.dataset))
    dataset: Dataset = cls(**config.dataset_options)
    return replace(config, subjects=match_subjects(config.subjects, dataset)), dataset


def reopen(
    path: Path, registry: Registry, *, quiet: bool = False, machine: Machine | None = None
) -> Run:
    """Return the run of an existing folder, to ask other questions of its fitted maps.

    Raises
    ------
    RunError
        If it is not a run folder, or was made by another version's settings.
    """
    stored = stored_config(path)
    try:
        config = Config.from_dict(stored)
    except (KeyError, TypeError) as error:
        raise RunError(
            f"{path / 'config.toml'}: not settings of this version of neurodiffuse ({error}). "
            "Decode again into another --out."
        ) from error
    cls = registry.load(registry.card("dataset", config.dataset))
    dataset = cls(**config.dataset_options)
    return Run(path, config, registry, dataset, quiet, machine or Machine())


def execute(run: Run, *, until: str = "report") -> None:
    """Run every step that is not done yet, then the report.

    Subjects follow one another in this process. Where work is spread they take each step together,
    and the steps that are not cut into tasks, mask and fit, are a task of each subject.

    ``until`` names the last step that is wanted.

    Raises
    ------
    MissingDataError
        Before anything is computed, if weights that these steps need are not there.
    """
    _require_weights(run, until)
    (run.path / "logs").mkdir(exist_ok=True)
    run.machine.executor.note(run.path / "logs")
    subjects = run.config.subjects
    for labels in [subjects] if run.machine.executor.apart else [(one,) for one in subjects]:
        for label in labels:
            _check_input(run, label)
            if not run.folder("encode", label).exists():
                _read_every_image(run, label)
        for step in STEPS[: STEPS.index(until) + 1]:
            if step != "report":
                _take(run, step, [s for s in labels if not run.folder(step, s).exists()])
    if until == "report" and not (run.path / "report.html").exists():
        _timed(run, "report", "")


def _check_input(run: Run, label: str) -> None:
    """Refuse to go on with betas or trials that are not those the run began with."""
    noted = run.folder("mask", label) / "input.txt"
    if noted.exists() and noted.read_text().strip() != run.dataset.fingerprint(label):
        raise RunError(
            f"{run.path}: the data set's betas or events of sub-{label} have changed since this "
            "run began. Choose another --out, or compute everything again: --from mask."
        )


def _take(run: Run, step: str, labels: Sequence[str]) -> None:
    """Do a step of some subjects, at once where it is not cut into tasks itself."""
    if step not in WHOLE or len(labels) < 2 or not _fits_beside(run, step, labels):
        for label in labels:
            _timed(run, step, label)
        return
    work = spread(run, take_one, [(step, label) for label in labels], step)
    with said_clearly(run.path):
        for number, (seconds, host) in work:
            _note(run, step, labels[number], seconds, host)


def take_one(site: Site, step: str, label: str) -> tuple[float, str]:
    """Do a step of one subject; return its seconds and the machine that did it."""
    start = time.perf_counter()
    _function(step)(site.run, label)
    return time.perf_counter() - start, platform.node()


def _fits_beside(run: Run, step: str, labels: Sequence[str]) -> bool:
    """Return whether a step stays within a worker's part of the budget, of each subject."""
    share = run.machine.executor.share(run.machine.memory)
    if share is None:
        return True
    voxels = {s: run.select(s, run.config.mask.select or run.subject(s).mask) for s in labels}
    return all(needed_of(run, s, int(voxels[s].sum()))[step] <= share for s in labels)


def _timed(run: Run, step: str, label: str) -> None:
    start = time.perf_counter()
    with said_clearly(run.path):
        _function(step)(run, label) if label else _function(step)(run)
        _note(run, step, label, time.perf_counter() - start, platform.node())


def _function(step: str) -> Callable[..., None]:
    return cast("Callable[..., None]", getattr(import_module(f"neurodiffuse.steps.{step}"), step))


def _note(run: Run, step: str, label: str, seconds: float, host: str) -> None:
    run.log_step(step, label or "all", seconds, host)
    who = f"sub-{label} " if label else ""
    say(f"{who}{step}: done in {seconds:.1f} s", quiet=run.quiet)


def _read_every_image(run: Run, label: str) -> None:
    """Load each stimulus once, so that a damaged file is told before anything is written.

    What the images hold is noted for the encode step, which names latents by it.
    """
    from neurodiffuse.store import content  # brings numpy, which a command's help does without

    trials = run.subject(label).trials
    stimuli = run.dataset.stimuli((*trials.images("train"), *trials.images("test")))
    for k in progress(range(len(stimuli)), f"sub-{label} checking images", quiet=run.quiet):
        image = stimuli.images[k]
        if image.ndim != 3 or image.shape[2] != 3 or str(image.dtype) != "uint8":
            raise DataError(
                f"stimulus {stimuli.ids[k]}: {image.dtype} of shape {image.shape} where uint8 "
                "(height, width, 3) is needed; the data set plugin returned it."
            )
        run.contents[stimuli.ids[k]] = content(image)


def _require_weights(run: Run, until: str) -> None:
    """Refuse to begin hours of work that would end for want of published weights.

    Only of those that `neurodiffuse models fetch` knows: a plugin may fetch others itself.
    """
    ahead = {
        step
        for step in STEPS[: STEPS.index(until) + 1]
        if any(not run.folder(step, label).exists() for label in run.config.subjects)
    }
    names = {file.address: model.name for model in run.registry.models() for file in model.files}
    lacking = [(where, d) for where, d in downloads_of(run, ahead) if d.address in names]
    if lacking:
        where, first = lacking[0]
        models = dict.fromkeys(names[d.address] for _, d in lacking)
        raise MissingDataError(
            f"{where}: {first.address} is not on this machine ({len(lacking)} files are missing). "
            f"Fetch them first: neurodiffuse models fetch {' '.join(models)}"
        )
