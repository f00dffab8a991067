"""Whether latents of several subjects may be averaged: they must mean the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.run import Run
from neurodiffuse.store import load_arrays


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
                return (
                    f"the encoder of {feature} has learned from other training images "
                    f"in sub-{subjects[0]} than in sub-{other}, so their latents mean different "
                    "things."
                )
    return ""


def _same_state(one: Path, two: Path) -> bool:
    """Return whether encoders learned the same, but for the order in which they saw images."""
    a, b = load_arrays(one), load_arrays(two)
    return set(a) == set(b) and all(_near(a[k], b[k]) for k in a)


def _near(one: np.ndarray, two: np.ndarray) -> bool:
    if one.shape != two.shape or one.dtype.kind != "f":
        return np.array_equal(one, two)
    return np.allclose(one, two, rtol=0, atol=1e-3 * float(np.abs(one).max(initial=0)))
