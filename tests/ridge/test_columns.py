"""Statistics of columns against numpy and scikit-learn."""

import numpy as np
from ridge_case import problem
from sklearn.metrics import r2_score

from neurodiffuse.decoders.columns import column_stats, r_squared, standardise


def test_column_stats_and_standardise():
    x, x_new, _, _ = problem(2500, 7)
    columns = column_stats(x)
    np.testing.assert_allclose(columns.mean, x.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(columns.sd[1:], x.astype(float).std(axis=0, ddof=1)[1:], rtol=1e-12)
    assert columns.constant.tolist() == [True] + [False] * 6
    z = standardise(x_new, columns)
    assert (z[:, 0] == 0).all()
    truth = (x_new - x.mean(axis=0, dtype=float))[:, 1:] / x.astype(float).std(axis=0, ddof=1)[1:]
    np.testing.assert_allclose(z[:, 1:], truth, rtol=1e-4, atol=1e-6)
    single = column_stats(x[:1])
    assert single.constant.all()
    assert (standardise(x[:1], single) == 0).all()


def test_r_squared_is_scikit_learns():

    rng = np.random.default_rng(0)
    true, predicted = rng.normal(size=(30, 5)), rng.normal(size=(30, 5))
    true[:, 1] = predicted[:, 1] = 2.0
    true[:, 2] = 2.0
    truth = r2_score(true, predicted, multioutput="raw_values")
    np.testing.assert_allclose(r_squared(true, predicted), truth)
