"""Rescaling another way, of a decoder that is fitted without folds for it."""

from __future__ import annotations

import pytest

from neurodiffuse import pipeline
from neurodiffuse.plan import plan_of
from neurodiffuse.questions.branches import branch, grow
from neurodiffuse.questions.controls.plan import _rescaled
from neurodiffuse.run import opened


@pytest.mark.parametrize(
    ("decoder", "first"), [("nearest", "fit"), ("ridge", "predict"), ("", "predict")]
)
def test_rescaling_begins_where_folds_are_fitted(make_run, decoder, first):
    settings = [f"decoders.main.decoder={decoder}"] if decoder else []
    run = make_run(*settings, "predict.rescale=none")
    other = make_run(*settings, "predict.rescale=train")
    assert other.config.first_difference(run.config.to_dict()) == (first, ["predict.rescale"])


def test_a_control_that_rescales_by_training_images_fits_the_folds(make_run):
    run = make_run("decoders.main.decoder=nearest", "predict.rescale=none", "predict.folds=3")
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
        (control,) = [c for c in _rescaled(run) if c.config.predict.rescale == "train"]
        one = branch(run, control.name, control.own, config=control.config)
        grow(one)
    fitted = {path.name for path in one.folder("fit", "01").iterdir() if path.is_dir()}
    assert fitted == {"main", "main.fold-0", "main.fold-1", "main.fold-2"}
    assert (one.folder("predict", "01") / "colour.npy").exists()
