"""A toy recipe of two features, one of captions, whose last stage can be left without either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.types import Encoder, Generator, Images, Latents, Stimuli


class Caption(Encoder):
    """The colour again, told in words: the caption's image number names it."""

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((3,),)

    def encode(self, stimuli: Stimuli) -> Latents:
        numbers = [int(c[0].split("i")[-1]) for c in stimuli.captions]
        rows = [np.random.default_rng([7, k]).uniform(0, 1, 3) for k in numbers]
        return Latents(stimuli.ids, np.array(rows, np.float32), self.shapes())


class Guided(Generator):
    """The mean colour of what it is given; the picture it begins from counts half."""

    def __init__(self, weight: float = 0.5) -> None:
        self.weight = weight

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        rows = np.mean([part.values[:, :3] for part in latents.values()], axis=0)
        noise = np.stack([np.random.default_rng(s).uniform(0, 0.02, (8, 8, 3)) for s in seeds])
        values = rows[:, None, None, :] + noise
        if init is not None:
            values = (1 - self.weight) * values + self.weight * init.values / 255
        ids = next(iter(latents.values())).ids
        return Images(ids, (values.clip(0, 1) * 255).astype(np.uint8))


@hookimpl
def register_encoders(register) -> None:
    register("caption", "two_toy:Caption", summary="colour of the caption", reads=("captions",))


@hookimpl
def register_generators(register) -> None:
    register(
        "guided",
        "two_toy:Guided",
        summary="Guided by colour and caption",
        reads=("colour", "text"),
        optional=("colour", "text", "init"),
    )


RECIPE = """
name = "two"
[features.colour]
encoder = "colour"
alpha = 1.0
[features.text]
encoder = "caption"
alpha = 1.0
[stages.first]
generator = "paint"
[stages.recon]
generator = "guided"
init = "first"
[metrics.nearness]
metric = "nearness"
[metrics.identification]
metric = "identification"
[score]
bootstrap = 50
"""
