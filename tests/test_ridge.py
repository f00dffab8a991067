"""Ridge against scikit-learn in float64, against literal refitting and against plain formulas."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from neurodiffuse import ridge
from neurodiffuse.errors import ConfigError, DataError

TOLERANCE = 1e-4
"""Of the prediction's standard deviation, as promised."""

SHAPES = [(40, 100), (100, 40), (60, 60), (2, 5), (7, 1)]
ALPHAS = [1e-8, 1e-2, 10.0, 1e4, 1e9]


def problem(n, p, t=12, m=9, seed=0):
    """Betas and targets with far means, a constant voxel and a constant target (number 3)."""
    rng = np.random.default_rng(seed)
    x = (3 * rng.normal(size=(n + m, p)) + 5).astype(np.float32)
    if p > 1:
        x[:, 0] = 7.3
    y = 2 * rng.normal(size=(n + m, t)) + 100
    y[:, :6] += 2 * x[:, -1:]
    y[:, 3] = 0.1
    return x[:n], x[n:], y[:n].astype(np.float32), y[n:].astype(np.float32)


def blocks(y, width=5):
    for start in range(0, y.shape[1], width):
        yield slice(start, min(start + width, y.shape[1])), y[:, start : start + width]


def joined(predicted, what="values"):
    return np.concatenate([getattr(block, what) for block in predicted], axis=1)


def hat(gram, alpha, x_new):
    factor = ridge.factorise(gram, alpha)
    return ridge.hat(factor, ridge.cross_gram(factor.gram, x_new))


def refit(x, y, x_new, alpha):
    """Scikit-learn's answer in float64, less the mean of the training targets."""
    model = Ridge(alpha=alpha, solver="svd").fit(x.astype(float), y.astype(float))
    return model, model.predict(x_new.astype(float)) - y.astype(float).mean(axis=0)


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


