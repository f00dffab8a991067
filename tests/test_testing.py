"""The checks for plugin authors let good classes pass and name what bad ones break."""

from __future__ import annotations

import numpy as np
import pytest
import toy

from neurodiffuse.testing import (
    check_dataset,
    check_encoder,
    check_generator,
    check_metric,
    example_stimuli,
)
from neurodiffuse.types import Images, Latents


def colours() -> dict[str, Latents]:
    return {"colour": toy.Colour().encode(example_stimuli())}


def test_good_classes_pass():
    check_dataset(toy.Toy())
    check_encoder(toy.Colour())
    check_generator(toy.Paint(grain=0.1), colours())
    check_metric(toy.Nearness())


class Centred(toy.Colour):
    def encode(self, stimuli):
        found = super().encode(stimuli)
        return Latents(found.ids, found.values - found.values.mean(0), found.shapes)


class Careless(toy.Paint):
    def generate(self, latents, *, init, seeds):
        return super().generate(
            latents, init=init, seeds=[seeds[0] + k for k in range(len(seeds))][::-1]
        )


class Unseeded(toy.Paint):
    def generate(self, latents, *, init, seeds):
        seeds = np.random.default_rng().integers(0, 2**60, len(seeds))
        return super().generate(latents, init=init, seeds=[int(s) for s in seeds])


class Backwards(toy.Nearness):
    higher_is_better = False


class Vain(toy.Nearness):
    def compare(self, seen, made):
        values = super().compare(seen, made)
        seen.values[0] = 0
        return values


def test_bad_classes_are_told_what_they_break():
    with pytest.raises(AssertionError, match="does not depend on the other rows"):
        check_encoder(Centred())
    with pytest.raises(AssertionError, match="does not depend on the others"):
        check_generator(Careless(grain=0.5), colours())
    with pytest.raises(AssertionError, match="same latents and seeds"):
        check_generator(Unseeded(grain=0.5), colours())
    with pytest.raises(AssertionError, match="scores better than noise"):
        check_metric(Backwards())
    with pytest.raises(AssertionError, match="leaves its input alone"):
        stimuli = example_stimuli(8)
        check_metric(Vain(), Images(stimuli.ids, np.stack(list(stimuli.images))))
    with pytest.raises(AssertionError, match=r"as many betas as trials; found 71"):
        check_dataset(toy.Toy(fault="short"))
    with pytest.raises(AssertionError, match="in training and test at once"):
        check_dataset(toy.Toy(fault="overlap"))
    with pytest.raises(TypeError, match="takes \\*options"):
        check_metric(toy.Greedy())
