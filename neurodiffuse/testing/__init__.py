"""For plugin authors: find out whether a class keeps the promises of its role.

``check_…`` raises `AssertionError` with every promise that is broken and what was found instead.
Use it in the tests of a plugin::

    from neurodiffuse.testing import check_generator

    def test_it_keeps_the_contract():
        check_generator(MyGenerator(), latents={"vae": latents}, init=first_guess)

``examine_…`` returns all promises, kept or not; ``neurodiffuse plugins check NAME`` prints them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from neurodiffuse.testing.dataset import examine_dataset
from neurodiffuse.testing.decoder import examine_decoder
from neurodiffuse.testing.encoder import examine_encoder
from neurodiffuse.testing.findings import Finding
from neurodiffuse.testing.generator import examine_generator
from neurodiffuse.testing.metric import examine_metric
from neurodiffuse.testing.refiner import examine_refiner, example_held_out
from neurodiffuse.testing.stimuli import example_stimuli
from neurodiffuse.testing.training import example_training
from neurodiffuse.types import (
    Dataset,
    Decoder,
    Encoder,
    Generator,
    Images,
    Latents,
    Metric,
    Refiner,
    Stimuli,
    Training,
)

__all__ = [
    "Finding",
    "check_dataset",
    "check_decoder",
    "check_encoder",
    "check_generator",
    "check_metric",
    "check_refiner",
    "examine_dataset",
    "examine_decoder",
    "examine_encoder",
    "examine_generator",
    "examine_metric",
    "examine_refiner",
    "example_held_out",
    "example_stimuli",
    "example_training",
]


def check_encoder(encoder: Encoder, stimuli: Stimuli | None = None) -> None:
    """Raise `AssertionError` with the promises that an encoder breaks."""
    _raise(examine_encoder(encoder, stimuli))


def check_refiner(refiner: Refiner) -> None:
    """Raise `AssertionError` with the promises that a refiner breaks."""
    _raise(examine_refiner(refiner))


def check_decoder(decoder: Decoder, training: Training | None = None) -> None:
    """Raise `AssertionError` with the promises that a decoder breaks."""
    _raise(examine_decoder(decoder, training))


def check_generator(
    generator: Generator,
    latents: Mapping[str, Latents],
    *,
    init: Images | None = None,
    states: Mapping[str, Mapping[str, np.ndarray]] | None = None,
    optional: Collection[str] = (),
) -> None:
    """Raise `AssertionError` with the promises that a generator breaks."""
    _raise(examine_generator(generator, latents, init=init, states=states, optional=optional))


def check_metric(metric: Metric, seen: Images | None = None) -> None:
    """Raise `AssertionError` with the promises that a metric breaks."""
    _raise(examine_metric(metric, seen))


def check_dataset(dataset: Dataset) -> None:
    """Raise `AssertionError` with the promises that a data set breaks."""
    _raise(examine_dataset(dataset))


def _raise(found: list[Finding]) -> None:
    broken = [finding for finding in found if not finding.kept]
    if broken:
        cause = next((f.error for f in broken if f.error), None)
        raise AssertionError("; ".join(str(finding) for finding in broken)) from cause
