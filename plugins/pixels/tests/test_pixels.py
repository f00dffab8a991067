"""Principal components there and back, and the contract's promises."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neurodiffuse.testing import check_encoder, check_generator, example_stimuli
from neurodiffuse_pixels.pca import PixelEncoder, PixelGenerator


def pixels(stimuli, size):
    resize = [
        Image.fromarray(i).resize((size, size), Image.Resampling.BICUBIC) for i in stimuli.images
    ]
    return np.stack([np.asarray(i, np.float64).ravel() / 255 for i in resize])


def test_both_roles_keep_the_contract():
    stimuli = example_stimuli(12)
    encoder = PixelEncoder(components=5, size=16)
    check_encoder(encoder, stimuli)
    latents = {"pixels": encoder.encode(stimuli)}
    check_generator(PixelGenerator(size=24), latents, states={"pixels": encoder.state()})


def test_components_are_those_of_the_singular_value_decomposition():
    stimuli = example_stimuli(30)
    encoder = PixelEncoder(components=7, size=16)
    encoder.fit(stimuli)
    x = pixels(stimuli, 16)
    centred = x - x.mean(0)
    left, values, _ = np.linalg.svd(centred, full_matrices=False)
    found = encoder.encode(stimuli).values
    np.testing.assert_allclose(np.abs(found), np.abs(left * values)[:, :7], atol=1e-3)


def test_batches_learn_nearly_what_one_solve_learns(monkeypatch):
    stimuli = example_stimuli(1100, size=8)
    encoder = PixelEncoder(components=4, size=8)
    encoder.fit(stimuli)
    x = pixels(stimuli, 8)
    centred = x - x.mean(0)
    explained = (encoder.encode(stimuli).values.astype(float) ** 2).sum() / (centred**2).sum()
    best = (np.linalg.svd(centred, compute_uv=False)[:4] ** 2).sum() / (centred**2).sum()
    assert explained == pytest.approx(best, abs=0.01)


def test_more_components_than_images_are_zero():
    stimuli = example_stimuli(4)
    encoder = PixelEncoder(components=9, size=8)
    encoder.fit(stimuli)
    assert encoder.encode(stimuli).values.shape == (4, 9)
    assert not encoder.encode(stimuli).values[:, 4:].any()


def test_all_components_paint_the_picture_itself():
    stimuli = example_stimuli(5, size=16)
    encoder, generator = PixelEncoder(components=5, size=16), PixelGenerator()
    encoder.fit(stimuli)
    generator.restore({"pixels": encoder.state()})
    made = generator.generate({"pixels": encoder.encode(stimuli)}, init=None, seeds=range(5))
    assert np.abs(made.values.astype(int) - np.stack(list(stimuli.images))).max() <= 1


@pytest.mark.parametrize("options", [{"components": 0}, {"size": 1}, {"size": 100_000}])
def test_options_out_of_range(options):
    with pytest.raises(ValueError, match=r"components|size"):
        PixelEncoder(**options)
