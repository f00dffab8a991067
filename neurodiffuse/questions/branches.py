"""Branches of a run: what is computed again when a question changes one thing of it.

A branch shares with its run every step that the change does not touch. It lies in
``RUN/branches/NAME-DIGEST``, the digest being of all that its results depend on, so that
questions share branches and nothing is computed twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from neurodiffuse import __version__, budget
from neurodiffuse.config import STEPS, Config
from neurodiffuse.errors import RunError
from neurodiffuse.files import remove_folder, said_clearly
from neurodiffuse.progress import say
from neurodiffuse.report.wording import anchor
from neurodiffuse.run import Run, changes, inputs

Step = Callable[[Run, str], None]


def branch(
    run: Run,
    name: str,
    own: Sequence[str],
    *,
    config: Config | None = None,
    said: Any = None,
) -> Run:
    """Return a branch of a run; `grow` computes it.

    Parameters
    ----------
    run
        The run it shares the other steps with.
    name
        For its folder.
    own
        The steps that the change touches.
    config
        Its settings, where they differ. A branch never paints from true latents.
    said
        What its results depend on besides the settings, as JSON can hold it.
    """
    config = config or run.config
    config = dataclasses.replace(config, score=dataclasses.replace(config.score, oracle=False))
    text = json.dumps([__version__, config.to_dict(), list(own), said], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:10]
    return dataclasses.replace(
        run,
        path=run.path / "branches" / f"{anchor(name)[:40]}-{digest}",
        config=config,
        trunk=run,
        own=tuple(own),
    )


def grow(run: Run, instead: Mapping[str, Step] | None = None) -> None:
    """Do the steps of a branch that are not done yet; ``instead`` has other ways to do some."""
    for subject in run.config.subjects:
        _remove_changed(run, subject)
        for step in STEPS[:-1]:
            if step in run.own and not run.folder(step, subject).exists():
                other = (instead or {}).get(step)
                if step == "generate" and not other and "predict" not in run.own:
                    _share_pictures(run, subject)
                _do(run, step, subject, other)


def _remove_changed(run: Run, subject: str) -> None:
    """Remove what a branch has computed from files that have changed since, such as a region."""
    for one in changes.differences(run, subject, [s for s in inputs.NOTED if s in run.own])[:1]:
        say(f"{run.path.name}: again, since {one.path} {one.what}", quiet=run.quiet)
        for later in STEPS[STEPS.index(one.step) :]:
            if later in run.own:
                remove_folder(run.folder(later, subject))


def _share_pictures(run: Run, subject: str) -> None:
    """Hand the trunk's pictures of stages that do not change to the generate step.

    It keeps what it finds in its partial folder, as after a kill.
    """
    trunk = run.trunk
    if trunk is None or trunk.config.seed != run.config.seed:
        return
    place = run.folder("generate", subject)
    for stage in run.config.stages:
        source = trunk.folder("generate", subject) / "decoded" / stage
        for file in source.rglob("*.png") if _same_road(run, trunk, stage) else ():
            there = place.with_name(place.name + ".partial") / "decoded" / stage
            target = there / file.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            if not target.exists():
                _link(file, target)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError:
        beside = target.with_name(target.name + ".partial")
        shutil.copyfile(source, beside)
        beside.replace(target)


def _same_road(run: Run, trunk: Run, stage: str) -> bool:
    """Return whether a stage and all it begins from are the same in both."""
    mine, theirs = run.config.stages[stage], trunk.config.stages.get(stage)
    return mine == theirs and (not mine.init or _same_road(run, trunk, mine.init))


def check_finished(run: Run) -> None:
    """Refuse a run whose pictures are not all made and scored, or a budget too small for steps.

    Raises
    ------
    RunError
        With the first subject that is not finished, or with what is needed.
    """
    for subject in run.config.subjects:
        if not run.folder("score", subject).exists():
            raise RunError(
                f"{run.path}: sub-{subject} is not decoded to the end yet. Finish the run with "
                "the decode command that began it."
            )
    budget.check_again(run, "predict", "score")


def _do(run: Run, step: str, subject: str, instead: Step | None) -> None:
    start = time.perf_counter()
    with said_clearly(run.path):
        if instead:
            instead(run, subject)
        else:
            getattr(import_module(f"neurodiffuse.steps.{step}"), step)(run, subject)
    seconds = time.perf_counter() - start
    what = run.path.name.rpartition("-")[0]
    say(f"{what}: sub-{subject} {step}: done in {seconds:.1f} s", quiet=run.quiet)
