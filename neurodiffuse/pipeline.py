"""The road from a data set to a report: plan it, check it, walk it.

`open_subjects` and `neurodiffuse.plan.plan_of` look at everything that can go wrong before
anything is computed; `execute` runs the steps that are not done yet.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal, cast

from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError, listing, near
from neurodiffuse.files import said_clearly
from neurodiffuse.machine import Machine
from neurodiffuse.names import wrong_with
from neurodiffuse.plan import downloads_of, needed_of
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress, say
from neurodiffuse.run import (
    Run,
    changes,
    copies,
    inputs,
    made_by,
    remarks_on_betas,
    software,
    stored_config,
)
from neurodiffuse.types import Dataset
from neurodiffuse.work import WHOLE, Site, spread

SAME = "The same bytes as of a run in one go are promised with the same software only."


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
    dataset = registry.dataset(config.dataset, config.dataset_options, config.links)
    return replace(config, subjects=match_subjects(config.subjects, dataset)), dataset


def reopen(
    path: Path,
    registry: Registry,
    *,
    quiet: bool = False,
    machine: Machine | None = None,
    links: Literal["", "inside", "any"] = "",
) -> Run:
    """Return the run of an existing folder, to ask other questions of its fitted maps.

    Links may lead as far as they might when it was made, unless ``links`` says otherwise.

    Raises
    ------
    RunError
        If it is not a run folder, or was made by another version's settings.
    """
    stored = stored_config(path)
    try:
        config = Config.from_dict(stored)
    except ConfigError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise RunError(
            f"{path / 'config.toml'}: not settings of this version of neurodiffuse ({error}). "
            f"{made_by(path)}Decode again into another --out, or install that version."
        ) from error
    root = config.dataset_options.get("root")
    if root and not Path(root).exists():
        raise RunError(
            f"{path}: the data set of this run is not in {root} any more. If it was moved, give "
            "the decode command of the run again with --root and its new folder; nothing is "
            "computed again then."
        )
    config = replace(config, links=links or config.links)
    dataset = registry.dataset(config.dataset, config.dataset_options, config.links)
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
    _require_weights(run, _ahead(run, STEPS[: STEPS.index(until) + 1]))
    (run.path / "logs").mkdir(exist_ok=True)
    run.machine.executor.note(run.path / "logs")
    if other := _other_software(run, until):
        say(other, quiet=run.quiet)
    subjects = run.config.subjects
    steps = [step for step in STEPS[: STEPS.index(until) + 1] if step != "report"]
    for label in subjects:  # trials are known already: from now on nothing may change
        for step in _to_read(run, label, steps):
            inputs.begin(run, label, step)
    for labels in [subjects] if run.machine.executor.apart else [(one,) for one in subjects]:
        for label in labels:
            if not run.folder("encode", label).exists():
                _read_every_image(run, label)
        for step in steps:
            if todo := [s for s in labels if not run.folder(step, s).exists()]:
                for label in todo:
                    inputs.check_begun(run, label, _to_read(run, label, steps))
                    changes.check(run, [label], quick=True)
                _take(run, step, todo)
    if until == "report" and not _is_reported(run):
        _timed(run, "report", "")


def _other_software(run: Run, until: str) -> str:
    """Return in words what goes on with other software than what was done with, if any does."""
    ahead = _ahead(run, STEPS[: STEPS.index(until) + 1]) - {"report"}
    found = software.differences(run, software.used(run)) if ahead else []
    return f"note: {'; '.join(found)}. {SAME}" if found else ""


def _to_read(run: Run, label: str, steps: Sequence[str]) -> list[str]:
    """Return the steps that are not done yet and read the data set."""
    return [s for s in steps if s in inputs.NOTED and not run.folder(s, label).exists()]


def _is_reported(run: Run) -> bool:
    """Return whether there is a report of what the data set holds now besides what steps read."""
    if not (run.path / "report.html").exists():
        return False
    for label in run.config.subjects:
        if found := changes.differences(run, label, ("report",)):
            say(f"report: made again, since {found[0].path} {found[0].what}", quiet=run.quiet)
            return False
    return True


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
    return all(needed_of(run, s, int(run.mask(s).sum()))[step] <= share for s in labels)


def _timed(run: Run, step: str, label: str) -> None:
    start = time.perf_counter()
    with said_clearly(run.path):
        _function(step)(run, label) if label else _function(step)(run)
        _note(run, step, label, time.perf_counter() - start, platform.node())


def _function(step: str) -> Callable[..., None]:
    return cast("Callable[..., None]", getattr(import_module(f"neurodiffuse.steps.{step}"), step))


def _note(run: Run, step: str, label: str, seconds: float, host: str) -> None:
    run.log_step(step, label or "all", seconds, host)
    if label:
        software.note(run, step, f"sub-{label}")
    who = f"sub-{label} " if label else ""
    say(f"{who}{step}: done in {seconds:.1f} s", quiet=run.quiet)
    if step == "mask":
        for remark in remarks_on_betas(run, label):
            say(f"warning: sub-{label}: {remark.text}")


def check_again(run: Run, start_from: str) -> None:
    """Refuse to remove the results of a step and of later ones that could not be made again.

    Raises
    ------
    MissingDataError
        If weights that these steps need are not there.
    DataError
        If an image cannot be read.
    """
    again = STEPS[STEPS.index(start_from) :]
    _require_weights(run, {*again, *_ahead(run, STEPS)})
    for label in run.config.subjects if "encode" in again else ():
        _read_every_image(replace(run, contents={}), label)


def _ahead(run: Run, steps: Iterable[str]) -> set[str]:
    """Return which steps are not done for every subject."""
    return {s for s in steps if any(not run.folder(s, one).exists() for one in run.config.subjects)}


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
    for remark in copies.note(run, label):
        if remark.kind == "warning":
            say(f"warning: sub-{label}: {remark.text}", quiet=run.quiet)


def _require_weights(run: Run, ahead: Collection[str]) -> None:
    """Refuse to begin hours of work that would end for want of published weights.

    Only of those that `neurodiffuse models fetch` knows: a plugin may fetch others itself.
    """
    names = {file.address: model.name for model in run.registry.models() for file in model.files}
    lacking = [(where, d) for where, d in downloads_of(run, ahead) if d.address in names]
    if lacking:
        where, first = lacking[0]
        models = dict.fromkeys(names[d.address] for _, d in lacking)
        raise MissingDataError(
            f"{where}: {first.address} is not on this machine ({len(lacking)} files are missing). "
            f"Fetch them first: neurodiffuse models fetch {' '.join(models)}"
        )
