"""The generator keeps the contract, and paints tiles."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_mosaic.generator import Mosaic

from neurodiffuse.testing import check_generator, example_stimuli
from neurodiffuse_pixels.pca import PixelEncoder


@pytest.fixture
def encoder():
    encoder = PixelEncoder(components=5, size=32)
    encoder.fit(example_stimuli(12))
    return encoder


def test_it_keeps_the_contract(encoder):
    latents = {"pixels": encoder.encode(example_stimuli(12))}
    check_generator(Mosaic(tiles=8), latents, states={"pixels": encoder.state()})


def test_a_tile_has_one_colour(encoder):
    painter = Mosaic(tiles=8)
    painter.restore({"pixels": encoder.state()})
    latents = {"pixels": encoder.encode(example_stimuli(12))}
    picture = painter.generate(latents, init=None, seeds=range(12)).values[0]
    tiles = picture.reshape(8, 4, 8, 4, 3)
    assert (tiles == tiles[:, :1, :, :1]).all()
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 1


def test_a_wrong_number_of_tiles_is_told(encoder):
    with pytest.raises(ValueError, match="1 or more"):
        Mosaic(tiles=0)
