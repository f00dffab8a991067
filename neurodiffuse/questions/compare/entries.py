"""What is compared: runs, ablations of runs, folders of somebody else's pictures."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from neurodiffuse import pipeline
from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError, listing
from neurodiffuse.files import read_json, write_json
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.arms import Arm
from neurodiffuse.questions.branches import branch, check_finished, grow
from neurodiffuse.questions.score.folders import listed, named
from neurodiffuse.readers.pictures import read_picture
from neurodiffuse.run import Run, changes
from neurodiffuse.store import labels, save_image


def opened_arms(
    path: Path, registry: Registry, *, quiet: bool = False, machine: Machine | None = None
) -> list[Arm]:
    """Return the arm of a run, or the arms of an ablation (``RUN/ablate/DIGEST``).

    Raises
    ------
    RunError
        If it is neither, or not finished.
    """
    if path.parent.name == "ablate" and (path / "question.json").exists():
        run = _finished(path.parents[1], registry, quiet, machine)
        return _ablation(run, path)
    run = _finished(path, registry, quiet, machine)
    about = run.dataset.about().get("name", run.config.dataset)
    return [Arm(path.resolve().name, f"{run.config.name} on {about}.", run)]


def pictures_of(run: Run, name: str, folder: Path) -> Arm:
    """Return somebody else's pictures of a run's test images, scored as the run is.

    Files are read as ``neurodiffuse score`` reads them and matched by the stimulus's id or label,
    or by number, ``0`` being the first test image. With several subjects the folder holds
    ``sub-LABEL`` folders.

    Raises
    ------
    DataError
        If pictures are missing, damaged or of different sizes.
    """
    last = list(run.config.stages)[-1]
    stage = dataclasses.replace(run.config.stages[last], init="", samples=1)
    config = dataclasses.replace(run.config, stages={last: stage})
    files = {s: matched(_folder_of(run, folder, s), _ids(run, s)) for s in run.config.subjects}
    said = {
        s: [[str(f.resolve()), f.stat().st_size, f.stat().st_mtime_ns] for f in those]
        for s, those in files.items()
    }
    one = branch(run, name, ("generate", "score"), config=config, said=said)
    grow(one, {"generate": partial(_take_over, files=files)})
    return Arm(name, f"Pictures of the folder {folder.name}, scored as {run.path.name} is.", one)


def matched(folder: Path, ids: Sequence[str]) -> list[Path]:
    """Return the picture file of each test image.

    Raises
    ------
    DataError
        With what is missing, and how files are matched.
    """
    if not folder.is_dir():
        raise MissingDataError(f"--pictures: {folder} is no folder.")
    files = named(listed(folder), folder)
    numbered = [str(k) for k in range(len(ids))]
    composed = [unicodedata.normalize("NFC", image) for image in ids]
    ways = [composed, list(labels(ids)), numbered]
    for names in ways:
        if all(name in files for name in names):
            return [files[name] for name in names]
    best = max(ways, key=lambda names: sum(name in files for name in names))
    missing = [name for name in best if name not in files]
    raise DataError(
        f"--pictures: {folder} has {len(files)} pictures, and none for {len(missing)} of "
        f"{len(ids)} test images, such as {missing[0]}. Name them by stimulus, such as "
        f"{labels(ids)[0]}.png, or number them from 0 in the order of the test set."
    )


def named_folder(text: str) -> tuple[str, Path]:
    """Return the name and the folder of ``NAME=DIR``."""
    name, equals, folder = text.partition("=")
    if not equals or not name.strip() or not folder.strip():
        raise ConfigError(f"--pictures {text!r}: write NAME=DIR, such as MindEye=recons/mindeye.")
    return name.strip(), Path(folder.strip()).expanduser()


def distinct(arms: Sequence[Arm]) -> list[Arm]:
    """Return the arms, those of equal names numbered."""
    out: list[Arm] = []
    for arm in arms:
        name, again = arm.name, 2
        while any(name == other.name for other in out):
            name, again = f"{arm.name} {again}", again + 1
        out.append(dataclasses.replace(arm, name=name))
    return out


def _finished(path: Path, registry: Registry, quiet: bool, machine: Machine | None) -> Run:
    run = pipeline.reopen(path, registry, quiet=quiet, machine=machine)
    check_finished(run)
    changes.check(run, keep=False)
    return run


def _ablation(run: Run, path: Path) -> list[Arm]:
    """Return the arms of an ablation; its branches hold their pictures and scores."""
    out, said = [], read_json(path / "question.json")
    for (name, step, stage, config), folder in zip(said["variants"], said["branches"], strict=True):
        one = run
        if step:
            own = STEPS[STEPS.index(step) : -1]
            one = branch(run, name, own, config=Config.from_dict(config))
            # another version would give it another name, and these pictures are what is meant
            one = dataclasses.replace(one, path=run.path / "branches" / folder)
        out.append(Arm(f"{run.path.resolve().name}: {name}", "", one, stage=stage))
    for arm in out:
        if not all(arm.run.folder("score", s).exists() for s in run.config.subjects):
            raise RunError(
                f"{path}: the pictures of {arm.name!r} are gone. Ask again: neurodiffuse ablate "
                f"--run {run.path}."
            )
    return out


def _ids(run: Run, subject: str) -> tuple[str, ...]:
    return run.subject(subject).trials.images("test")


def _folder_of(run: Run, folder: Path, subject: str) -> Path:
    inside = folder / f"sub-{subject}"
    if inside.is_dir():
        return inside
    if len(run.config.subjects) > 1:
        raise ConfigError(
            f"--pictures: {folder} has no folder sub-{subject}, and the run has the subjects "
            f"{listing(run.config.subjects)}: put each subject's pictures into sub-LABEL."
        )
    return folder


def _take_over(run: Run, subject: str, files: dict[str, list[Path]]) -> None:
    """Write the pictures as the generate step writes its own."""
    names = labels(_ids(run, subject))
    stage = list(run.config.stages)[-1]
    size = None
    with run.writing(run.folder("generate", subject)) as folder:
        place = folder / "decoded" / stage
        place.mkdir(parents=True)
        for name, file in zip(names, files[subject], strict=True):
            values = read_picture(file)
            size = size or values.shape
            if values.shape != size:
                raise DataError(
                    f"--pictures: {file} is {values.shape[1]} x {values.shape[0]} pixels, others "
                    f"are {size[1]} x {size[0]}; they must be equal."
                )
            save_image(place / f"{name}.png", values)
        write_json(
            folder / "files.json", {n: f.name for n, f in zip(names, files[subject], strict=True)}
        )
