"""Predictions and weights of one penalty, against scikit-learn in float64 and plain formulas."""

import numpy as np
import pytest
from ridge_case import SHAPES, TOLERANCE, blocks, hat, joined, problem, refit

from neurodiffuse.decoders import ridge
from neurodiffuse.errors import DataError

ALPHAS = [1e-8, 1e-2, 10.0, 1e4, 1e9]


@pytest.mark.parametrize("alpha", ALPHAS)
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_predictions_and_weights_are_scikit_learns(n, p, alpha):
    x, x_new, y, _ = problem(n, p)
    gram = ridge.gram(x)
    factor = ridge.factorise(gram, alpha)
    predicted = ridge.predict_blocks(hat(gram, alpha, x_new), blocks(y))
    weights = ridge.weight_blocks(ridge.weight_map(factor), blocks(y))
    model, truth = refit(x, y, x_new, alpha)

    sd = np.maximum(truth.std(axis=0), 1e-12)
    assert np.max(np.abs(joined(predicted, "deviation") - truth) / sd) < TOLERANCE
    weights = np.concatenate([w for _, w in weights], axis=1)
    assert np.abs(weights - model.coef_.T).max() < TOLERANCE * np.abs(model.coef_).max()
    # an intercept of zero-mean betas is the targets' mean; here it also undoes the betas' means
    intercept = y.mean(axis=0, dtype=float) - gram.mean @ weights.astype(float)
    np.testing.assert_allclose(intercept, model.intercept_, rtol=1e-4)


def test_one_cross_gram_serves_every_alpha_of_its_precision():
    x, x_new, _, _ = problem(60, 60)
    gram = ridge.gram(x)
    cross = ridge.cross_gram(gram, x_new)
    for alpha in (1e3, 1e4):
        rows = ridge.hat(ridge.factorise(gram, alpha), cross)
        np.testing.assert_array_equal(rows, hat(gram, alpha, x_new))
        assert np.abs(rows.sum(axis=1)).max() < 1e-5
    with pytest.raises(DataError, match=r"needed float64 .* cross_gram\(factor.gram"):
        ridge.hat(ridge.factorise(gram, 1e-8), cross)


def test_one_training_row_predicts_itself():
    x, x_new, y, _ = problem(1, 8)
    gram = ridge.gram(x)
    rows = hat(gram, 1.0, x_new)
    predicted = joined(ridge.predict_blocks(rows, blocks(y)))
    np.testing.assert_array_equal(predicted, np.repeat(y, len(x_new), axis=0))


def test_roi_patterns_are_rows_of_the_hat_matrix():
    x, _, y, _ = problem(40, 90)
    gram = ridge.gram(x)
    factor = ridge.factorise(gram, 20.0)
    pattern = np.zeros((2, 90), np.float32)
    pattern[0, 5:20] = 1.0
    rows = ridge.hat(factor, ridge.cross_gram(factor.gram, gram.mean + pattern))
    predicted = joined(ridge.predict_blocks(rows, blocks(y)), "deviation")
    model, _ = refit(x, y, x, 20.0)
    truth = model.coef_[:, 5:20].sum(axis=1)
    np.testing.assert_allclose(predicted[0], truth, atol=TOLERANCE * np.abs(truth).max())
    assert np.abs(predicted[1]).max() == 0.0


def test_penalty_that_float32_cannot_carry_is_solved_in_float64():
    """Near-duplicate voxels and images: the float32 factor fails, the answer must not."""
    rng = np.random.default_rng(1)
    base = rng.normal(size=(30, 6)) @ rng.normal(size=(6, 80))
    x = (np.vstack([base, base]) + 1e-5 * rng.normal(size=(60, 80))).astype(np.float32)
    y = (x[:, :4] + rng.normal(size=(60, 4))).astype(np.float32)
    gram = ridge.gram(x)
    for alpha in (10.0, 1e-2, 1e-6):
        factor = ridge.factorise(gram, alpha)
        rows = ridge.hat(factor, ridge.cross_gram(factor.gram, x[:9]))
        assert factor.gram.dtype == np.float64
        assert rows.dtype == np.float32
        _, truth = refit(x, y, x[:9], alpha)
        predicted = joined(ridge.predict_blocks(rows, blocks(y)), "deviation")
        assert (np.abs(predicted - truth) / truth.std(axis=0)).max() < TOLERANCE


def test_singular_betas_fall_back_to_eigenvectors():
    """Exact duplicates and a penalty below float64's rounding: minimum-norm least squares."""
    rng = np.random.default_rng(2)
    half = rng.normal(size=(25, 4)).astype(np.float32)
    x = np.hstack([half] * 5)
    x = np.vstack([x, x])
    y = rng.normal(size=(50, 3)).astype(np.float32)
    for betas in (x, x[:12]):
        gram = ridge.gram(betas)
        factor = ridge.factorise(gram, 1e-18)
        assert factor.spectrum is not None
        rows = ridge.hat(factor, ridge.cross_gram(factor.gram, x[:6]))
        targets = y[: len(betas)]
        centred = betas.astype(float) - betas.mean(axis=0, dtype=float)
        weights = np.linalg.pinv(centred, rcond=1e-9) @ (targets - targets.mean(axis=0))
        truth = (x[:6] - betas.mean(axis=0, dtype=float)) @ weights
        predicted = joined(ridge.predict_blocks(rows, blocks(targets)), "deviation")
        np.testing.assert_allclose(predicted, truth, atol=1e-4)


def test_float32_factor_is_kept_where_it_is_good_enough():
    x, _, _, _ = problem(60, 200)
    assert ridge.factorise(ridge.gram(x), 1e3).gram.dtype == np.float32


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf"), "10", None, True])
def test_alpha_must_be_a_positive_number(alpha):
    x, _, _, _ = problem(5, 8)
    with pytest.raises(ValueError, match=r"^alpha: the ridge penalty must be .* above 0") as error:
        ridge.factorise(ridge.gram(x), alpha)
    assert "\n" not in str(error.value)
