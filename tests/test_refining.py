"""Refiners: fitted on held-out predictions only, against plain formulas."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from neurodiffuse import pipeline
from neurodiffuse.decoders.retrieval import RetrievalMix
from neurodiffuse.errors import ConfigError
from neurodiffuse.files import read_json
from neurodiffuse.plan import plan_of
from neurodiffuse.run import opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.steps.predict import predict
from neurodiffuse.store import LatentFile, StoredTargets, load_betas
from neurodiffuse.types import HeldOut

MIX = "refiners.mix.refiner=retrieval"


def stored(folder, name, values):
    """Return values as targets on disk, in several blocks."""
    file = LatentFile.create(
        folder / f"{name}.npy", [str(k) for k in range(len(values))], [values.shape[1:]]
    )
    file.write(0, values.astype(np.float32))
    return StoredTargets(file, np.arange(len(values)))


def material(folder, predicted, true, bank, own):
    parts = {"predicted": predicted, "true": true, "bank": bank}
    targets = {name: stored(folder, name, values) for name, values in parts.items()}
    return HeldOut("f", **targets, own=np.asarray(own), seed=0)


def neighbours(bank, predicted, own=None):
    a, b = bank - bank.mean(0), predicted - bank.mean(0)
    table = np.corrcoef(np.vstack([b, a]))[: len(b), len(b) :]
    if own is not None:
        table[np.arange(len(own)), own] = -2
    return np.argsort(-table, axis=1, kind="stable")


def clustered(rng, n, clusters=12, t=3000):
    """Return latents in clusters, and predictions that are noisy and shrunken."""
    centres = rng.normal(size=(clusters, t))
    true = centres[np.arange(n) % clusters] + 0.3 * rng.normal(size=(n, t))
    return true, 0.4 * true + 0.8 * rng.normal(size=(n, t))


def test_the_share_is_the_one_with_the_least_squared_error(tmp_path):
    rng = np.random.default_rng(0)
    true, predicted = clustered(rng, 60)
    made = material(tmp_path, predicted, true, true, np.arange(60))
    RetrievalMix(k=3).fit(made, tmp_path)
    about = json.loads((tmp_path / "retrieval.json").read_text())
    order = neighbours(true, predicted, np.arange(60))[:, :3]
    retrieved = true[order].mean(1)
    step = retrieved - predicted
    share = ((true - predicted) * step).sum() / (step**2).sum()
    assert 0.1 < share < 1
    assert about["share"] == pytest.approx(share, rel=1e-4)
    assert about["k"] == 3
    new = clustered(rng, 20)[1]
    place = tmp_path / "new"
    place.mkdir()
    found = RetrievalMix(k=3).refine(made, tmp_path, stored(place, "new", new), seeds=range(20))
    values = np.hstack([block for _, block in found])
    expected = new + share * (true[neighbours(true, new)[:, :3]].mean(1) - new)
    np.testing.assert_allclose(values, expected, atol=1e-4)


def test_the_number_of_neighbours_is_the_one_that_helps_most(tmp_path):
    rng = np.random.default_rng(1)
    true, predicted = clustered(rng, 120, clusters=4)
    made = material(tmp_path, predicted, true, true, np.arange(120))
    RetrievalMix().fit(made, tmp_path)
    about = json.loads((tmp_path / "retrieval.json").read_text())
    errors = {}
    for k in (1, 3, 10, 30, 100):
        step = true[neighbours(true, predicted, np.arange(120))[:, :k]].mean(1) - predicted
        share = np.clip(((true - predicted) * step).sum() / (step**2).sum(), 0, 1)
        errors[k] = ((true - predicted - share * step) ** 2).sum()
    assert about["k"] == min(errors, key=errors.get)
    assert about["k"] in (10, 30)


def test_an_image_never_retrieves_itself(tmp_path):
    """Predictions that are nearly true: with itself in reach the share would be all."""
    rng = np.random.default_rng(2)
    true = rng.normal(size=(50, 400))
    made = material(tmp_path, true + 0.01 * rng.normal(size=true.shape), true, true, np.arange(50))
    RetrievalMix().fit(made, tmp_path)
    assert json.loads((tmp_path / "retrieval.json").read_text())["share"] < 0.01


def test_where_retrieval_does_not_help_nothing_changes(tmp_path):
    rng = np.random.default_rng(3)
    true = rng.normal(size=(50, 400))
    made = material(tmp_path, 0.9 * true, true, true, np.arange(50))
    RetrievalMix().fit(made, tmp_path)
    about = json.loads((tmp_path / "retrieval.json").read_text())
    assert about["share"] == 0
    assert about["less_squared_error"] == 0
    found = RetrievalMix().refine(made, tmp_path, made.predicted, seeds=range(50))
    np.testing.assert_array_equal(np.hstack([block for _, block in found]), made.predicted.values())


def test_a_row_does_not_depend_on_the_others(tmp_path):
    rng = np.random.default_rng(4)
    true, predicted = clustered(rng, 60)
    made = material(tmp_path, predicted, true, true, np.arange(60))
    RetrievalMix().fit(made, tmp_path)
    (tmp_path / "one").mkdir()
    one = stored(tmp_path / "one", "one", predicted[7:8])
    alone = [b for _, b in RetrievalMix().refine(made, tmp_path, one, seeds=[0])]
    whole = [b for _, b in RetrievalMix().refine(made, tmp_path, made.predicted, seeds=range(60))]
    np.testing.assert_allclose(np.hstack(alone)[0], np.hstack(whole)[7], atol=1e-5)


def stepped(run):
    plan_of(run)
    with opened(run):
        for step in (mask, encode, fit, predict):
            step(run, "01")
    return run


def files(run):
    folder = run.folder("predict", "01")
    return LatentFile.open(folder / "colour.npy").rows(), read_json(folder / "features.json")


@pytest.mark.parametrize("rescale", ["none", "train", "test"])
def test_a_run_refines_predictions_with_what_left_out_images_say(make_run, rescale):
    """The refiner sees predictions that are rescaled as those of the test images are."""
    settings = ("features.colour.alpha=30", "datasets.toy.noise=4", f"predict.rescale={rescale}")
    plain, run = stepped(make_run(*settings, out="plain")), stepped(make_run(*settings, MIX))
    x = np.array(load_betas(run.folder("mask", "01"), "train").values, float)
    train = LatentFile.open(run.latents("01", "colour") / "train.npy").rows()
    y = train.values.astype(float)[
        [train.ids.index(i) for i in load_betas(run.folder("mask", "01"), "train").ids]
    ]
    held = np.empty_like(y)
    for k in range(len(x)):
        rest = np.arange(len(x)) != k
        held[k] = Ridge(30.0).fit(x[rest], y[rest]).predict(x[k : k + 1])[0]
    if rescale != "none":
        new = load_betas(run.folder("mask", "01"), "test").values
        source = held if rescale == "train" else Ridge(30.0).fit(x, y).predict(new)
        sd = np.where(source.std(0) > 1e-9, source.std(0), 1)
        held = (held - source.mean(0)) / sd * y.std(0) + y.mean(0)
    order = neighbours(y, held, np.arange(len(y)))
    about = read_json(run.folder("predict", "01") / "colour_refiner" / "retrieval.json")
    step = y[order[:, : about["k"]]].mean(1) - held
    share = ((y - held) * step).sum() / (step**2).sum()
    assert about["share"] == pytest.approx(np.clip(share, 0, 1), abs=2e-3)
    assert about["share"] > 0.05
    before, after = files(plain)[0], files(run)[0]
    near = y[neighbours(y, before.values)[:, : about["k"]]].mean(1)
    expected = before.values + about["share"] * (near - before.values)
    np.testing.assert_allclose(after.values, expected, atol=2e-4)
    said = files(run)[1]["colour"]
    assert said["identification_unrefined"] == files(plain)[1]["colour"]["identification"]
    assert not (run.folder("predict", "01") / "scratch").exists()


def test_a_refiner_after_a_decoder_that_is_fitted_in_folds(make_run):
    run = make_run("decoders.main.decoder=nearest", MIX, "predict.rescale=none")
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    assert (run.folder("fit", "01") / "main.fold-0").is_dir()
    page = (run.path / "report.html").read_text()
    assert "Predictions of colour were then mixed with the mean latents of the best number" in page


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["refiners.a.refiner=retrival"], "no refiner is called 'retrival'. Did you mean"),
        ([MIX, "refiners.mix.k=-1"], "refiners.mix: k: -1 is no number of images"),
        ([MIX, 'refiners.mix.refines=["color"]'], "refiners.mix.refines: no feature is called"),
    ],
)
def test_what_does_not_go_together_is_told(make_run, settings, said):
    with pytest.raises(ConfigError, match=said):
        make_run(*settings)


def test_another_refiner_begins_at_the_step_predict(make_run):
    one, other = make_run(), make_run(MIX)
    assert other.config.first_difference(one.config.to_dict())[0] == "predict"
