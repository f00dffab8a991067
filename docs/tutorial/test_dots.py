"""The generator keeps the contract, and paints dots."""

from __future__ import annotations

import pytest
from neurodiffuse_dots.generator import Dots

from neurodiffuse.testing import check_generator, example_stimuli
from neurodiffuse_pixels.pca import PixelEncoder


@pytest.fixture
def encoder():
    encoder = PixelEncoder(components=5, size=32)
    encoder.fit(example_stimuli(12))
    return encoder


def test_it_keeps_the_contract(encoder):
    latents = {"pixels": encoder.encode(example_stimuli(12))}
    check_generator(Dots(dots=50), latents, states={"pixels": encoder.state()})


def test_one_dot_has_the_area_of_a_disc(encoder):
    painter = Dots(dots=1, radius=3)
    painter.restore({"pixels": encoder.state()})
    latents = {"pixels": encoder.encode(example_stimuli(12))}
    pictures = painter.generate(latents, init=None, seeds=range(12)).values
    painted = (pictures != 255).any(axis=3).sum(axis=(1, 2))
    assert 0 < painted.max() <= 29  # the pixels within three of a centre


def test_no_dots_are_told():
    with pytest.raises(ValueError, match="1 or more"):
        Dots(dots=0)
