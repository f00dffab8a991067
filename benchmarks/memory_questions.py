"""Hold the peak of a question against what is said of it, for `benchmarks/memory.py`.

``memory_questions.py QUESTION FOLDER SIZE SETTINGS`` asks a decoded run of a made-up subject, the
last two as JSON, in a process of its own as a command is, and prints both in MiB.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from measure import peak_kib
from memory import open_run

from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.average import ask as averaging
from neurodiffuse.questions.branches import branch
from neurodiffuse.questions.controls import holdout
from neurodiffuse.questions.controls.memory import memory_needed as of_controls
from neurodiffuse.questions.nearest import correlations
from neurodiffuse.questions.roi_optimal.ask import roi_optimal
from neurodiffuse.questions.roi_optimal.memory import memory_needed as of_regions
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.regions import wanted
from neurodiffuse.questions.score import ask as scoring
from neurodiffuse.questions.score import choice, folders, written
from neurodiffuse.run import Run, opened
from neurodiffuse.store import LatentFile, save_image

PAIRS, SIDE = 24, 512
"""Pictures that are scored in a folder, and their side."""

Ask = Callable[[Run], int]
"""Asks a question of a run and returns the bytes that were said beforehand."""


def paint(run: Run, regions: int = 2, **options: object) -> int:
    """Ask what some regions stand for."""
    words = [f"random:200/{draw}" for draw in range(regions)]
    question = Question(subjects=("01",), regions=wanted(words), **options)  # type: ignore[arg-type]
    said = max(of_regions(run, question).values())
    with opened(run):
        roi_optimal(run, question)
    return said


def average(run: Run) -> int:
    """Average three times the same predicted latents, which `average` begins with."""
    ids = run.subject("01").trials.images("test")
    files = [LatentFile.open(run.folder("predict", "01") / "noise.npy")] * 3
    made = LatentFile.create(run.path.parent / "mean.npy", ids, files[0].shapes)
    averaging.write_mean(made, files)
    true = LatentFile.open(run.latents("01", "noise") / "test.npy")
    correlations(true, made)
    return averaging.memory_needed(run, ("01",) * 3)


def refit(run: Run) -> int:
    """Leave out each test image's nearest training images, which `controls` begins with."""
    gone = holdout.neighbours(run, "01", "noise", 1)
    with opened(run):
        holdout.mask_without(branch(run, "without", ("mask",), said="memory"), "01", gone)
    return of_controls(run, ("hold-out",))["controls"]


def score(run: Run) -> int:
    """Score a folder of pictures of noise by their pixels, with no need of the run."""
    rng = np.random.default_rng(0)
    recon, seen = (run.path.parent / name for name in ("recon", "seen"))
    for folder in (recon, seen):
        folder.mkdir()
        for k in range(PAIRS):
            save_image(folder / f"{k}.png", rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8))
    settings = scoring.Settings(recon, seen, ("pixcorr", "ssim-2d"), permutations=99)
    machine, registry = Machine(), Registry.installed()
    ready, _ = choice.chosen(registry, settings.metrics, settings.dialect, machine)
    said = scoring.memory_needed(folders.pairs(recon, seen, "name"), ready, machine)
    found = scoring.score(settings, registry, machine, quiet=True)
    written.write(found, run.path.parent / "scores")
    return said


QUESTIONS: dict[str, Ask] = {
    "roi-optimal": lambda run: paint(run, seeds=6),
    "roi-optimal, signs": lambda run: paint(run, seeds=128, pattern="signs"),
    "roi-optimal, page": lambda run: paint(run, regions=40, seeds=2, pattern="signs"),
    "average": average,
    "controls": refit,
    "score of folders": score,
}


def main(question: str, folder: str, size: str, settings: str) -> None:
    """Ask one question and print its peak and what was said."""
    run = open_run(Path(folder), json.loads(size), json.loads(settings))
    said = QUESTIONS[question](run)
    print(json.dumps({"measured": peak_kib() / 1024, "said": said / 2**20}))


if __name__ == "__main__":
    main(*sys.argv[1:])
