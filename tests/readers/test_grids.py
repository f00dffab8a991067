"""Alignment of grids, against voxels that are looked up one by one by their place in mm."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from neurodiffuse.readers.grids import align, difference
from neurodiffuse.types import Grid

SHAPE = (4, 3, 5)
AFFINE = np.array([[1.9, 0.1, 0, -7], [-0.1, 2.1, 0.2, 3], [0, -0.2, 2.4, 11], [0, 0, 0, 1]])
GRID = Grid(SHAPE, AFFINE)
TURNS = [
    (axes, flips)
    for axes in itertools.permutations(range(3))
    for flips in itertools.product((1, -1), repeat=3)
]


def stored(axes, flips) -> tuple[np.ndarray, Grid]:
    """Return a volume of its own values in another order, built voxel by voxel."""
    shape = tuple(SHAPE[a] for a in axes)
    data = np.empty(shape, int)
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    for k, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        turn[axis, k] = flip
        if flip < 0:
            turn[axis, 3] = SHAPE[axis] - 1
    for index in np.ndindex(shape):
        x, y, z = (turn @ [*index, 1])[:3].astype(int)
        data[index] = np.ravel_multi_index((x, y, z), SHAPE)
    return data, Grid(shape, AFFINE @ turn)


@pytest.mark.parametrize(("axes", "flips"), TURNS)
def test_every_order_of_axes_is_put_right(axes, flips):
    data, own = stored(axes, flips)
    way = align(own, GRID)
    assert way is not None
    assert way.is_same
    assert way.mm < 1e-9
    np.testing.assert_array_equal(way.apply(data).ravel(), np.arange(60))
    series = np.stack([data, -data], axis=-1)
    np.testing.assert_array_equal(way.apply(series)[..., 1].ravel(), -np.arange(60))


def test_a_plain_file_is_not_touched():
    data, own = stored((0, 1, 2), (1, 1, 1))
    assert align(own, GRID).apply(data) is data


def moved(voxels: float) -> Grid:
    affine = AFFINE.copy()
    affine[:3, 3] += AFFINE[:3, 1] * voxels
    return Grid(SHAPE, affine)


@pytest.mark.parametrize(
    ("voxels", "same"), [(0.04, True), (0.06, False), (0.45, False), (2, False)]
)
def test_tolerance_is_relative_to_the_voxel(voxels, same):
    way = align(moved(voxels), GRID)
    assert way.is_same == same
    assert way.voxels == pytest.approx(voxels)
    assert way.mm == pytest.approx(voxels * np.linalg.norm(AFFINE[:3, 1]))


def test_rounding_grows_with_the_volume_and_is_one_grid():
    """Two decimals at 90 voxels: the far corner is a third of a voxel away."""
    turn = np.array([[0.98, -0.199, 0], [0.199, 0.98, 0.0201], [0.0201, -0.0201, 0.9996]])
    affine = np.eye(4)
    affine[:3, :3] = turn * 1.7037
    affine[:3, 3] = (-98.234, -120.987, -45.432)
    large = Grid((90, 90, 60), affine)
    way = align(Grid(large.shape, np.round(affine, 2)), large)
    assert 0.05 < way.voxels < 0.5
    assert way.is_same
    flipped = affine @ np.array([[-1, 0, 0, 89], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    assert align(Grid(large.shape, np.round(flipped, 2)), large).is_same
    shifted = affine.copy()
    shifted[0, 3] += 0.4  # as far, and no rounding
    assert not align(Grid(large.shape, shifted), large).is_same


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (Grid((4, 3, 6), AFFINE), "shape 4 × 3 × 6 where the betas have 4 × 3 × 5"),
        (Grid(SHAPE, AFFINE @ np.diag([1.5, 1, 1, 1])), "voxels of 2.854 × 2.112 × 2.408 mm"),
        (moved(2), "its centre is shifted by 4.22 mm (x +0.2, y +4.2, z -0.4)"),
        (Grid(SHAPE, AFFINE[:, [1, 0, 2, 3]]), "axes that run to ARS where RAS is needed"),
        (Grid(SHAPE, np.eye(4), placed=False), "it has no place (the affine is the identity)"),
        (Grid(SHAPE, AFFINE, placed=False), "it has no place (sform and qform code are 0)"),
    ],
)
def test_what_differs_is_told_in_what_can_be_looked_up(own, said):
    way = align(own, GRID)
    assert way is None or not way.is_same
    assert said in difference(own, GRID)


def test_files_without_a_place_are_matched_by_their_shape():
    one, two = (Grid(SHAPE, a, placed=False) for a in (np.eye(4), AFFINE))
    assert align(one, two).is_same
    assert not align(one, GRID).is_same
    assert not align(GRID, one).is_same
    assert align(Grid((4, 3, 6), AFFINE, placed=False), two) is None
