"""The metric keeps the contract, and is what its formula says."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_closeness.metric import Closeness

from neurodiffuse.testing import check_metric
from neurodiffuse.types import Images


def test_it_keeps_the_contract():
    check_metric(Closeness())


def test_black_and_grey_are_half_apart():
    black = Images(("a",), np.zeros((1, 8, 8, 3), np.uint8))
    grey = Images(("a",), np.full((1, 16, 16, 3), 127, np.uint8))
    assert Closeness(8).compare(black, grey) == pytest.approx(1 - 127 / 255)
    assert Closeness(8).compare(grey, grey) == pytest.approx(1)


def test_a_wrong_size_is_told():
    with pytest.raises(ValueError, match="1 pixel or more"):
        Closeness(size=0)
