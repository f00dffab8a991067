"""Simulated subjects that see scenes: voxels driven by pictures and by planted categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from neurodiffuse.decoders.columns import column_stats, standardise
from neurodiffuse.simulate.brain import Brain, Moment
from neurodiffuse.simulate.geometry import phantom
from neurodiffuse.simulate.pictures import scene_labels
from neurodiffuse.simulate.scenes import Scene
from neurodiffuse_demo.gate.regions import BANDS

PLANTED = {"face": "face", "word": "word", "house": "place", "person": "body"}
"""Categories with regions of their own, and what those regions are said to prefer."""

REPETITIONS = 3
PER_RUN = 50


@dataclass(frozen=True, eq=False)
class Subject:
    """Betas, standardised by the training scenes, and masks over the same voxels.

    ``train`` (n, voxels), ``tests`` by name of the test set; ``rois`` by category, ``early`` V1
    to V4, ``bands`` the early voxels of each eccentricity band.
    """

    label: str
    noise: float
    train: np.ndarray
    tests: Mapping[str, np.ndarray]
    rois: Mapping[str, np.ndarray]
    early: np.ndarray
    bands: Sequence[np.ndarray]


def subject(
    number: int, train: Sequence[Scene], tests: Mapping[str, Sequence[Scene]], *, noise: float
) -> Subject:
    """Return a subject who saw every scene three times.

    Parameters
    ----------
    number
        1, 2, …: another anatomy, other tuning, other noise.
    train, tests
        What is seen; the training scenes define each voxel's mean and spread.
    noise
        Standard deviation of a single trial's noise over that of the signal.
    """
    geometry = phantom(number, seed=0)
    brain = Brain.grow(geometry, number, noise=noise, seed=0)
    everything = [*train, *(s for part in tests.values() for s in part)]
    images = np.stack([s.image for s in everything])
    labels = np.stack([scene_labels(s) for s in everything])
    learned = np.arange(len(everything)) < len(train)
    signal = brain.signal(images, labels, reference=learned)
    betas = np.mean([_shown(brain, signal, r) for r in range(REPETITIONS)], axis=0)
    betas = standardise(betas, column_stats(betas[learned]))
    parts, start = {}, len(train)
    for name, part in tests.items():
        parts[name] = betas[start : start + len(part)]
        start += len(part)
    kinds = np.array([r.kind for r in geometry.region])
    prefers = np.array([r.prefers for r in geometry.region])
    early = kinds == "retinotopic"
    eccentricity = brain.tuning.eccentricity
    return Subject(
        label=f"{number:02d}",
        noise=noise,
        train=betas[: len(train)],
        tests=parts,
        rois={category: prefers == label for category, label in PLANTED.items()},
        early=early,
        bands=[early & (eccentricity >= a) & (eccentricity < b) for a, b in BANDS],
    )


def _shown(brain: Brain, signal: np.ndarray, repetition: int) -> np.ndarray:
    """Return single-trial betas of one showing of every scene, in one session."""
    moments = [
        Moment(k, repetition, repetition, k // PER_RUN, 2 * (k % PER_RUN) / PER_RUN - 1)
        for k in range(len(signal))
    ]
    return brain.betas(signal, moments)
