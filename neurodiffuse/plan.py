"""What a run will do, told and checked before anything is computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from neurodiffuse.config import STEPS
from neurodiffuse.config.ridge import RIDGE
from neurodiffuse.errors import DataError
from neurodiffuse.readers.reach import check_files, files_of
from neurodiffuse.run import Run
from neurodiffuse.types import Download, Role, Sizes, Stimuli, Subject


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

    ``decoders`` say where they work where that is not the CPU, or was to be something else.
    """

    subjects: tuple[SubjectPlan, ...]
    targets: dict[str, int]
    steps: tuple[tuple[str, str, bool], ...]
    downloads: tuple[tuple[str, Download], ...]
    disk: int
    memory: dict[str, int]
    decoders: Mapping[str, str] = field(default_factory=dict)


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
    downloads, decoders = tuple(downloads_of(run)), _decoders(run, subjects)
    return Plan(subjects, targets, steps, downloads, disk, memory, decoders)


def _memory(run: Run, subjects: Collection[SubjectPlan]) -> dict[str, int]:
    """Return what each step needs, of the subject that needs most, if it is within the budget."""
    from neurodiffuse import budget  # numpy is not needed to read a command line

    each = [needed_of(run, s.label, s.voxels) for s in subjects]
    most = {step: max(needed[step] for needed in each) for step in each[0]}
    budget.check(run, most)
    return most


def _decoders(run: Run, subjects: Collection[SubjectPlan]) -> dict[str, str]:
    """Return where decoders work and what they need there, of the subject that needs most."""
    single, predict = run.config.mask.repetitions == "single", run.config.predict
    trials = {s.label: run.subject(s.label).trials for s in subjects}
    rows = {
        s.label: trials[s.label].split.count("train") if single else s.train_images
        for s in subjects
    }
    most = max(subjects, key=lambda s: min(s.voxels, rows[s.label]))
    n = rows[most.label]
    sizes = Sizes(
        rows=n,
        patterns=most.test_images,
        voxels=most.voxels,
        targets={},
        left_out=min(predict.calibration, n) if predict.rescale == "train" else 0,
    )
    found = {name or RIDGE: one.where(sizes) for name, (one, _) in run.decoders().items()}
    return {name: where for name, where in found.items() if where}


def needed_of(run: Run, label: str, voxels: int) -> dict[str, int]:
    """Return the bytes that each step of a subject needs in one process."""
    from neurodiffuse import budget

    memory = run.machine.executor.share(run.machine.memory)
    return budget.peaks(budget.counts_of(run, label, voxels), memory)


def _plan_subject(run: Run, label: str) -> SubjectPlan:
    about = run.subject(label)
    _check_split(about)
    expression = run.config.mask.select or about.mask
    voxels = run.mask(label)
    ids = (*about.trials.images("train"), *about.trials.images("test"))
    stimuli = run.dataset.stimuli(ids)
    check_files(files_of(run.dataset, label, (roi.name for roi in about.rois)))
    check_files(getattr(stimuli.images, "paths", ()))
    for feature, part in run.config.features.items():
        for key, own in part.regions():
            if not (run.select(label, own, f"features.{feature}.{key}") & voxels).any():
                raise DataError(
                    f"features.{feature}.{key} {own!r}: none of its voxels of sub-{label} is in "
                    f"the mask {expression!r}. Widen --mask, or choose another region."
                )
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
        trials.total("train"),
        len(trials.images("test")),
        trials.total("test"),
    )


def _check_split(about: Subject) -> None:
    train, test = about.trials.images("train"), about.trials.images("test")
    both = set(train) & set(test)
    who = f"sub-{about.label}"
    check = f"Check {' and '.join(('the split of the data set', *about.chosen_by))}."
    if both:
        raise DataError(
            f"{who}: {len(both)} images are in training and test at once, such as "
            f"{min(both)}; a test image must not be trained on."
        )
    if len(train) < 2:
        have = "no training images" if not train else "one training image only"
        raise DataError(f"{who}: {have}; at least 2 are needed to fit. {check}")
    if len(test) < 2:
        have = "no test images" if not test else "one test image only"
        raise DataError(
            f"{who}: {have}; at least 2 are needed, since identification tells a picture from "
            f"others. {check}"
        )


def _check_captions(stimuli: Stimuli, about: Subject, feature: str, remedy: str) -> None:
    without = [i for i, c in zip(stimuli.ids, stimuli.captions, strict=True) if not any(c)]
    if without:
        raise DataError(
            f"features.{feature}: reads captions, and {len(without)} of {len(stimuli)} stimuli of "
            f"sub-{about.label} have none, such as {without[0]}. {remedy} or choose a recipe "
            "without text."
        )


def downloads_of(run: Run, steps: Collection[str] = STEPS) -> list[tuple[str, Download]]:
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


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
