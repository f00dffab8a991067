"""From MNI space to the cortex: what a vertex takes is what lies there, and numbers stay whole."""

from __future__ import annotations

import numpy as np
import pytest
from nilearn.datasets import load_fsaverage

from neurodiffuse.report.angles import mean_angle
from neurodiffuse.report.template import mean, most, on_cortex, on_template, why_not
from neurodiffuse.types import Grid

STEP = 4.0
SHAPE = (48, 58, 50)
AFFINE = np.array([[-STEP, 0, 0, 94], [0, STEP, 0, -126], [0, 0, STEP, -80], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE, "MNI152NLin6Asym")
WORLD = np.argwhere(np.ones(SHAPE)) @ AFFINE[:3, :3].T + AFFINE[:3, 3]


def parts(image):
    return {side: np.asarray(image.data.parts[side]) for side in ("left", "right")}


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_vertex_takes_what_lies_where_it_is(axis):
    """A volume of its own coordinates gives each vertex those of its place in the cortex."""
    mesh = load_fsaverage("fsaverage5")
    for side, found in parts(on_cortex(WORLD[:, axis].copy(), GRID)).items():
        inner, outer = (mesh[m].parts[side].coordinates for m in ("white_matter", "pial"))
        middle = (inner + outer)[:, axis] / 2
        assert np.abs(found - middle).max() <= STEP / 2
        assert np.abs((found - middle).mean()) < 0.2


def test_numbers_of_regions_are_never_mixed():
    """The left half of the volume is region 1, the right half 7: no vertex is in between."""
    found = parts(on_cortex(np.where(WORLD[:, 0] < 0, 1.0, 7.0), GRID, most))
    assert set(np.unique(np.concatenate(list(found.values())))) == {1, 7}
    assert (found["left"] == 1).mean() > 0.97
    assert (found["right"] == 7).mean() > 0.97


def test_angles_do_not_meet_on_the_far_side():
    checkers = np.where(np.indices(SHAPE).sum(axis=0).ravel() % 2, 1.0, 359.0)
    found = np.concatenate(list(parts(on_cortex(checkers, GRID, mean_angle)).values()))
    assert (np.abs((found + 180) % 360 - 180) < 1.01).all()
    plain = np.concatenate(list(parts(on_cortex(checkers, GRID, mean)).values()))
    assert (np.abs((plain + 180) % 360 - 180) > 90).any()


def test_what_is_outside_is_left_out():
    values = np.where(WORLD[:, 1] < -60, 5.0, np.nan)  # the back of the head
    for found in parts(on_cortex(values, GRID)).values():
        assert set(np.unique(found[np.isfinite(found)])) == {5}
        assert 0.05 < np.isfinite(found).mean() < 0.4
    nothing = parts(on_cortex(np.full(GRID.size, np.nan), GRID, most))
    assert not np.isfinite(np.concatenate(list(nothing.values()))).any()


def test_most_takes_the_number_of_most_depths():
    nan = np.nan
    stack = np.array([[1, 2, 4, nan], [1, 3, 3, nan], [2, 3, nan, nan]])
    np.testing.assert_array_equal(most(stack), [1, 3, 3, nan])


@pytest.mark.parametrize(
    ("space", "there"),
    [
        ("MNI152NLin2009cAsym", True),
        ("MNI", True),
        ("func1pt8mm", False),
        ("T1w", False),
        ("", False),
    ],
)
def test_only_data_that_say_so_are_in_mni_space(space, there):
    grid = Grid(SHAPE, AFFINE, space)
    assert on_template(grid) is there
    assert (why_not(grid) == "") is there
