"""Choosing the penalty, against scikit-learn, against literal refitting and plain formulas."""

import warnings

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV

from neurodiffuse.decoders import columns, ridge
from neurodiffuse.decoders.ridge import left_out_error
from neurodiffuse.errors import ConfigError, DataError

SHAPES = [(50, 120), (120, 50), (60, 60), (12, 3)]
GRID = np.logspace(-1, 5, 9)


def problem(n, p, t=14, seed=0):
    """Targets of falling signal, far means and different units; number 3 is constant."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(n, p)) * np.geomspace(5, 0.5, p) + 4).astype(np.float32)
    signal = x.astype(float) @ rng.normal(size=(p, t))
    signal /= signal.std(axis=0)
    y = signal + rng.normal(size=(n, t)) * np.geomspace(0.1, 10, t)
    y = y * np.geomspace(1e-3, 1e3, t) + 50
    y[:, 3] = 7.0
    return x, y.astype(np.float32)


def blocks(y, width=5):
    for start in range(0, y.shape[1], width):
        yield slice(start, min(start + width, y.shape[1])), y[:, start : start + width]


def select(x, y, alphas=GRID, **more):
    spectrum = ridge.decompose(ridge.gram(x), min(alphas))
    return ridge.select_alphas(spectrum, alphas, blocks(y), **more)


def standardised(y):
    y = y.astype(float) - y.mean(axis=0, dtype=float)
    return y / np.where(y.std(axis=0) > 1e-5, y.std(axis=0), np.inf)


def hat_matrix(x, alpha):
    """H of the training rows, the intercept included, the plain way."""
    x = x.astype(float) - x.mean(axis=0, dtype=float)
    n, p = x.shape
    return x @ np.linalg.solve(x.T @ x + alpha * np.eye(p), x.T) + 1 / n


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_leave_one_out_is_scikit_learns(n, p):
    x, y = problem(n, p)
    found = select(x, y, method="loo")
    varies = np.arange(14) != 3
    model = RidgeCV(GRID, alpha_per_target=True, store_cv_results=True)
    model.fit(x.astype(float), standardised(y)[:, varies])
    expected = 1 - model.cv_results_.mean(axis=0)
    np.testing.assert_allclose(found.curves[varies], expected, atol=2e-5, rtol=2e-4)
    np.testing.assert_allclose(found.alphas[found.choice[varies]], model.alpha_)
    assert np.isnan(found.curves[3]).all()


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_gcv_is_its_definition(n, p):
    x, y = problem(n, p)
    found, z = select(x, y, method="gcv"), standardised(y)
    for k, alpha in enumerate(GRID):
        hat = hat_matrix(x, alpha)
        rest = z - hat @ z
        error = (rest**2).mean(axis=0) / (1 - np.trace(hat) / n) ** 2
        expected = np.where(np.arange(14) == 3, np.nan, 1 - error)
        np.testing.assert_allclose(found.curves[:, k], expected, atol=2e-5, rtol=2e-4)


@pytest.mark.parametrize(("n", "p"), SHAPES[:2])
def test_rows_left_out_together_are_refitted_without(n, p):
    """Groups of 1, 2, 4 and the rest of the rows."""
    x, y = problem(n, p, t=4)
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2, 3, 4], [1, 2, 4, 4, n - 11]))
    grid = [5.0, 500.0]
    found, z = select(x, y, grid, method="loo", leave_out=labels), standardised(y)
    for k, alpha in enumerate(grid):
        error = np.zeros(4)
        for label in range(5):
            out = labels == label
            model = Ridge(alpha).fit(x[~out].astype(float), z[~out])
            error += ((model.predict(x[out].astype(float)) - z[out]) ** 2).sum(axis=0)
        expected = np.where(np.arange(4) == 3, np.nan, 1 - error / n)
        np.testing.assert_allclose(found.curves[:, k], expected, atol=1e-4)


def test_single_precision_is_enough_for_choosing(monkeypatch):
    from neurodiffuse.decoders.ridge import spectrum

    x, y = problem(80, 200)
    double = select(x, y)
    monkeypatch.setattr(spectrum, "SMALL", 0)
    single = select(x, y)
    # float32 was used, and float64 where it would not do
    gram = ridge.gram(x)
    assert ridge.decompose(gram, 1.0).vectors.dtype == np.float32
    assert ridge.decompose(gram, 1e-3).vectors.dtype == np.float64
    assert ridge.decompose(gram, 1.0, predict=True).vectors.dtype == np.float64
    np.testing.assert_allclose(single.curves, double.curves, atol=5e-3)
    np.testing.assert_array_equal(single.choice, double.choice)


def test_groups_choose_together_and_targets_count_by_their_variance():
    x, y = problem(60, 90)
    y = (y - 50) * np.geomspace(1e2, 1e-2, 14)  # spreads that differ tenfold, not millionfold
    y[:, 3] = 7.0
    y = y.astype(np.float32)
    groups = np.repeat([0, 1, 2], [5, 3, 6])
    varies = np.arange(14) != 3
    each = select(x, y, method="loo")
    found = select(x, y, method="loo", groups=groups)
    for group in range(3):
        inside = (groups == group) & varies
        expected = np.average(each.curves[inside], axis=0, weights=y.var(axis=0)[inside])
        np.testing.assert_allclose(found.curves[group], expected, atol=1e-5)
        assert len(np.unique(found.choice[groups == group])) == 1


@pytest.mark.parametrize("method", ["gcv", "loo"])
def test_a_sketch_stands_for_a_large_group(method):
    rng = np.random.default_rng(3)
    x = (rng.normal(size=(150, 300)) * np.geomspace(5, 0.1, 300)).astype(np.float32)
    signal = x @ rng.normal(size=(300, 400)) / 60
    y = (signal + rng.normal(size=signal.shape) * np.repeat([0.3, 3.0], 200)).astype(np.float32)
    groups, grid = np.repeat([0, 1], 200), np.logspace(0, 6, 13)
    each = select(x, y, grid, method=method)
    found = select(x, y, grid, method=method, groups=groups)
    spread = y.var(axis=0)
    inside = [groups == g for g in (0, 1)]
    exact = np.stack([np.average(each.curves[i], axis=0, weights=spread[i]) for i in inside])
    assert found.choice[0] < found.choice[-1]
    for g in (0, 1):
        lost = exact[g].max() - exact[g][found.choice[groups == g][0]]
        assert lost < 2e-3
    again = select(x, y, grid, method=method, groups=groups)
    np.testing.assert_array_equal(found.curves, again.curves)


def test_gcv_and_leave_one_out_choose_equally_well():
    """The promise: mean held-out R² within 1e-3."""
    rng = np.random.default_rng(5)
    x = (rng.normal(size=(900, 500)) * np.geomspace(5, 0.1, 500)).astype(np.float32)
    y = x @ rng.normal(size=(500, 60)) / 40 + rng.normal(size=(900, 60)) * np.geomspace(0.3, 5, 60)
    y = y.astype(np.float32)
    scores = []
    for method in ("gcv", "loo"):
        spectrum = ridge.decompose(ridge.gram(x[:400]), 1.0)
        found = ridge.select_alphas(spectrum, np.logspace(0, 6, 15), blocks(y[:400]), method=method)
        hats = ridge.Hats(
            tuple(
                ridge.hat(f, ridge.cross_gram(f.gram, x[400:]))
                for f in (spectrum.factor(a) for a in found.alphas)
            ),
            found.choice,
        )
        predicted = np.concatenate(
            [b.values for b in ridge.predict_blocks(hats, blocks(y[:400]))], axis=1
        )
        scores.append(columns.r_squared(y[400:], predicted).mean())
    assert abs(scores[0] - scores[1]) < 1e-3
    assert min(scores) > 0.2


@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_each_target_is_predicted_and_weighted_with_its_own_penalty(n, p):
    x, y = problem(n, p)
    spectrum = ridge.decompose(ridge.gram(x), 3.0, predict=True)
    alphas, choice = (3.0, 300.0, 3e4), np.arange(14) % 3
    factors = tuple(spectrum.factor(a) for a in alphas)
    new = problem(7, p, seed=9)[0]
    left_out = np.array([1, n - 1])
    hats = ridge.Hats(
        tuple(
            np.vstack(
                [
                    ridge.hat(f, ridge.cross_gram(f.gram, new)),
                    ridge.leave_out_hat(f, left_out),
                ]
            )
            for f in factors
        ),
        choice,
    )
    found = list(ridge.predict_blocks(hats, blocks(y)))
    deviation = np.concatenate([b.deviation for b in found], axis=1)
    weights = np.concatenate(
        [w for _, w in ridge.weight_blocks(ridge.weight_map_of_each(factors, choice), blocks(y))],
        axis=1,
    )
    for t in range(14):
        model = Ridge(alphas[choice[t]], solver="svd").fit(x.astype(float), y[:, t].astype(float))
        scale = y[:, t].std() + 1e-9
        truth = model.predict(new.astype(float)) - y[:, t].mean(dtype=float)
        assert np.abs(deviation[:7, t] - truth).max() < 1e-4 * scale
        assert np.abs(weights[:, t] - model.coef_).max() < 1e-4 * max(
            np.abs(model.coef_).max(), 1e-9
        )
        for k, row in enumerate(left_out):
            rest = np.arange(n) != row
            model = Ridge(alphas[choice[t]], solver="svd")
            model.fit(x[rest].astype(float), y[rest, t].astype(float))
            truth = model.predict(x[[row]].astype(float))[0] - y[:, t].mean(dtype=float)
            assert abs(deviation[7 + k, t] - truth) < 1e-3 * scale
    np.testing.assert_allclose(np.concatenate([b.sd for b in found]), y.std(axis=0), rtol=1e-3)


def test_default_grid_lies_around_the_mean_eigenvalue():
    x, _ = problem(40, 90)
    centred = x.astype(float) - x.mean(axis=0, dtype=float)
    mean = np.linalg.svd(centred, compute_uv=False).__pow__(2).sum() / 40
    grid = ridge.default_alphas(ridge.gram(x))
    np.testing.assert_allclose(grid / mean, np.logspace(-2, 4, 25), rtol=1e-5)
    wide = ridge.default_alphas(ridge.gram(np.ones((5, 4), np.float32)))
    np.testing.assert_allclose(wide, np.logspace(-2, 4, 25))


def test_penalty_too_small_to_leave_anything_out_is_never_chosen():
    x, y = problem(30, 90)
    for method in ("gcv", "loo"):
        found = select(x, y, [1e-9, 1e-8, 50.0], method=method)
        assert (found.choice == 2).all()
        assert not np.isfinite(found.curves[0, 0])


def test_what_cannot_be_chosen_is_told():
    x, y = problem(20, 30)
    with pytest.raises(ConfigError, match=r"'gvc'.*Did you mean 'gcv'"):
        select(x, y, method="gvc")
    for grid in ([], [1.0, 0.0], [np.nan]):
        with pytest.raises(ConfigError, match="penalties above 0"):
            ridge.select_alphas(ridge.decompose(ridge.gram(x), 1.0), grid, blocks(y))
    with pytest.raises(ConfigError, match="by 'loo' only"):
        select(x, y, leave_out=np.arange(20))
    with pytest.raises(DataError, match="3 labels to leave out for 20"):
        select(x, y, method="loo", leave_out=np.arange(3))
    with pytest.raises(DataError, match="nothing to predict from"):
        select(x, y, method="loo", leave_out=np.zeros(20))
    with pytest.raises(DataError, match="never fall"):
        select(x, y, groups=np.array([0, 1, 0, *[1] * 11]))
    with pytest.raises(DataError, match="2 training rows"):
        select(x[:2], y[:2])


def test_rows_in_batches_give_the_same(monkeypatch):
    x, y = problem(50, 70, t=4)
    labels = np.arange(50) // 2
    alone, pairs = select(x, y, method="loo"), select(x, y, method="loo", leave_out=labels)
    monkeypatch.setattr(left_out_error, "TOGETHER", 7)
    np.testing.assert_allclose(select(x, y, method="loo").curves, alone.curves)
    np.testing.assert_allclose(select(x, y, method="loo", leave_out=labels).curves, pairs.curves)


@pytest.mark.parametrize("per", ["target", "all"])
@pytest.mark.parametrize(("n", "p"), SHAPES)
def test_estimator_is_scikit_learns_ridge_cv(n, p, per):
    x, y = problem(n, p)
    z = standardised(y)[:, np.arange(14) != 3] * np.geomspace(0.1, 10, 13)
    z += np.arange(13)
    model = ridge.MultiTargetRidge("loo", GRID, per).fit(x.astype(float), z)
    truth = RidgeCV(GRID, alpha_per_target=per == "target").fit(x.astype(float), z)
    np.testing.assert_allclose(model.alpha_, truth.alpha_)
    np.testing.assert_allclose(model.coef_, truth.coef_, atol=1e-8)
    np.testing.assert_allclose(model.intercept_, truth.intercept_, atol=1e-7)
    assert model.curves_.shape == (13 if per == "target" else 1, len(GRID))


def test_estimator_leaves_out_groups():
    """Repeated trials of an image: alone, each is predicted by its siblings."""
    rng = np.random.default_rng(0)
    images = np.repeat(np.arange(30), 4)
    y = np.repeat(rng.normal(size=(30, 3)), 4, axis=0)
    x = np.repeat(rng.normal(size=(30, 60)), 4, axis=0) + 0.1 * rng.normal(size=(120, 60))
    alone = ridge.MultiTargetRidge("loo", GRID, "all").fit(x, y)
    together = ridge.MultiTargetRidge("loo", GRID, "all").fit(x, y, groups=images)
    assert alone.alpha_ < together.alpha_
    assert alone.curves_.max() > 0.9 > 0.1 > together.curves_.max()


@pytest.mark.parametrize("per", ["target", "all"])
def test_estimator_warns_where_no_penalty_predicts(per):
    rng = np.random.default_rng(2)
    x, noise = rng.normal(size=(40, 8)), rng.normal(size=(40, 3))
    grid = [1e-3, 1e-2, 0.1]  # of pure noise, too small a penalty predicts worse than the mean
    model = ridge.MultiTargetRidge("loo", grid, per)
    with pytest.warns(UserWarning, match="none of the 3 penalties predicts left-out samples"):
        model.fit(x, noise)
    assert RidgeCV(grid, store_cv_results=True).fit(x, noise).best_score_ < -noise.var()
    np.testing.assert_array_equal(model.predictable_, [False] * 3)
    mixed = np.column_stack([noise[:, 0], 9 * x[:, 0], np.ones(40)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, mixed)
    expected = [False, True, False] if per == "target" else [True] * 3
    np.testing.assert_array_equal(model.predictable_, expected)


def test_estimator_says_what_it_can_choose():
    x, y = problem(20, 30)
    with pytest.raises(ConfigError, match=r"alpha: 'cv' is none of: gcv, loo\. Did you mean"):
        ridge.MultiTargetRidge("cv").fit(x, y)
    with pytest.raises(ConfigError, match="alpha_per: 'feature' is none of"):
        ridge.MultiTargetRidge("gcv", alpha_per="feature").fit(x, y)
    with pytest.raises(ConfigError, match="number above 0"):
        ridge.MultiTargetRidge("gcv", alphas=[1.0, -1.0]).fit(x, y)
    with pytest.raises(ConfigError, match="no penalty to choose"):
        ridge.MultiTargetRidge("gcv", alphas=[]).fit(x, y)


def test_himalaya_chooses_as_well():
    """Mean held-out R² within 1e-3 of cross-validated kernel ridge on the same grid."""
    himalaya = pytest.importorskip("himalaya.kernel_ridge")
    rng = np.random.default_rng(1)
    x = (rng.normal(size=(1500, 300)) * np.geomspace(5, 0.5, 300)).astype(np.float32)
    y = x @ rng.normal(size=(300, 80)) / 30
    y = (y + rng.normal(size=y.shape) * np.geomspace(1, 4, 80)).astype(np.float32)
    grid, first = np.logspace(0, 5, 10), slice(0, 700)
    x -= x[first].mean(axis=0)
    y -= y[first].mean(axis=0)
    theirs = (
        himalaya.KernelRidgeCV(alphas=grid, cv=5, warn=False)
        .fit(x[first], y[first])
        .predict(x[700:])
    )
    ours = ridge.MultiTargetRidge("gcv", alphas=grid).fit(x[first], y[first]).predict(x[700:])
    scores = [columns.r_squared(y[700:], np.asarray(made)).mean() for made in (theirs, ours)]
    assert scores[1] > 0.2
    assert abs(scores[0] - scores[1]) < 1e-3


def test_bands_of_noise_are_scaled_down():
    """Two of three bands carry nothing: the choice predicts held-out rows better than no bands."""
    rng = np.random.default_rng(4)
    bands = np.repeat([0, 1, 2], [20, 200, 200])
    x = rng.normal(size=(400, 420)).astype(np.float32)
    y = (x[:, :20] @ rng.normal(size=(20, 50)) + 6 * rng.normal(size=(400, 50))).astype(np.float32)
    train, test = slice(0, 200), slice(200, 400)
    found = ridge.choose_bands(x[train], bands, blocks(y[train]), 50, candidates=12)
    scores = []
    for scale in (1.0, found.scale):
        model = ridge.MultiTargetRidge("gcv", alpha_per="all").fit(x[train] * scale, y[train])
        scores.append(columns.r_squared(y[test], model.predict(x[test] * scale)).mean())
    assert scores[1] > scores[0] + 0.1
    share = found.shares[found.r2.argmax()]
    assert share[0] == share.max()
    np.testing.assert_allclose(found.scale, np.sqrt(share)[bands], rtol=1e-6)
    np.testing.assert_allclose(found.shares.mean(axis=1), 1.0)
    np.testing.assert_array_equal(found.shares[0], 1.0)
    again = ridge.choose_bands(x[train], bands, blocks(y[train]), 50, candidates=12)
    np.testing.assert_array_equal(found.r2, again.r2)


def test_a_candidate_scores_as_the_scaled_betas_do():
    x, y = problem(40, 60, t=10)
    y = y * np.geomspace(1e2, 1e-3, 10, dtype=np.float32)
    bands = np.arange(60) % 2
    found = ridge.choose_bands(x, bands, blocks(y), 10, candidates=3, alphas=GRID, method="loo")
    for share, r2 in zip(found.shares, found.r2, strict=True):
        scaled = x.astype(float) * np.sqrt(share)[bands]
        model = RidgeCV(GRID, store_cv_results=True)
        model.fit(scaled, y)
        error = model.cv_results_.sum(axis=(0, 1)).min() / y.var(axis=0, dtype=float).sum()
        assert r2 == pytest.approx(1 - error / len(x), abs=1e-4)


def test_bands_that_do_not_fit_are_told():
    x, y = problem(20, 30)
    for wrong in (np.zeros(29, np.intp), np.repeat([0, 2], 15)):
        with pytest.raises(DataError, match="counted from 0 without gaps"):
            ridge.choose_bands(x, wrong, blocks(y), 14)


@pytest.mark.parametrize("method", ["gcv", "loo"])
def test_targets_are_multiplied_in_their_own_type(method, monkeypatch):
    """Eigenvectors of few images are float64, which would take twice as long."""
    x, y = problem(40, 100)
    spectrum = ridge.decompose(ridge.gram(x), 1.0)
    assert spectrum.vectors.dtype == np.float64
    sent, real = [], type(ridge.BLAS).multiplier
    monkeypatch.setattr(
        type(ridge.BLAS), "multiplier", lambda own, m: sent.append(m.dtype) or real(own, m)
    )
    ridge.select_alphas(spectrum, np.array([1.0, 10.0]), blocks(y), method=method)
    assert sent == [np.float32]
