"""Training latents that are never on disk: the same predictions, and what cannot be had."""

from __future__ import annotations

import numpy as np
import pytest

from neurodiffuse import pipeline
from neurodiffuse.errors import ConfigError
from neurodiffuse.files import read_json
from neurodiffuse.plan import plan_of
from neurodiffuse.questions.controls.latents import mean
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import opened
from neurodiffuse.store import LatentFile

UNSTORED = "features.colour.store=false"


def decoded(run):
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    return run


def values(run):
    return LatentFile.open(run.folder("predict", "01") / "colour.npy").rows().values


@pytest.mark.parametrize("rescale", ["none", "train", "test"])
@pytest.mark.parametrize("more", ["", "mask.repetitions=single", "features.colour.copies=900"])
def test_predictions_are_those_of_stored_latents(make_run, rescale, more, monkeypatch):
    monkeypatch.setattr("neurodiffuse.decoding.BATCH", 7)
    settings = ("features.colour.alpha=30", f"predict.rescale={rescale}", *filter(None, [more]))
    stored = decoded(make_run(*settings, out="stored"))
    passed = decoded(make_run(*settings, UNSTORED, out="passed"))
    spread = LatentFile.open(stored.latents("01", "colour") / "train.npy").rows().values.std(0)
    gap = np.abs(values(passed) - values(stored))
    assert (gap <= 1e-5 * np.maximum(spread, 1e-3)).all()
    for name in ("r2_mean", "r2_median", "constant_targets", "flat_targets"):
        one, two = (
            read_json(run.folder("predict", "01") / "features.json")["colour"][name]
            for run in (passed, stored)
        )
        assert one == pytest.approx(two, abs=1e-5), name
    assert stored.latents("01", "colour").name != passed.latents("01", "colour").name
    assert not (passed.latents("01", "colour") / "train.npy").exists()
    assert (passed.latents("01", "colour") / "test.npy").exists()


def test_without_an_intercept(make_run):
    settings = ("features.colour.intercept=false", "predict.rescale=none")
    stored, passed = make_run(*settings, out="stored"), make_run(*settings, UNSTORED, out="passed")
    gap = values(decoded(passed)) - values(decoded(stored))
    np.testing.assert_allclose(gap, 0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["features.colour.alpha=loo"], "alpha = 'loo' is chosen with the training latents"),
        (["decoders.main.decoder=nearest"], "false is possible with ridge alone"),
        (["refiners.mix.refiner=retrieval"], "and refiners.mix needs its training latents"),
        (
            ["features.colour.leave_out=cluster:3"],
            "'cluster:3' makes clusters of training latents that features.colour.store = false",
        ),
    ],
)
def test_what_needs_latents_on_disk_is_told_at_once(make_run, settings, said):
    with pytest.raises(ConfigError, match=said):
        make_run(UNSTORED, *settings)


def test_questions_that_need_training_latents_are_refused_by_name(make_run):
    run = decoded(make_run(UNSTORED))
    said = r"features\.colour\.store = false: no training latents are kept"
    with opened(run):
        with pytest.raises(ConfigError, match=said + ", and weights needs them"):
            weights(run, Question(measures=("l1",)))
        with pytest.raises(ConfigError, match=said):
            mean(run, "01")