def test_blocks_do_not_change_the_answer_nor_the_input():
    x, x_new, y, _ = problem(50, 80, t=23)
    gram = ridge.gram(x)
    rows = hat(gram, 3.0, x_new)
    before = y.copy()
    streamed = list(ridge.predict_blocks(rows, blocks(y, 4)))
    whole = next(ridge.predict_blocks(rows, blocks(y, 23)))
    np.testing.assert_allclose(joined(streamed), whole.values, rtol=1e-6)
    np.testing.assert_array_equal(y, before)
    assert [b.columns.start for b in streamed] == [0, 4, 8, 12, 16, 20]
    for block in streamed:
        np.testing.assert_allclose(block.mean, y[:, block.columns].mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(block.sd, y[:, block.columns].std(axis=0), rtol=1e-5, atol=1e-6)
    constant = np.concatenate([b.constant for b in streamed])
    assert np.flatnonzero(constant).tolist() == [3]
    assert (joined(streamed)[:, 3] == np.float32(0.1)).all()


def test_many_rows_and_columns_are_taken_in_stretches():
    """More rows and voxels than one stretch holds, from a file that is only mapped."""
    rng = np.random.default_rng(3)
    for n, p in ((1100, 1300), (2100, 30)):
        x = rng.normal(size=(n, p)).astype(np.float32)
        y = rng.normal(size=(n, 3)).astype(np.float32)
        gram = ridge.gram(x)
        rows = hat(gram, 50.0, x[:5])
        _, truth = refit(x, y, x[:5], 50.0)
        predicted = joined(ridge.predict_blocks(rows, blocks(y)), "deviation")
        assert (np.abs(predicted - truth) / truth.std(axis=0)).max() < TOLERANCE


def test_mapped_betas_and_float16_targets(tmp_path):
    x, x_new, y, _ = problem(40, 60)
    np.save(tmp_path / "x.npy", x)
    mapped = ridge.gram(np.load(tmp_path / "x.npy", mmap_mode="r"))
    np.testing.assert_array_equal(mapped.matrix, ridge.gram(x).matrix)
    half = (y - y.mean(axis=0)).astype(np.float16)
    rows = hat(mapped, 2.0, x_new)
    _, truth = refit(x, half, x_new, 2.0)
    predicted = joined(ridge.predict_blocks(rows, blocks(half)), "deviation")
    assert predicted.dtype == np.float32
    np.testing.assert_allclose(predicted, truth, atol=TOLERANCE * truth.std())


def test_target_that_varies_by_rounding_only_is_constant():
    """The same text encoded in batches of another size differs in the last bit."""
    x, x_new, y, _ = problem(40, 60)
    y[:, 0] = 0.1
    y[::2, 0] = np.nextafter(np.float32(0.1), np.float32(1))
    block = next(ridge.predict_blocks(hat(ridge.gram(x), 1.0, x_new), blocks(y, 12)))
    assert np.flatnonzero(block.constant).tolist() == [0, 3]
    assert (block.deviation[:, 0] == 0).all()
    assert block.sd[0] == 0


@pytest.mark.filterwarnings("error")
def test_alpha_beyond_float32_predicts_the_mean():
    x, x_new, y, _ = problem(40, 60)
    block = next(ridge.predict_blocks(hat(ridge.gram(x), 1e300, x_new), blocks(y, 12)))
    np.testing.assert_allclose(block.values, np.tile(y.mean(axis=0), (9, 1)), rtol=1e-6)
    assert ridge.rescale_block(block, 9, kind="test").flat.all()


def test_constant_voxels_only_give_the_mean():
    x = np.full((10, 4), 0.1, np.float32)
    y = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    gram = ridge.gram(x)
    rows = hat(gram, 1.0, x[:2])
    block = next(ridge.predict_blocks(rows, blocks(y)))
    np.testing.assert_allclose(block.values, np.tile(y.mean(axis=0), (2, 1)), rtol=1e-5)
    done = ridge.rescale_block(block, 2, kind="test")
    assert done.flat.all()
    np.testing.assert_allclose(done.values, block.values, rtol=1e-5)


def test_rescale_test_gives_the_training_mean_and_spread():
    rng = np.random.default_rng(0)
    deviation, y = rng.normal(size=(20, 6)), rng.normal(size=(50, 6)) * 3 + 40
    done = ridge.rescale(deviation, y.mean(axis=0), y.std(axis=0), kind="test")
    z = (deviation - deviation.mean(axis=0)) / deviation.std(axis=0)
    np.testing.assert_allclose(done.values, z * y.std(axis=0) + y.mean(axis=0))
    assert not done.flat.any()


def test_rescale_train_uses_only_the_held_out_rows():
    rng = np.random.default_rng(0)
    deviation, held = rng.normal(size=(20, 6)), rng.normal(size=(30, 6)) * 0.2 + 0.1
    mean, sd = np.arange(6.0), np.arange(1.0, 7.0)
    done = ridge.rescale(deviation, mean, sd, kind="train", held_out=held)
    truth = (deviation - held.mean(axis=0)) / held.std(axis=0) * sd + mean
    np.testing.assert_allclose(done.values, truth)
    one = ridge.rescale(deviation[:1], mean, sd, kind="train", held_out=held)
    np.testing.assert_allclose(one.values, truth[:1])


def test_rescale_none_changes_nothing():
    predicted = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    done = ridge.rescale(predicted, np.array([1.0, 2, 3]), np.ones(3), kind="none")
    np.testing.assert_array_equal(done.values, predicted)
    assert not done.flat.any()


@pytest.mark.parametrize("kind", ["train", "test"])
def test_flat_predictions_become_the_mean_and_are_counted(kind):
    deviation = np.random.default_rng(0).normal(size=(8, 3))
    deviation[:, 1] = 1e-12
    done = ridge.rescale(
        deviation, np.array([5.0, 6, 7]), np.ones(3), kind=kind, held_out=deviation
    )
    assert done.flat.tolist() == [False, True, False]
    assert (done.values[:, 1] == 6).all()
    assert np.isfinite(done.values).all()


def test_tiny_spread_is_not_taken_for_none():
    """However small a huge alpha makes predictions, rescaled they are the same."""
    x, x_new, y, _ = problem(40, 60)
    gram, out = ridge.gram(x), []
    for alpha in (1e9, 1e13):
        rows = hat(gram, alpha, x_new)
        block = next(ridge.predict_blocks(rows, blocks(y, 12)))
        done = ridge.rescale_block(block, len(x_new), kind="test")
        assert np.flatnonzero(done.flat).tolist() == [3]
        out.append(done.values)
    np.testing.assert_allclose(out[0], out[1], rtol=1e-4)


@pytest.mark.parametrize("kind", ["train", "test", "none"])
def test_rescaling_a_block_keeps_small_predictions_on_large_means(kind):
    """A spread of 1e-6 around a mean of 1e4 is lost in float32, but not in the deviations."""
    rng = np.random.default_rng(0)
    deviation = (1e-6 * rng.normal(size=(30, 4))).astype(np.float32)
    mean, sd = np.full(4, 1e4), np.full(4, 2.0)
    block = ridge.Predicted(slice(0, 4), deviation, mean, sd, np.zeros(4, bool))
    done = ridge.rescale_block(block, 10, kind=kind)
    source = deviation[:10] if kind == "test" else deviation[10:]
    truth = (deviation[:10] - source.mean(axis=0)) / source.std(axis=0) * 2 + 1e4
    if kind == "none":
        truth = deviation[:10] + 1e4
    np.testing.assert_allclose(done.values, truth, atol=2e-3)
    assert not done.flat.any()


def test_rescale_says_what_is_wrong():
    one = np.ones((1, 3))
    with pytest.raises(DataError, match="test images, and there is 1"):
        ridge.rescale(one, np.zeros(3), np.ones(3), kind="test")
    with pytest.raises(DataError, match="at least two held-out training images, not 0"):
        ridge.rescale(one, np.zeros(3), np.ones(3), kind="train")
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        ridge.rescale(one, np.zeros(3), np.ones(3), kind="trian")


@pytest.mark.parametrize("alpha", [0, -1.0, float("nan"), float("inf"), "10", None, True])
def test_alpha_must_be_a_positive_number(alpha):
    x, _, _, _ = problem(5, 8)
    with pytest.raises(ValueError, match=r"^alpha: the ridge penalty must be .* above 0") as error:
        ridge.factorise(ridge.gram(x), alpha)
    assert "\n" not in str(error.value)


def test_shapes_that_do_not_fit_are_named():
    x, _, y, _ = problem(10, 8)
    gram = ridge.gram(x)
    with pytest.raises(DataError, match=r"\(rows, 8\)"):
        ridge.cross_gram(gram, x[:, :7])
    broken = x.copy()
    broken[2, 3:5] = np.nan, np.inf
    with pytest.raises(DataError, match="betas of 2 voxels are NaN or infinite"):
        ridge.gram(broken)
    with pytest.raises(DataError, match="none empty"):
        ridge.gram(x[:0])
    with pytest.raises(DataError, match="9 rows for betas of 10"):
        next(ridge.predict_blocks(np.ones((2, 10), np.float32), blocks(y[:9])))
    with pytest.raises(DataError, match="none is empty"):
        next(ridge.predict_blocks(np.ones((0, 10), np.float32), blocks(y)))


def test_column_stats_and_standardise():
    x, x_new, _, _ = problem(2500, 7)
    columns = ridge.column_stats(x)
    np.testing.assert_allclose(columns.mean, x.astype(float).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(columns.sd[1:], x.astype(float).std(axis=0, ddof=1)[1:], rtol=1e-12)
    assert columns.constant.tolist() == [True] + [False] * 6
    z = ridge.standardise(x_new, columns)
    assert (z[:, 0] == 0).all()
    truth = (x_new - x.mean(axis=0, dtype=float))[:, 1:] / x.astype(float).std(axis=0, ddof=1)[1:]
    np.testing.assert_allclose(z[:, 1:], truth, rtol=1e-4, atol=1e-6)
    single = ridge.column_stats(x[:1])
    assert single.constant.all()
    assert (ridge.standardise(x[:1], single) == 0).all()


def test_r_squared_is_scikit_learns():
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    true, predicted = rng.normal(size=(30, 5)), rng.normal(size=(30, 5))
    true[:, 1] = predicted[:, 1] = 2.0
    true[:, 2] = 2.0
    truth = r2_score(true, predicted, multioutput="raw_values")
    np.testing.assert_allclose(ridge.r_squared(true, predicted), truth)


def test_held_out_rows_are_distinct_spread_and_few():
    assert ridge.held_out_rows(5, 1000).tolist() == [0, 1, 2, 3, 4]
    rows = ridge.held_out_rows(8859, 1000)
    assert len(rows) == 1000
    assert (rows[0], rows[-1]) == (0, 8858)
    assert set(np.diff(rows)) <= {8, 9}


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
