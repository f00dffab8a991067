"""Rows predicted by the others, against literal refitting."""

import numpy as np
import pytest
from ridge_case import SHAPES, TOLERANCE, blocks, joined, problem, refit

from neurodiffuse.decoders import ridge
from neurodiffuse.errors import DataError


@pytest.mark.parametrize("alpha", [1e-6, 1.0, 1e3, 1e8])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_leaving_out_is_refitting_without_the_row(n, p, alpha):
    x, _, y, _ = problem(n, p)
    factor = ridge.factorise(ridge.gram(x), alpha)
    rows = ridge.held_out_rows(n, 6)
    left_out = joined(ridge.predict_blocks(ridge.leave_out_hat(factor, rows), blocks(y)))
    for row, predicted in zip(rows, left_out, strict=True):
        others = np.arange(n) != row
        model, _ = refit(x[others], y[others], x[:1], alpha)
        truth = model.predict(x[[row]].astype(float))[0]
        error = np.abs(predicted - truth) / np.maximum(y.std(axis=0), 1e-3)
        assert error.max() < TOLERANCE


def test_leaving_out_a_group_is_refitting_without_all_of_it():
    x, _, y, _ = problem(48, 70)
    groups = np.random.default_rng(5).permutation(np.repeat(np.arange(16), 3))
    factor = ridge.factorise(ridge.gram(x), 30.0)
    rows = np.array([40, 3, 17])
    left_out = joined(ridge.predict_blocks(ridge.leave_out_hat(factor, rows, groups), blocks(y)))
    for row, predicted in zip(rows, left_out, strict=True):
        others = groups != groups[row]
        model, _ = refit(x[others], y[others], x[:1], 30.0)
        truth = model.predict(x[[row]].astype(float))[0]
        np.testing.assert_allclose(predicted, truth, atol=TOLERANCE * y.std())


def test_left_out_rows_play_no_part_in_their_prediction():
    x, _, _, _ = problem(30, 50)
    factor = ridge.factorise(ridge.gram(x), 5.0)
    rows = np.array([4, 11])
    left_out = ridge.leave_out_hat(factor, rows)
    assert (left_out[[0, 1], rows] == 0).all()
    assert (left_out != 0).sum() == 2 * 29


def test_leaving_out_everything_is_refused():
    x, _, _, _ = problem(6, 9)
    factor = ridge.factorise(ridge.gram(x), 1.0)
    with pytest.raises(DataError, match="nothing to predict from"):
        ridge.leave_out_hat(factor, np.array([0]), np.zeros(6))
    with pytest.raises(DataError, match="5 groups for 6"):
        ridge.leave_out_hat(factor, np.array([0]), np.zeros(5))
    alone = ridge.factorise(ridge.gram(x[:1]), 1.0)
    with pytest.raises(DataError, match="nothing to predict from"):
        ridge.leave_out_hat(alone, np.array([0]))


def test_held_out_rows_are_distinct_spread_and_few():
    assert ridge.held_out_rows(5, 1000).tolist() == [0, 1, 2, 3, 4]
    rows = ridge.held_out_rows(8859, 1000)
    assert len(rows) == 1000
    assert (rows[0], rows[-1]) == (0, 8858)
    assert set(np.diff(rows)) <= {8, 9}
