"""Predicted latents equal scikit-learn's, refitted in the open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import r2_score

from neurodiffuse import pipeline
from neurodiffuse.decoders.ridge.fitting import groups_of
from neurodiffuse.decoding import Opened
from neurodiffuse.errors import DataError
from neurodiffuse.files import read_json
from neurodiffuse.plan import plan_of
from neurodiffuse.questions.roi_optimal.answers import answer
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.questions.weights.project import project
from neurodiffuse.run import opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.steps.predict import predict
from neurodiffuse.store import LatentFile, load_betas


def predicted(run):
    with opened(run):
        for step in (mask, encode, fit, predict):
            step(run, "01")
    ids = load_betas(run.folder("mask", "01"), "test").ids
    return LatentFile.open(run.folder("predict", "01") / "colour.npy").of(ids).values


def problem(run):
    """Return x, y, x_test as the steps left them, y row by training row."""
    folder = run.folder("mask", "01")
    train, test = load_betas(folder, "train"), load_betas(folder, "test")
    latents = LatentFile.open(run.latents("01", "colour") / "train.npy").rows()
    y = np.stack([latents.values[latents.ids.index(i)] for i in train.ids]).astype(float)
    return np.array(train.values, float), y, np.array(test.values, float), train.ids


@pytest.mark.parametrize("repetitions", ["average", "single"])
def test_predictions_equal_ridge_of_scikit_learn(make_run, repetitions):
    run = make_run(
        "predict.rescale=none", "features.colour.alpha=3", f"mask.repetitions={repetitions}"
    )
    found = predicted(run)
    x, y, new, _ = problem(run)
    expected = Ridge(3.0).fit(x, y).predict(new)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.std())


@pytest.mark.parametrize("repetitions", ["average", "single"])
@pytest.mark.parametrize("alpha", ["3", "loo"])
def test_without_intercept_predictions_lack_the_training_mean(make_run, repetitions, alpha):
    """Takagi & Nishimoto's: a StandardScaler, then himalaya's RidgeCV, fit_intercept=False."""
    run = make_run(
        "predict.rescale=none",
        f"features.colour.alpha={alpha}",
        f"mask.repetitions={repetitions}",
        "features.colour.intercept=false",
    )
    found = predicted(run)
    x, y, new, _ = problem(run)
    chosen = 3.0
    if alpha == "loo":
        chosen = np.load(run.folder("fit", "01") / "colour_alpha.npy")[0]
    expected = Ridge(chosen, fit_intercept=False).fit(x, y).predict(new)
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.std())
    truth = LatentFile.open(run.latents("01", "colour") / "test.npy").rows()
    ids = load_betas(run.folder("mask", "01"), "test").ids
    rows = truth.values[[truth.ids.index(i) for i in ids]]
    r2 = np.load(run.folder("predict", "01") / "colour_r2.npy")
    expected_r2 = r2_score(rows[:, :3], expected[:, :3], multioutput="raw_values")
    np.testing.assert_allclose(r2[:3], expected_r2, atol=1e-3)


def test_targets_in_float16_change_predictions_by_little(make_run):
    plain = predicted(make_run("features.colour.alpha=3", "predict.rescale=none"))
    run = make_run(
        "features.colour.alpha=3", "predict.rescale=none", "encode.dtype=float16", out="half"
    )
    half = predicted(run)
    assert np.load(run.latents("01", "colour") / "train.npy").dtype == np.float16
    error = np.abs(half - plain)[:, :3] / plain[:, :3].std(axis=0)
    assert 0 < error.max() < 2e-3


def test_a_feature_may_have_its_own_voxels(make_run):
    run = make_run("predict.rescale=none", "features.colour.alpha=3", "features.colour.roi=FFA1")
    found = predicted(run)
    x, y, new, _ = problem(run)
    inside = run.dataset.roi("01", "FFA1")[run.dataset.roi("01", "left")]
    expected = Ridge(3.0).fit(x[:, inside], y).predict(new[:, inside])
    np.testing.assert_allclose(found, expected, atol=1e-4 * expected.std())


@pytest.mark.parametrize("repetitions", ["average", "single"])
def test_train_rescaling_uses_held_out_training_images(make_run, repetitions):
    run = make_run("features.colour.alpha=3", f"mask.repetitions={repetitions}")
    found = predicted(run)
    x, y, new, ids = problem(run)
    images = np.array(ids)
    held = np.empty_like(y)
    for image in np.unique(images):
        out = images == image
        held[out] = Ridge(3.0).fit(x[~out], y[~out]).predict(x[out])
    plain = Ridge(3.0).fit(x, y).predict(new)
    with np.errstate(invalid="ignore"):
        expected = (plain - held.mean(0)) / held.std(0) * y.std(0) + y.mean(0)
    np.testing.assert_allclose(found[:, :3], expected[:, :3], atol=1e-3)
    np.testing.assert_allclose(found[:, 3], 1.0)


def test_chosen_penalties_predict_rescale_and_answer(make_run, tmp_path):
    """Leave-one-out per target: scikit-learn chooses, predicts and is refitted for the spread."""
    grid = [10.0, 30.0, 60.0, 100.0, 200.0, 500.0]
    run = make_run(
        "features.colour.alpha=loo",
        f"features.colour.alphas={grid}",
        "features.colour.alpha_per=target",
        "datasets.toy.noise=3.0",
    )
    found = predicted(run)
    x, y, new, _ = problem(run)
    sd = y[:, :3].std(0)
    model = RidgeCV(grid, alpha_per_target=True).fit(x, y[:, :3] / sd)
    folder = run.folder("fit", "01")
    chosen = np.load(folder / "colour_alpha.npy")
    np.testing.assert_allclose(chosen[:3], model.alpha_)
    assert len(set(model.alpha_)) > 1
    held = np.empty((len(x), 3))
    for row in range(len(x)):
        rest = np.arange(len(x)) != row
        held[row] = Ridge(model.alpha_).fit(x[rest], y[rest, :3]).predict(x[[row]])
    plain = Ridge(model.alpha_).fit(x, y[:, :3]).predict(new)
    expected = (plain - held.mean(0)) / held.std(0) * sd + y[:, :3].mean(0)
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-3)
    np.testing.assert_allclose(found[:, 3], 1.0)
    table = np.loadtxt(folder / "colour_alpha.tsv", skiprows=1)
    np.testing.assert_allclose(table[:, 0], grid)
    assert table[:, 2].sum() == 4
    curves = np.load(folder / "colour_alpha_curves.npy")
    np.testing.assert_allclose(table[:, 1], curves[:3].mean(0), atol=1e-5)

    pattern = np.zeros((1, x.shape[1]), np.float32)
    pattern[0, 20:30] = 1
    said = answer(run, "01", "colour", pattern, tmp_path / "said.npy").latents.rows().values
    truth = Ridge(model.alpha_).fit(x, y[:, :3]).predict(pattern) - y[:, :3].mean(0)
    np.testing.assert_allclose(said[:, :3], truth, atol=1e-4)
    weights = Opened(run, "01").fitted("colour").weights("01", "colour", slice(0, 4))
    coef = Ridge(model.alpha_).fit(x, y[:, :3]).coef_
    np.testing.assert_allclose(weights[:, :3].T, coef, atol=1e-4 * np.abs(coef).max())


def test_trials_of_an_image_are_left_out_together_when_alpha_is_chosen(make_run):
    run = make_run(
        "features.colour.alpha=loo",
        "features.colour.alphas=[0.3, 300]",
        "mask.repetitions=single",
        "datasets.toy.noise=3.0",
    )
    predicted(run)
    x, y, _, ids = problem(run)
    y, images = y[:, :3], np.array(ids)
    expected = []
    for alpha in (0.3, 300.0):
        error = 0.0
        for image in np.unique(images):
            out = images == image
            model = Ridge(alpha).fit(x[~out], y[~out])
            error += ((model.predict(x[out]) - y[out]) ** 2).sum()
        expected.append(1 - error / ((y - y.mean(0)) ** 2).sum())
    curves = np.load(run.folder("fit", "01") / "colour_alpha_curves.npy")
    np.testing.assert_allclose(curves[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("per", "expected"),
    [("feature", [0] * 23), ("token", [0] * 4 + [1] * 4 + [2] * 12 + [3] * 3), ("target", None)],
)
def test_targets_are_grouped_by_feature_token_or_not(per, expected):
    groups = groups_of(((2, 4), (3, 2, 2), (3,)), per)
    assert (None if groups is None else groups.tolist()) == expected


@pytest.mark.parametrize("settings", [(), ("datasets.toy.test=13", "encode.dtype=float16")])
def test_predicted_and_true_latents_lie_in_one_order(make_run, settings):
    """Row by row they belong together, whatever the order of presentation."""
    words = ("features.words.encoder=words", "features.words.alpha=3")
    run = make_run(*settings, *words, "predict.rescale=none")
    predicted(run)
    x, y, new, _ = problem(run)
    shown = load_betas(run.folder("mask", "01"), "test").ids
    for feature in run.config.features:
        true = LatentFile.open(run.latents("01", feature) / "test.npy").rows()
        made = LatentFile.open(run.folder("predict", "01") / f"{feature}.npy").rows()
        assert made.ids == true.ids == tuple(sorted(shown)) != shown
        if feature == "colour":
            assert np.corrcoef(true.values[:, 0], made.values[:, 0])[0, 1] > 0.9
            rows = [shown.index(image) for image in made.ids]
            expected = Ridge(1.0).fit(x, y).predict(new)[rows]
            np.testing.assert_allclose(made.values, expected, atol=2e-3)


def test_features_of_different_regions_are_predicted_from_their_own(make_run):
    """As many voxels and the same type of arithmetic do not make them the same."""
    run = make_run(
        "features.colour.roi=V1",
        "features.other.encoder=colour",
        "features.other.roi=left-V1-FFA1",
        "features.other.alpha=1",
        "predict.rescale=none",
        "datasets.toy.noise=2.0",
    )
    predicted(run)
    x, y, new, _ = problem(run)
    ids = load_betas(run.folder("mask", "01"), "test").ids
    for feature, inside in (("colour", slice(0, 20)), ("other", slice(30, 60))):
        expected = Ridge(1.0).fit(x[:, inside], y).predict(new[:, inside])
        found = LatentFile.open(run.folder("predict", "01") / f"{feature}.npy").of(ids).values
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_test_rescaling_is_the_published_one(make_run):
    run = make_run("predict.rescale=test", "features.colour.alpha=3")
    found = predicted(run)
    x, y, new, _ = problem(run)
    plain = Ridge(3.0).fit(x, y).predict(new)
    with np.errstate(invalid="ignore"):
        expected = (plain - plain.mean(0)) / plain.std(0) * y.std(0) + y.mean(0)
    np.testing.assert_allclose(found[:, :3], expected[:, :3], atol=1e-3)


def test_a_synthetic_pattern_is_one_more_row(make_run):
    run = make_run("features.colour.alpha=3")
    predicted(run)
    x, y, _, _ = problem(run)
    pattern = np.zeros((1, x.shape[1]), np.float32)
    pattern[0, 20:30] = 1
    found = np.hstack([b.values for b in Opened(run, "01").predict("colour", pattern)])
    np.testing.assert_allclose(found, Ridge(3.0).fit(x, y).predict(pattern), atol=1e-4)


def test_small_penalty_is_stored_and_opened_as_fitted(make_run):
    run = make_run("features.colour.alpha=1e-9", "predict.rescale=none", mask="all")
    found = predicted(run)
    x, y, new, _ = problem(run)
    expected = Ridge(1e-9, solver="svd").fit(x, y).predict(new)
    np.testing.assert_allclose(found, expected, atol=1e-3 * expected.std())


def test_scores_of_predictions_are_of_the_right_images(make_run):
    """Test images are seen in an order that is not that of their names."""
    run = make_run("features.colour.alpha=3", "datasets.toy.test=12", "predict.rescale=none")
    found = predicted(run)
    about = read_json(run.folder("predict", "01") / "features.json")["colour"]
    ids = run.subject("01").trials.images("test")
    assert list(ids) != sorted(ids)
    true = np.array([run.dataset._colour(i) for i in ids])
    r2 = np.load(run.folder("predict", "01") / "colour_r2.npy")
    np.testing.assert_allclose(
        r2[:3], r2_score(true, found[:, :3], multioutput="raw_values"), atol=0.02
    )
    assert about["identification"] > 0.9


def test_report_shows_which_penalties_were_chosen(make_run):
    run = make_run(
        "features.colour.alpha=gcv",
        "features.colour.alphas=[0.1, 1, 5]",
        "features.colour.alpha_per=target",
        "datasets.toy.noise=1.0",
    )
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Penalty of colour" in page
    assert "100% of the targets of colour chose the largest penalty" in page
    assert "5 (gcv)" in page
    assert "penalty chosen for each target by generalised cross-validation" in page


@pytest.mark.parametrize("per", ["feature", "target"])
def test_a_feature_that_no_penalty_predicts_is_told_on_the_terminal_and_in_the_report(
    make_run, capsys, per
):
    """Every voxel is noise; the constant fourth target is not counted."""
    run = make_run(
        "features.colour.alpha=gcv",
        f"features.colour.alpha_per={per}",
        "datasets.toy.noise=1e6",
        "datasets.toy.train=60",
    )
    said = "colour: no penalty predicts left-out training images better than their mean"
    run = replace(run, quiet=False)
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    page = (run.path / "report.html").read_text(encoding="utf-8")
    assert f"sub-01 warning: {said}" in capsys.readouterr().err
    assert f"sub-01: warning: {said}" in page
    assert "chose the largest penalty that was offered; with it left-out training" in page


def test_bands_scale_betas_patterns_and_weights(make_run, tmp_path):
    run = make_run(
        "features.colour.alpha=gcv",
        "features.colour.bands=['V1', 'FFA1+V1']",
        "predict.rescale=none",
        "datasets.toy.noise=3.0",
    )
    found = predicted(run)
    x, y, new, _ = problem(run)
    folder = run.folder("fit", "01")
    tried = np.loadtxt(folder / "colour_bands.tsv", skiprows=1)
    best = tried[tried[:, 3].argmax(), :3]
    band = np.where(np.arange(60) < 20, 0, np.where(np.arange(60) < 30, 1, 2))
    scale = np.sqrt(best)[band]
    alpha = np.load(folder / "colour_alpha.npy")[0]
    model = Ridge(alpha).fit(x * scale, y)
    expected = model.predict(new * scale)
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.std(axis=0).max())

    pattern = np.zeros((1, 60), np.float32)
    pattern[0, 15:35] = 1
    said = answer(run, "01", "colour", pattern, tmp_path / "said.npy").latents.rows().values
    truth = model.predict(pattern * scale) - y.mean(0)
    np.testing.assert_allclose(said, truth, atol=1e-4)
    (whole,) = project(run, "01", "colour", [Part(0, 4)], patterns=True)
    coef = model.coef_ * scale
    np.testing.assert_allclose(whole.weight, np.abs(coef).sum(0), rtol=2e-3)
    read = (x - x.mean(0)) @ coef.T[:, :3]
    pattern = (x - x.mean(0)).T @ read / (len(x) - 1) / read.std(0, ddof=1)
    np.testing.assert_allclose(whole.pattern, np.abs(pattern).sum(1), rtol=2e-3)


def test_a_band_without_a_voxel_is_told(make_run):
    run = make_run("features.colour.alpha=gcv", "features.colour.bands=['V1', 'V1']")
    with pytest.raises(DataError, match=r"features.colour.bands: 'V1' has no voxel of sub-01"):
        predicted(run)
