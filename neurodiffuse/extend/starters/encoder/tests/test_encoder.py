"""The encoder keeps the contract, and its latents are mean colours."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_layout.encoder import Layout

from neurodiffuse.testing import check_encoder
from neurodiffuse.types import Stimuli


def test_it_keeps_the_contract():
    check_encoder(Layout(cells=3))


def test_a_cell_is_the_mean_of_its_pixels():
    image = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    latents = Layout(cells=2).encode(Stimuli(("a",), [image], ((),)))
    (cells,) = latents.blocks()
    expected = image.reshape(2, 4, 2, 4, 3).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(cells[0], expected, atol=1 / 255)


def test_a_wrong_number_of_cells_is_told():
    with pytest.raises(ValueError, match="between 1 and 64"):
        Layout(cells=0)
