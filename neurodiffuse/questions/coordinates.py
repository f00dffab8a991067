"""Whether latents of several subjects may be averaged: they must mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.errors import listing
from neurodiffuse.run import Run
from neurodiffuse.store import load_arrays
from neurodiffuse.types import Encoder


def other_coordinates(run: Run, subjects: Sequence[str]) -> str:
    """Return a sentence when subjects' latents are in different coordinates, else nothing.

    Latents of pretrained encoders always agree. Those of an encoder that learns from the training
    images, such as principal components, agree when it has learned the same from each subject's.
    """
    for feature in run.config.features:
        first = run.latents(subjects[0], feature)
        for other in subjects[1:]:
            place = run.latents(other, feature)
            if place != first and not _same_state(first / "state.npz", place / "state.npz"):
                return _others(run, feature, subjects[0], other)
    return ""


def other_coordinates_ahead(run: Run, subjects: Sequence[str]) -> str:
    """Return before anything is computed what `other_coordinates` is going to say.

    Encoders that learn are taken to learn something else from other training images. Where latents
    are there already, they are looked at instead.
    """
    if all(run.folder("encode", subject).exists() for subject in subjects):
        return other_coordinates(run, subjects)
    first, *rest = subjects
    for feature in run.config.features:
        if type(run.encoder(feature)).fit is Encoder.fit:
            continue
        for other in rest:
            if _trained_on(run, first) != _trained_on(run, other):
                return _others(run, feature, first, other)
    return ""


def _trained_on(run: Run, subject: str) -> set[str]:
    return set(run.subject(subject).trials.images("train"))


def _others(run: Run, feature: str, first: str, second: str) -> str:
    """Return that an encoder learns from other images of two subjects, which, and what to do."""
    one, two = _trained_on(run, first), _trained_on(run, second)
    alone = ((first, sorted(one - two)), (second, sorted(two - one)))
    which = " and ".join(
        f"{len(ids)} of sub-{label} alone ({listing(ids, most=3)})" for label, ids in alone if ids
    )
    return (
        f"the encoder of {feature} learns from the training images, and sub-{second} has other "
        f"training images than sub-{first}{f': {which}' if which else ''}. So their latents mean "
        "different things. Leave images that not all have seen out of the training set, take a "
        "recipe whose encoders do not learn from it, or do without the average."
    )


def _same_state(one: Path, two: Path) -> bool:
    """Return whether encoders learned the same, but for the order in which they saw images."""
    a, b = load_arrays(one), load_arrays(two)
    return set(a) == set(b) and all(_near(a[k], b[k]) for k in a)


def _near(one: np.ndarray, two: np.ndarray) -> bool:
    if one.shape != two.shape or one.dtype.kind != "f":
        return np.array_equal(one, two)
    return np.allclose(one, two, rtol=0, atol=1e-3 * float(np.abs(one).max(initial=0)))
