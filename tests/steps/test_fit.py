"""Training rows that are left out together, against scikit-learn refitted without them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score, silhouette_score
from sklearn.model_selection import LeaveOneGroupOut

from neurodiffuse.config import vary
from neurodiffuse.config.ridge import in_words
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.files import read_json
from neurodiffuse.run import opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.steps.predict import predict
from neurodiffuse.store import LatentFile, load_betas

GRID = [0.3, 30.0, 3000.0]
CHOSEN = ("features.colour.alpha=loo", f"features.colour.alphas={GRID}", "datasets.toy.noise=2.0")
SESSION = "features.colour.leave_out=session"
SINGLE = "mask.repetitions=single"


def fitted(run, *steps):
    with opened(run):
        for step in (mask, encode, fit, *steps):
            step(run, "01")
    return run.folder("fit", "01")


def problem(run):
    """Return x, colours, the image of each row and x_test, as the steps left them."""
    folder = run.folder("mask", "01")
    train, test = load_betas(folder, "train"), load_betas(folder, "test")
    latents = LatentFile.open(run.latents("01", "colour") / "train.npy").rows()
    y = np.stack([latents.values[latents.ids.index(i)] for i in train.ids]).astype(float)[:, :3]
    return np.array(train.values, float), y, np.array(train.ids), np.array(test.values, float)


def sessions(run):
    trials = run.subject("01").trials
    pairs = zip(trials.session, trials.split, strict=True)
    return np.array([session for session, split in pairs if split == "train"])


def left_out(x, y, images, groups, alpha):
    """Predict each group from rows that are neither of it nor of its images."""
    made = np.empty_like(y)
    for group in np.unique(groups):
        asked = groups == group
        rest = ~np.isin(images, images[asked])
        assert 5 < rest.sum() < len(x) - 5
        made[asked] = Ridge(alpha).fit(x[rest], y[rest]).predict(x[asked])
    return made


def scores(x, y, images, groups):
    errors = [((y - left_out(x, y, images, groups, a)) ** 2).sum() for a in GRID]
    return 1 - np.array(errors) / ((y - y.mean(0)) ** 2).sum()


def test_penalty_is_chosen_by_leaving_out_sessions_and_never_by_another_trial(make_run):
    run = make_run(*CHOSEN, SINGLE, SESSION)
    folder = fitted(run)
    x, y, images, _ = problem(run)
    groups = np.load(folder / "colour_leave_out.npy")
    found = np.load(folder / "colour_alpha_curves.npy")[0]
    expected = scores(x, y, images, sessions(run))
    np.testing.assert_array_equal(groups, (sessions(run) == "2").astype(int))
    np.testing.assert_allclose(found, expected, atol=2e-4)
    plain = fitted(make_run(*CHOSEN, SINGLE, out="plain")) / "colour_alpha_curves.npy"
    assert np.abs(np.load(plain)[0] - expected).max() > 0.01


def test_rescaling_takes_its_statistics_from_left_out_sessions(make_run):
    run = make_run("features.colour.alpha=30", "datasets.toy.noise=2.0", SINGLE, SESSION)
    fitted(run, predict)
    x, y, images, new = problem(run)
    made = left_out(x, y, images, sessions(run), 30.0)
    expected = (Ridge(30.0).fit(x, y).predict(new) - made.mean(0)) / made.std(0)
    expected = expected * y.std(0) + y.mean(0)
    ids = load_betas(run.folder("mask", "01"), "test").ids
    found = LatentFile.open(run.folder("predict", "01") / "colour.npy").of(ids).values[:, :3]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_fewer_calibration_rows_than_a_session_has(make_run):
    run = make_run("features.colour.alpha=30", SINGLE, SESSION, "predict.calibration=10")
    fitted(run, predict)
    x, y, images, new = problem(run)
    rows = np.flatnonzero(sessions(run) == "1")
    rows = rows[np.linspace(0, len(rows) - 1, 10).round().astype(int)]
    made = left_out(x, y, images, sessions(run), 30.0)[rows]
    expected = (Ridge(30.0).fit(x, y).predict(new) - made.mean(0)) / made.std(0)
    ids = load_betas(run.folder("mask", "01"), "test").ids
    found = LatentFile.open(run.folder("predict", "01") / "colour.npy").of(ids).values[:, :3]
    np.testing.assert_allclose(found, expected * y.std(0) + y.mean(0), atol=1e-3)


@pytest.mark.parametrize("repetitions", ["average", "single"])
def test_penalty_is_chosen_by_leaving_out_clusters_of_images(make_run, repetitions):
    run = make_run(
        *CHOSEN, "features.colour.leave_out=cluster:4", f"mask.repetitions={repetitions}"
    )
    folder = fitted(run)
    x, y, images, _ = problem(run)
    groups = np.load(folder / "colour_leave_out.npy")
    assert read_json(folder / "fit.json")["colour"]["left_out_groups"] == 4
    assert len(set(zip(images, groups, strict=True))) == len(set(images))
    z = (y - y.mean(0)) / y.std(0)
    assert silhouette_score(z, groups) > silhouette_score(z, np.arange(len(z)) % 4) + 0.2
    made = []
    for alpha in GRID:
        error = 0.0
        for rest, asked in LeaveOneGroupOut().split(x, y, groups):
            error += ((Ridge(alpha).fit(x[rest], y[rest]).predict(x[asked]) - y[asked]) ** 2).sum()
        made.append(1 - error / ((y - y.mean(0)) ** 2).sum())
    found = np.load(folder / "colour_alpha_curves.npy")[0]
    np.testing.assert_allclose(found, made, atol=2e-4)
    with opened(run):
        run.folder("fit", "01").rename(run.path / "first")
        fit(run, "01")
    np.testing.assert_array_equal(np.load(folder / "colour_leave_out.npy"), groups)


def test_clusters_may_be_those_of_another_feature_and_choose_bands(make_run):
    run = make_run(
        *CHOSEN,
        "features.numbers.encoder=words",
        "features.numbers.alpha=1",
        "features.colour.leave_out=cluster:3:numbers",
        "features.colour.bands=['V1']",
    )
    folder = fitted(run)
    x, y, images, _ = problem(run)
    groups = np.load(folder / "colour_leave_out.npy")
    numbers = np.array([int(image[1:]) for image in images])
    spans = sorted((numbers[groups == g].min(), numbers[groups == g].max()) for g in range(3))
    assert all(low[1] < high[0] for low, high in pairwise(spans))
    tried = np.loadtxt(folder / "colour_bands.tsv", skiprows=1)
    scale = np.sqrt(np.where(np.arange(x.shape[1]) < 20, tried[5, 0], tried[5, 1]))
    assert tried[5, 2] == pytest.approx(max(scores(x * scale, y, images, groups)), abs=2e-4)


def test_what_cannot_be_left_out_is_told_before_anything_is_solved(make_run):
    with pytest.raises(DataError, match=r"colour.leave_out: 'session', and image 'i\d+' is an av"):
        fitted(make_run(*CHOSEN, SESSION))
    with pytest.raises(DataError, match="41 clusters of 40 training images"):
        fitted(make_run(*CHOSEN, "features.colour.leave_out=cluster:41", out="many"))
    constant = "features.colour.leave_out=cluster:2:numbers"
    with pytest.raises(ConfigError, match="leave_out: no feature is called 'numbers'"):
        make_run(*CHOSEN, constant)


@pytest.mark.parametrize(
    "text", ["sessions", "cluster", "cluster:1", "cluster:x", "cluster:5:", "session:2", "", "3"]
)
def test_unknown_ways_to_leave_out_are_refused(make_run, text):
    with pytest.raises(ConfigError, match=r"features\.colour\.leave_out: "):
        make_run("features.colour.alpha=loo", f"features.colour.leave_out={text}")


def test_gcv_leaves_out_single_rows_only(make_run):
    with pytest.raises(ConfigError, match="Write alpha = 'loo'"):
        make_run("features.colour.alpha=gcv", SESSION, SINGLE)


@pytest.mark.parametrize("rescale", ["test", "none"])
def test_leaving_out_that_would_change_nothing_is_refused(make_run, rescale):
    settings = (SESSION, SINGLE, f"predict.rescale={rescale}")
    with pytest.raises(ConfigError, match=r"colour\.leave_out: 'session' would change nothing"):
        make_run("features.colour.alpha=5", *settings)
    for effective in ("features.colour.alpha=loo", "predict.rescale=train"):
        make_run("features.colour.alpha=5", *settings, effective)


def test_a_run_of_other_labels_is_refitted(make_run):
    run = make_run(*CHOSEN)
    other = vary(run.registry, run.config, ["features.colour.leave_out=cluster:4"])
    assert other.first_difference(run.config.to_dict())[0] == "fit"
    assert "leaving out 4 clusters of images" in in_words(other.features["colour"])


def test_each_penalty_has_the_factor_of_the_same_gram_matrix(make_run, monkeypatch):
    """The last one takes the matrix's memory, but never before others or a choice have used it."""
    monkeypatch.setattr(
        "neurodiffuse.decoders.ridge.spectrum.SMALL", 0
    )  # as a large matrix is treated
    words = ("features.words.encoder=words", "features.words.alpha=3.0")
    for settings in (("features.colour.alpha=30.0", *words), (*CHOSEN, *words)):
        run = make_run(*settings, out=f"run{len(settings)}")
        fitted(run, predict)
        x, _, ids, x_test = problem(run)
        for feature in ("colour", "words"):
            latents = LatentFile.open(run.latents("01", feature) / "train.npy").rows()
            y = latents.values[[latents.ids.index(i) for i in ids]].astype(float)
            each = (
                np.load(run.folder("fit", "01") / f"{feature}_alpha.npy")
                if (isinstance(run.config.features[feature].alpha, str))
                else np.array([run.config.features[feature].alpha])
            )
            assert len(np.unique(each)) == 1
            made = Ridge(each[0]).fit(x, y).predict(x_test)
            stored = np.load(run.folder("predict", "01") / f"{feature}_r2.npy")
            true = LatentFile.open(run.latents("01", feature) / "test.npy").rows()
            order = [true.ids.index(i) for i in load_betas(run.folder("mask", "01"), "test").ids]
            expected = r2_score(true.values[order], made, multioutput="raw_values")
            np.testing.assert_allclose(stored, expected, atol=1e-3)
