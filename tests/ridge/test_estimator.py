"""The estimator against scikit-learn's ridge and its conventions."""

import numpy as np
import pytest
from ridge_case import SHAPES, TOLERANCE, problem
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurodiffuse.decoders import ridge
from neurodiffuse.errors import ConfigError, DataError


@parametrize_with_checks(
    [
        ridge.MultiTargetRidge(),
        ridge.MultiTargetRidge(alpha=100.0),
        ridge.MultiTargetRidge(alpha="gcv"),
        ridge.MultiTargetRidge(alpha="loo", alphas=[1.0, 10.0], alpha_per="all"),
    ]
)
def test_estimator_keeps_scikit_learns_conventions(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_estimator_is_scikit_learns_ridge(n, p, dtype):
    x, x_new, y, _ = (part.astype(dtype) for part in problem(n, p))
    alphas = np.resize([1.0, 300.0, 0.5], y.shape[1])
    model = ridge.MultiTargetRidge(alphas).fit(x, y)
    truth = Ridge(alpha=alphas, solver="svd").fit(x.astype(float), y.astype(float))
    close = 1e-9 if dtype == np.float64 else TOLERANCE
    np.testing.assert_allclose(model.coef_, truth.coef_, atol=close * np.abs(truth.coef_).max())
    np.testing.assert_allclose(model.intercept_, truth.intercept_, rtol=close)
    np.testing.assert_allclose(model.predict(x_new), truth.predict(x_new.astype(float)), rtol=close)
    assert model.coef_.dtype == model.predict(x_new).dtype == dtype


def test_estimator_in_a_pipeline_and_cloned():
    x, x_new, y, y_new = problem(60, 20)
    model = make_pipeline(StandardScaler(), ridge.MultiTargetRidge(alpha=2.0))
    truth = make_pipeline(StandardScaler(), Ridge(alpha=2.0)).fit(x, y[:, 0])
    model = clone(model).fit(x, y[:, 0])
    np.testing.assert_allclose(model.predict(x_new), truth.predict(x_new), rtol=1e-5)
    assert model.score(x_new, y_new[:, 0]) == pytest.approx(
        truth.score(x_new, y_new[:, 0]), abs=1e-4
    )


def test_estimator_refuses_alphas_that_do_not_fit():
    x, _, y, _ = problem(10, 4)
    with pytest.raises(DataError, match="2 penalties for 12 targets"):
        ridge.MultiTargetRidge([1.0, 2.0]).fit(x, y)
    with pytest.raises(ConfigError, match="number above 0"):
        ridge.MultiTargetRidge([1.0] * 11 + [0.0]).fit(x, y)
