"""Any decoder through the same door: what it is given, what is asked of it, what is refused."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from neurodiffuse import pipeline
from neurodiffuse.decoding import Opened, aligned, checked, folds_of, training_of
from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.plan import plan_of
from neurodiffuse.questions.ablate.ask import ablate
from neurodiffuse.questions.roi_optimal.answers import answer
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.project import Source
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.steps.predict import predict
from neurodiffuse.store import LatentFile, load_betas
from neurodiffuse.types import Block

NEAREST = "decoders.main.decoder=nearest"
PLAIN = "predict.rescale=none"


def stepped(run, *steps):
    plan_of(run)
    with opened(run):
        for step in (mask, encode, fit, *steps):
            step(run, "01")
    return run


def found(run):
    """Return the predictions of the test images in the order of the betas."""
    ids = load_betas(run.folder("mask", "01"), "test").ids
    return LatentFile.open(run.folder("predict", "01") / "colour.npy").of(ids).values


def problem(run):
    train, test = (load_betas(run.folder("mask", "01"), s) for s in ("train", "test"))
    y = LatentFile.open(run.latents("01", "colour") / "train.npy").of(train.ids).values
    return np.array(train.values, float), y, np.array(test.values, float)


def nearest(x, y, new, k=3):
    far = ((new[:, None] - x[None]) ** 2).sum(-1)
    return np.stack([y[np.argsort(row, kind="stable")[:k]].mean(0) for row in far])


def test_another_decoder_predicts_what_the_recipe_says(make_run):
    run = stepped(make_run(NEAREST, PLAIN, "decoders.main.k=5"), predict)
    x, y, new = problem(run)
    np.testing.assert_allclose(found(run), nearest(x, y, new, 5), atol=1e-6)


def test_left_out_rows_come_from_folds_without_them(make_run):
    run = stepped(make_run(NEAREST, "predict.folds=4", "predict.calibration=1000"), predict)
    x, y, new = problem(run)
    ids = load_betas(run.folder("mask", "01"), "train").ids
    rank = np.unique(ids, return_inverse=True)[1]
    made = np.empty_like(y)
    for k in range(4):
        gone = rank % 4 == k
        made[gone] = nearest(x[~gone], y[~gone], x[gone])
    sd = made.std(0)
    expected = np.where(
        sd > 0, (nearest(x, y, new) - made.mean(0)) / np.where(sd > 0, sd, 1) * y.std(0), 0
    )
    np.testing.assert_allclose(found(run), expected + y.mean(0), atol=1e-4)


@pytest.mark.parametrize("single", [False, True])
def test_no_image_of_a_fold_is_in_its_training(make_run, single):
    settings = ["mask.repetitions=single"] if single else []
    run = make_run(NEAREST, "predict.folds=3", *settings)
    with opened(run):
        mask(run, "01")
        encode(run, "01")
    training = training_of(run, "01", ("colour",))
    folds = folds_of(run, training)
    images = training.subjects["01"].images
    assert len(folds) == 3
    assert sorted(row for fold in folds for row in fold.rows) == list(range(len(images)))
    for fold in folds:
        part = fold.training.subjects["01"]
        assert not {images[row] for row in fold.rows} & set(part.images)
        assert len(part.betas) == len(part.images) == len(part.sessions)
        kept = [row for row, image in enumerate(images) if image in set(part.images)]
        np.testing.assert_array_equal(part.betas, training.subjects["01"].betas[kept])
        np.testing.assert_array_equal(
            part.targets["colour"].values(),
            training.subjects["01"].targets["colour"].values()[kept],
        )


def test_nothing_of_the_test_set_is_in_the_training(make_run):
    run = make_run()
    with opened(run):
        mask(run, "01")
        encode(run, "01")
    trials, part = run.subject("01").trials, training_of(run, "01", ("colour",)).subjects["01"]
    assert set(part.images) == set(trials.images("train"))
    with pytest.raises(PluginError, match="is no training image of sub-01"):
        part.stimuli(trials.images("test")[:1])
    assert part.stimuli(part.images[:2]).ids == part.images[:2]


def test_a_feature_is_predicted_from_its_own_voxels_whoever_predicts(make_run):
    run = stepped(make_run(NEAREST, PLAIN, "features.colour.roi=V1"), predict)
    x, y, new = problem(run)
    inside = run.dataset.roi("01", "V1")[run.mask("01")]
    np.testing.assert_allclose(found(run), nearest(x[:, inside], y, new[:, inside]), atol=1e-6)


def test_ridge_by_name_is_ridge_by_the_features_keys(make_run):
    own = stepped(make_run("features.colour.alpha=30", PLAIN), predict)
    for k, settings in enumerate(
        (
            ("decoders.main.decoder=ridge", "features.colour.alpha=30"),
            ("decoders.main.decoder=ridge", "decoders.main.alpha=30", "features.colour.alpha=30"),
        )
    ):
        run = stepped(make_run(*settings, PLAIN, out=f"other{k}"), predict)
        assert (run.folder("fit", "01") / "main" / "fit.json").exists()
        np.testing.assert_array_equal(found(run), found(own))


def test_several_decoders_each_predict_their_features(make_run):
    words = ("features.words.encoder=words",)  # no penalty: it is not ridge's
    run = stepped(
        make_run("decoders.a.decoder=nearest", 'decoders.a.predicts=["words"]', *words, PLAIN),
        predict,
    )
    alone = stepped(make_run(PLAIN, out="alone"), predict)
    np.testing.assert_array_equal(found(run), found(alone))
    x, _, new = problem(run)
    ids = load_betas(run.folder("mask", "01"), "train").ids
    y = LatentFile.open(run.latents("01", "words") / "train.npy").of(ids).values
    made = LatentFile.open(run.folder("predict", "01") / "words.npy")
    test = load_betas(run.folder("mask", "01"), "test").ids
    np.testing.assert_allclose(made.of(test).values, nearest(x, y, new), rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["decoders.a.decoder=nearset"], "no decoder is called 'nearset'. Did you mean 'nearest'"),
        (["decoders.a.k=3"], "A new one needs decoder = one of: curved, nearest, ridge"),
        ([NEAREST, "decoders.main.kk=3"], "decoders.main.kk: no such option. Did you mean 'k'"),
        ([NEAREST, 'decoders.main.predicts=["color"]'], "no feature is called 'color'. Did you"),
        ([NEAREST, "decoders.b.decoder=ridge"], "main, b each take all features that are left"),
        (
            [NEAREST, 'decoders.main.predicts=["colour"]', "decoders.b.decoder=nearest"],
            "decoders.b: no feature is left for it",
        ),
        (
            [
                'decoders.a.predicts=["colour"]',
                "decoders.a.decoder=nearest",
                'decoders.b.predicts=["colour"]',
                "decoders.b.decoder=ridge",
            ],
            "decoders.b.predicts: 'colour' stands in decoders.a already",
        ),
        ([NEAREST, "features.colour.alpha=7"], "alpha is an option of ridge, and decoders.main"),
        (
            ["decoders.a.decoder=ridge", "decoders.a.alpha=-1"],
            "decoders.a: alpha: the ridge penalty must be a number above 0",
        ),
        (["predict.folds=1"], "predict.folds: 1 is too few"),
    ],
)
def test_what_does_not_go_together_is_told(make_run, settings, said):
    with pytest.raises(ConfigError, match=said.replace("(", r"\(")):
        make_run(*settings)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "infinite",
            "decoders.main ('nearest'): colour: predictions of targets 0 to 2 are not finite",
        ),
        ("short", "predicted 2 of 4 targets"),
        ("shape", "predictions of shape (5, 2) for 6 rows and targets 0 to 2"),
        ("twice", "predicted targets 2 to 4 where those from 4 of 4 follow"),
        ("elsewhere", "has written 'stray.txt' outside of the folder that it was given"),
    ],
)
def test_a_decoder_that_breaks_a_promise_is_told_by_the_run(make_run, fault, said):
    run = make_run(NEAREST, PLAIN, f"decoders.main.fault={fault}", "decoders.main.width=2")
    with pytest.raises(PluginError) as told:
        stepped(run, predict)
    assert said in str(told.value)
    assert not run.folder("predict", "01").exists()


@pytest.mark.parametrize("width", [1, 2, 3])
def test_blocks_of_any_width_make_the_same_predictions(make_run, width):
    whole = stepped(make_run(NEAREST, PLAIN), predict)
    cut = stepped(make_run(NEAREST, PLAIN, f"decoders.main.width={width}", out="cut"), predict)
    np.testing.assert_array_equal(found(whole), found(cut))


def test_blocks_are_cut_anew_with_means_and_left_out_rows():
    rng = np.random.default_rng(0)
    values, left = rng.normal(size=(3, 10)), rng.normal(size=(4, 10))
    mean = rng.normal(size=10)
    for stops in ([10], [3, 10], [1, 2, 9, 10], [5, 10]):
        starts = [0, *stops[:-1]]
        blocks = [
            Block(slice(a, b), values[:, a:b], mean[a:b], left[:, a:b])
            for a, b in zip(starts, stops, strict=True)
        ]
        wanted = [slice(0, 4), slice(4, 8), slice(8, 10)]
        made = list(aligned(checked("x", blocks, 10, 3), wanted))
        assert [one.columns for one in made] == wanted
        np.testing.assert_allclose(np.hstack([b.values for b in made]), values + mean)
        added = [b.left_out + (0 if b.mean is None else b.mean) for b in made]
        np.testing.assert_allclose(np.hstack(added), left + mean)


def test_patterns_are_asked_of_any_decoder_one_by_one(make_run, tmp_path):
    run = stepped(make_run(NEAREST, PLAIN))
    x, y, _ = problem(run)
    patterns = np.zeros((3, x.shape[1]), np.float32)
    patterns[0, 20:30] = patterns[1, :20] = 1
    said = answer(run, "01", "colour", patterns, tmp_path / "said.npy")
    truth = nearest(x, y, patterns) - y.mean(0)
    truth[2] = 0  # nothing of it is read
    np.testing.assert_allclose(said.latents.rows().values, truth, atol=1e-5)
    np.testing.assert_allclose(said.mean, y.mean(0), atol=1e-6)
    np.testing.assert_allclose(said.sd, y.std(0), atol=1e-6)
    assert said.norm == pytest.approx(np.linalg.norm(y, axis=1).mean(), rel=1e-6)


def test_weights_are_refused_by_name_where_there_are_none(make_run):
    run = stepped(make_run(NEAREST, PLAIN))
    source = Source(run, "01", "colour")
    with pytest.raises(ConfigError, match="has neither weights nor a sensitivity"):
        source.check(["l1"])
    source.check(["explained"])


def test_weights_of_a_decoder_that_is_not_linear_are_its_mean_sensitivity(make_run):
    """Against differences of predictions, voxel by voxel."""
    run = stepped(make_run("decoders.main.decoder=curved", PLAIN))
    with pytest.raises(ConfigError, match=r"pattern: the decoder of 'colour' .* is not linear"):
        weights(run, Question(measures=("pattern",)))
    with opened(run):
        answer_ = weights(run, Question(measures=("l1",), pictures=False))
    (shown,) = answer_.maps
    _, _, new = problem(run)
    door = Opened(run, "01")

    def predictions(betas):
        made = door.predict("colour", betas.astype(np.float32))
        return np.hstack([block.values for block in made]).astype(float)

    step = 1e-2
    for voxel in (1, 25, 59):
        moved = np.array(new)
        moved[:, voxel] += step
        jacobian = (predictions(moved) - predictions(new)).mean(0) / step
        assert shown.values[voxel] == pytest.approx(np.abs(jacobian).sum(), rel=0.02, abs=1e-3)
    page = (answer_.folder / "index.html").read_text()
    assert "The decoder of colour is not linear" in page


def test_a_decoder_is_swapped_by_a_variant_of_an_ablation(make_run):
    run = make_run(PLAIN)
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
        folder = ablate(
            run, [("neighbours", (NEAREST,)), ("mixed", ("refiners.mix.refiner=retrieval",))]
        )
    table = (folder / "scores.tsv").read_text()
    assert "neighbours" in table
    assert "mixed" in table
    x, y, new = problem(run)
    (branch,) = (run.path / "branches").glob("neighbours-*")
    ids = load_betas(run.folder("mask", "01"), "test").ids
    made = LatentFile.open(branch / "steps" / "sub-01" / "predict" / "colour.npy").of(ids)
    np.testing.assert_allclose(made.values, nearest(x, y, new), atol=1e-6)


def test_a_killed_fit_goes_on_from_its_checkpoint(make_run, tmp_path):
    run = make_run(NEAREST, PLAIN, "decoders.main.fault=killed")
    child = os.fork()
    if child == 0:
        stepped(run, predict)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert not run.folder("fit", "01").exists()
    stepped(run, predict)
    fitted = run.folder("fit", "01") / "main"
    assert (fitted / "checkpoint").read_text() == "resumed"
    plain = stepped(make_run(NEAREST, PLAIN, out="plain"), predict)
    np.testing.assert_array_equal(found(run), found(plain))
    assert not list(run.path.rglob("*.partial"))


def test_a_whole_run_with_another_decoder_says_so(make_run):
    run = make_run(NEAREST)
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    page = (run.path / "report.html").read_text()
    assert "Nearest training responses predicted colour" in page
    assert "idge" not in page.split("<h2")[1]


def test_opening_twice_reads_the_same(make_run):
    run = stepped(make_run())
    test = load_betas(run.folder("mask", "01"), "test").values
    one, two = (
        np.hstack([b.values for b in Opened(run, "01").predict("colour", test)]) for _ in range(2)
    )
    np.testing.assert_array_equal(one, two)
