"""Two-way identification against counting."""

import numpy as np
import pytest
from metrics_case import counted, pictures

from neurodiffuse import metrics
from neurodiffuse.errors import DataError


def test_identification_equals_counting_along_columns():
    table = np.random.default_rng(0).normal(size=(7, 7))
    assert metrics.two_way_identification(table).tolist() == counted(table)
    assert metrics.two_way_identification(table.T).tolist() == counted(table.T)
    assert counted(table) != counted(table.T)


def test_columns_not_rows():
    # Seen 0 correlates with every made image best of all, so made 1 and 2 lose against it.
    table = np.array([[0.9, 0.8, 0.8], [0.1, 0.5, 0.1], [0.1, 0.1, 0.5]])
    assert metrics.two_way_identification(table).tolist() == [1, 0.5, 0.5]
    assert metrics.two_way_identification(table.T).tolist() == [1, 1, 1]


def test_identical_is_one_and_ties_are_a_half():
    values = pictures()
    assert metrics.identification_from_features(values, values).tolist() == [1] * 6
    same = np.repeat(values[:1], 6, axis=0)
    assert metrics.identification_from_features(same, values).tolist() == [0.5] * 6
    assert metrics.identification_from_features(same, same).tolist() == [0.5] * 6
    assert metrics.two_way_identification(np.ones((4, 4))).tolist() == [0.5] * 4


def test_correlations_that_differ_by_rounding_tie():
    table = np.full((3, 3), 0.25) + np.diag([1e-13, 1e-8, 0])
    assert metrics.two_way_identification(table).tolist() == [0.5, 1, 0.5]
    assert np.diagonal(metrics.identification_table(table)).tolist() == [0.5, 1, 0.5]
    rng = np.random.default_rng(0)
    seen = np.repeat(rng.normal(size=(1, 30_001)).astype(np.float32), 37, axis=0)
    made = rng.normal(size=(37, 30_001)).astype(np.float32)
    assert (metrics.identification_from_features(seen, made) == 0.5).all()


def test_two_images_and_one():
    assert metrics.two_way_identification(np.array([[0.5, 0.2], [0.1, 0.2]])).tolist() == [1, 0.5]
    with pytest.raises(DataError, match="1 test image; it takes two"):
        metrics.two_way_identification(np.ones((1, 1)))
    with pytest.raises(DataError, match=r"shape \(2, 3\)"):
        metrics.two_way_identification(np.ones((2, 3)))


def test_identification_table_holds_the_score_of_every_pairing():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, (6, 6)).astype(float)  # with ties
    scores = metrics.identification_table(table)
    for _ in range(20):
        order = rng.permutation(6)
        expected = counted(table[order])
        np.testing.assert_allclose(scores[order, np.arange(6)], expected)


def test_shuffled_is_chance():
    rng = np.random.default_rng(0)
    scores = [
        metrics.identification_from_features(
            rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
        ).mean()
        for _ in range(50)
    ]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)
