"""Scores compare each picture with the stimulus of its own name."""

from __future__ import annotations

from neurodiffuse import pipeline
from neurodiffuse.files import read_json
from neurodiffuse.run import opened


def test_features_of_pictures_are_compared_with_those_of_the_same_images(make_run):
    run = make_run(
        "datasets.toy.test=12",
        "metrics.named.metric=latent-identification",
        "metrics.named.feature=colour",
        "metrics.far.metric=latent-distance",
        "metrics.far.feature=colour",
    )
    ids = run.subject("01").trials.images("test")
    assert list(ids) != sorted(ids)  # latents are stored by name, shown in another order
    with opened(run):
        pipeline.execute(run, until="score")
    rows = read_json(run.folder("score", "01") / "scores.json")
    found = {(r["source"], r["stage"], r["metric"]): r for r in rows}
    assert found["oracle", "first", "named"]["mean"] > 0.95
    assert found["oracle", "first", "far"]["mean"] < 0.01
    assert found["decoded", "recon", "named"]["mean"] > 0.9
    assert found["decoded", "recon", "named"]["chance"] == 0.5
