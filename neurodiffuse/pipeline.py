"""The road from a data set to a report: plan it, check it, walk it.

`open_subjects` and `plan_of` look at everything that can go wrong before anything is computed;
`execute` runs the steps that are not done yet.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import cast

from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError, listing, near
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, said_clearly, say, stored_config
from neurodiffuse.types import Dataset, Download, Role, Stimuli, Subject
from neurodiffuse.work import WHOLE, Site, spread


@dataclass(frozen=True)
class SubjectPlan:
    """What will be decoded for one subject; counts of images, trials and voxels."""

    label: str
    mask: str
    voxels: int
    train_images: int
    train_trials: int
    test_images: int
    test_trials: int


@dataclass(frozen=True)
class Plan:
    """What a run will compute, fetch and write; ``disk``, and each step's ``memory``, in bytes.

    ``ridge`` says what computes it where that is not BLAS, or was to be something else.
    """

    subjects: tuple[SubjectPlan, ...]
    targets: dict[str, int]
    steps: tuple[tuple[str, str, bool], ...]
    downloads: tuple[tuple[str, Download], ...]
    disk: int
    memory: dict[str, int]
    ridge: str = ""


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


def plan_of(run: Run) -> Plan:
    """Check every subject against the recipe and return what will be done.

    Raises
    ------
    DataError
        If there are too few images, captions that the recipe needs are missing, an image is on
        both sides of the split, or the mask is empty.
    ConfigError
        If an ROI expression cannot be read.
    RunError
        If a step would need more memory than the machine settings allow.
    """
    subjects = tuple(_plan_subject(run, label) for label in run.config.subjects)
    targets = {}
    for feature in run.config.features:
        shapes = run.encoder(feature).shapes()
        targets[feature] = sum(_size(shape) for shape in shapes)
    value = {"float32": 4, "float16": 2}[run.config.encode.dtype]
    row = sum(s.test_images * 4 + (s.train_images + s.test_images) * value for s in subjects)
    disk = row * sum(targets.values())
    disk += sum(4 * s.voxels * (s.train_images + s.test_images) for s in subjects)
    steps = tuple(
        (step, label, run.folder(step, label).exists())
        for label in run.config.subjects
        for step in STEPS[:-1]
    )
    memory = _memory(run, subjects)
    downloads, ridge = tuple(_downloads(run)), _ridge(run, subjects)
    return Plan(subjects, targets, steps, downloads, disk, memory, ridge)


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


def _memory(run: Run, subjects: Collection[SubjectPlan]) -> dict[str, int]:
    """Return what each step needs, of the subject that needs most, if it is within the budget."""
    from neurodiffuse import budget  # numpy is not needed to read a command line

    each = [_needed(run, s.label, s.voxels) for s in subjects]
    most = {step: max(needed[step] for needed in each) for step in each[0]}
    budget.check(run, most)
    return most


def _ridge(run: Run, subjects: Collection[SubjectPlan]) -> str:
    """Return what ridge is computed on and needs there, of the subject that needs most."""
    device, algebra = run.machine.device, run.machine.algebra(run.registry)
    if algebra is None:
        named = device not in ("auto", "cpu")
        return f"on the CPU: no plugin offers ridge on {device!r}" if named else ""
    single, predict = run.config.mask.repetitions == "single", run.config.predict
    rows = {s.label: s.train_trials if single else s.train_images for s in subjects}
    most = max(subjects, key=lambda s: min(s.voxels, rows[s.label]))
    n = rows[most.label]
    held_out = min(predict.calibration, n) if predict.rescale == "train" else 0
    return str(algebra.plan(min(most.voxels, n), n, most.test_images + held_out))


def _needed(run: Run, label: str, voxels: int) -> dict[str, int]:
    from neurodiffuse import budget

    memory = run.machine.executor.share(run.machine.memory)
    return budget.peaks(budget.counts_of(run, label, voxels), memory)


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
    return all(_needed(run, s, int(voxels[s].sum()))[step] <= share for s in labels)


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


def _plan_subject(run: Run, label: str) -> SubjectPlan:
    about = run.subject(label)
    _check_split(about)
    expression = run.config.mask.select or about.mask
    voxels = run.select(label, expression)
    ids = (*about.trials.images("train"), *about.trials.images("test"))
    stimuli = run.dataset.stimuli(ids)
    for feature, part in run.config.features.items():
        for own in (part.roi, *part.bands):
            if own:
                run.select(label, own)
        reads = run.registry.card("encoder", part.encoder).reads
        if "captions" in reads:
            remedy = run.dataset.about().get("captions", "Add captions to the data set")
            _check_captions(stimuli, about, feature, remedy)
    trials = about.trials
    return SubjectPlan(
        label,
        expression,
        int(voxels.sum()),
        len(trials.images("train")),
        trials.split.count("train"),
        len(trials.images("test")),
        trials.split.count("test"),
    )


def _check_split(about: Subject) -> None:
    train, test = about.trials.images("train"), about.trials.images("test")
    both = set(train) & set(test)
    who = f"sub-{about.label}"
    if both:
        raise DataError(
            f"{who}: {len(both)} images are in training and test at once, such as "
            f"{min(both)}; a test image must not be trained on."
        )
    if len(train) < 2:
        raise DataError(f"{who}: {len(train)} training images; at least 2 are needed.")
    if len(test) < 2:
        have = "no test images" if not test else "one test image only"
        raise DataError(
            f"{who}: {have}; at least 2 are needed, since identification tells a picture from "
            "others. Check the split of the data set."
        )


def _check_captions(stimuli: Stimuli, about: Subject, feature: str, remedy: str) -> None:
    without = [i for i, c in zip(stimuli.ids, stimuli.captions, strict=True) if not any(c)]
    if without:
        raise DataError(
            f"features.{feature}: reads captions, and {len(without)} of {len(stimuli)} stimuli of "
            f"sub-{about.label} have none, such as {without[0]}. {remedy} or choose a recipe "
            "without text."
        )


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


def _downloads(run: Run, steps: Collection[str] = STEPS) -> list[tuple[str, Download]]:
    """Return what these steps would fetch, and the part of the recipe that needs it."""
    parts: list[tuple[str, Role]] = []
    if "encode" in steps:
        parts += [(f"features.{f}", run.encoder(f)) for f in run.config.features]
    if "generate" in steps:
        parts += [(f"stages.{s}", run.generator(s)) for s in run.config.stages]
    if "score" in steps:
        parts += [(f"metrics.{m}", run.metric(m)) for m in run.config.metrics]
    found = {d: where for where, part in reversed(parts) for d in part.downloads()}
    return [(where, d) for d, where in found.items()]


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
    lacking = [(where, d) for where, d in _downloads(run, ahead) if d.address in names]
    if lacking:
        where, first = lacking[0]
        models = dict.fromkeys(names[d.address] for _, d in lacking)
        raise MissingDataError(
            f"{where}: {first.address} is not on this machine ({len(lacking)} files are missing). "
            f"Fetch them first: neurodiffuse models fetch {' '.join(models)}"
        )


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
