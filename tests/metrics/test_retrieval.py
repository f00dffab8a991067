"""Retrieval against all sets of candidates."""

import itertools

import numpy as np
import pytest

from neurodiffuse import metrics
from neurodiffuse.errors import ConfigError, DataError


def test_retrieval_is_the_mean_over_all_sets_of_candidates():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 7)) + np.eye(7)
    for top, among in ((1, 3), (2, 4), (3, 7)):
        expected = []
        for j in range(7):
            sets = itertools.combinations([i for i in range(7) if i != j], among - 1)
            won = [sum(table[i, j] >= table[j, j] for i in others) < top for others in sets]
            expected.append(np.mean(won))
        np.testing.assert_allclose(metrics.retrieval(table, top, among), expected)


def test_retrieval_of_nothing_is_chance():
    tables = np.random.default_rng(0).normal(size=(400, 20, 20))
    found = np.mean([metrics.retrieval(table, 2, 8) for table in tables])
    assert found == pytest.approx(2 / 8, abs=0.02)
    np.testing.assert_allclose(metrics.retrieval(np.ones((5, 5)), 1), 1 / 5)
    np.testing.assert_allclose(metrics.retrieval(np.ones((9, 9)), 2, 5), 2 / 5)
    noise = np.random.default_rng(1).uniform(0, 1e-13, (3000, 6, 6))  # any order of the ties
    table = np.random.default_rng(2).integers(0, 3, (6, 6)).astype(float)
    mean = np.mean([metrics.retrieval(table + one, 2, 4, tie=0) for one in noise], axis=0)
    np.testing.assert_allclose(metrics.retrieval(table, 2, 4), mean, atol=0.03)
    np.testing.assert_array_equal(metrics.retrieval(np.eye(5), 1, 3), 1)
    with pytest.raises(ConfigError, match="9 candidates, and there are 5"):
        metrics.retrieval(np.eye(5), 1, 9)
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        metrics.retrieval(np.ones((2, 3)))
