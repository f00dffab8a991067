"""The refiner keeps the contract, and its lines are those of least squares."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_slope.refiner import Slope

from neurodiffuse.testing import check_refiner, example_held_out


def test_it_keeps_the_contract():
    check_refiner(Slope())


def test_lines_are_those_of_least_squares(tmp_path):
    held_out, test = example_held_out()
    refiner = Slope(most=9.0)
    refiner.fit(held_out, tmp_path)
    found = np.hstack([values for _, values in refiner.refine(held_out, tmp_path, test, seeds=[])])
    x, y = held_out.predicted.values(), held_out.true.values()
    expected = [np.poly1d(np.polyfit(a, b, 1)) for a, b in zip(x.T, y.T, strict=True)]
    lines = [line(column) for line, column in zip(expected, test.values().T, strict=True)]
    np.testing.assert_allclose(found, np.transpose(lines), rtol=1e-3)


def test_a_wrong_slope_is_told():
    with pytest.raises(ValueError, match="above 0"):
        Slope(most=0)
