"""Pictures at another size, and seeds of their own."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neurodiffuse_torch import content_seed, resized


def pictures(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, height, width, 3), np.uint8)


def test_a_seed_is_of_the_pixels_and_the_seed():
    """The number itself, so that encoders of later versions draw the same noise."""
    black = np.zeros((2, 2, 3), np.uint8)
    assert content_seed(black, 0) == 3452567413597248815
    assert content_seed(black[:, ::-1], 0) == content_seed(black, 0)
    others = {content_seed(black, 1), content_seed(black + 1, 0), content_seed(black, 0)}
    assert len(others) == 3
    assert all(0 <= seed < 2**63 for seed in others)


def test_resized_is_pil_s():
    small = pictures(6, 8)
    for name in ("BICUBIC", "LANCZOS"):
        filter_ = Image.Resampling[name]
        expected = [np.asarray(Image.fromarray(p).resize((16, 16), filter_)) for p in small]
        np.testing.assert_array_equal(resized(small, 16, filter_), expected)
    np.testing.assert_array_equal(resized(small, 16), resized(small, 16, Image.Resampling.BICUBIC))


@pytest.mark.parametrize(("shape", "size"), [((6, 8), 0), ((6, 6), 6)])
def test_what_has_that_size_is_left_alone(shape, size):
    given = pictures(*shape)
    assert resized(given, size) is given


@pytest.mark.parametrize("size", [6, 8])
def test_a_side_that_fits_is_not_enough(size):
    assert resized(pictures(6, 8), size).shape == (2, size, size, 3)
