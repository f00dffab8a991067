"""The average beside the subjects it was taken over: the same images, image by image."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from math import nan

import numpy as np

from neurodiffuse import metrics
from neurodiffuse.questions.arms import Arm, Cell, corrected
from neurodiffuse.questions.branches import branch, grow
from neurodiffuse.questions.sheets import places
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.run import Run
from neurodiffuse.types import Trials

AVERAGE = "average"
"""What the average is called where subjects have labels."""

Column = tuple[Arm, str]
"""Pictures to compare, and whose they are: a subject's label or `AVERAGE`."""


def columns(run: Run, view: Run, sources: dict[str, str]) -> list[Column]:
    """Return the average, then every subject, all scored on the images of the average.

    Parameters
    ----------
    run
        The decoded run.
    view
        The same run with the average as its only subject.
    sources
        A digest of each subject's predictions. Where a subject saw further test images, its
        pictures of the common ones are scored anew: many scores depend on which others there are.
    """
    ids = view.subject(AVERAGE).trials.images("test")
    subjects = run.config.subjects
    meaning = f"Painted from the mean of the latents predicted for {len(subjects)} subjects."
    same = run if all(set(_seen(run, s)) == set(ids) for s in subjects) else _on(run, ids, sources)
    return [
        (Arm("Average", meaning, view), AVERAGE),
        *(
            (Arm(f"sub-{s}", f"Painted from the latents predicted for sub-{s} alone.", same), s)
            for s in subjects
        ),
    ]


def cells(shown: Sequence[Column]) -> list[Cell]:
    """Return the average's scores, each subject's and the subjects' mean, image by image.

    All but the average itself are tested against the average on the same images.
    """
    (average, _), *subjects = shown
    ids = average.ids(AVERAGE)
    reference = average.scores(AVERAGE)
    seed = average.run.config.seed
    found = [Cell(average, AVERAGE, score) for score in reference.values()]
    each = [(arm, who, _in_order(arm, who, ids)) for arm, who in subjects]
    mean = Arm(
        "Mean of subjects",
        "For every image the mean of the subjects' scores: what one of them gives on average.",
        average.run,
    )
    over_subjects = _mean(average.run, [scores for *_, scores in each])
    for arm, who, scores in [*each, (mean, "mean", over_subjects)]:
        for name, score in scores.items():
            bounds = average.run.metric(name).bounds
            ours, theirs = np.asarray(score.values), np.asarray(reference[name].values)
            found.append(
                Cell(arm, who, score, metrics.paired_test(ours, theirs, seed, bounds=bounds))
            )
    return corrected(found)


def _seen(run: Run, subject: str) -> tuple[str, ...]:
    return run.subject(subject).trials.images("test")


def _on(run: Run, ids: tuple[str, ...], sources: dict[str, str]) -> Run:
    """Return the run with the subjects' pictures of some test images scored, in this order."""
    n = len(ids)
    trials = Trials(ids, ("test",) * n, ("",) * n, ("",) * n)
    part = branch(run, "common images", ("score",), said=[list(ids), sources])
    seen = {s: dataclasses.replace(run.subject(s), trials=trials) for s in run.config.subjects}
    part = dataclasses.replace(part, _subjects=seen)
    grow(part)
    return part


def _in_order(arm: Arm, subject: str, ids: Sequence[str]) -> dict[str, ScoreRow]:
    """Return a subject's scores with their values in the order of these images."""
    order = places(ids, arm.ids(subject))
    return {
        name: dataclasses.replace(score, values=np.asarray(score.values)[order])
        for name, score in arm.scores(subject).items()
    }


def _mean(run: Run, each: Sequence[dict[str, ScoreRow]]) -> dict[str, ScoreRow]:
    """Return the mean over subjects of every image's scores, with its interval."""
    out = {}
    config = run.config
    for name, first in each[0].items():
        values = np.mean([np.asarray(scores[name].values) for scores in each], axis=0)
        mean, metric = float(values.mean()), run.metric(name)
        found = metrics.summary(
            values,
            np.empty(0),
            higher_is_better=metric.higher_is_better,
            chance=metric.chance,
            share=metric.share,
            bounds=metric.bounds,
            bootstrap=config.score.bootstrap,
            seed=config.seed,
        )
        low, high = found.interval or (nan, nan)
        out[name] = dataclasses.replace(
            first, mean=mean, low=low, high=high, p=None, null_mean=None, values=values
        )
    return out
