"""Scores compare each picture with the stimulus of its own name."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neurodiffuse import pipeline
from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.files import read_json
from neurodiffuse.plan import plan_of
from neurodiffuse.plan_text import describe, results
from neurodiffuse.run import opened
from neurodiffuse.store import labels
from neurodiffuse.types import Stimuli


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


def photographs(monkeypatch, odd=()):
    """Let the toy's images be large and uneven, those named odd a line shorter."""
    import toy

    def stimuli(self, ids):
        images = []
        for i in ids:
            rng = np.random.default_rng(int(i[1:]))
            image = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8) // 2
            image += (self._colour(i) * 127).astype(np.uint8)
            images.append(image[:-1] if i in odd else image)
        return Stimuli(tuple(ids), images, tuple((f"image {i}",) for i in ids))

    monkeypatch.setattr(toy.Toy, "stimuli", stimuli)


def values_of(run):
    with opened(run):
        pipeline.execute(run, until="score")
    table = (run.folder("score", "01") / "images.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in table]
    return {(source, stage, metric, image): float(v) for image, source, stage, metric, v in rows}


@pytest.mark.parametrize("size", [0, 20])
def test_a_picture_of_another_size_changes_no_other_score(make_run, monkeypatch, size):
    """PixCorr at the scoring size, and at a size of its own."""
    settings = (
        "datasets.toy.test=8", f"score.size={size}",
        "metrics.own.metric=pixcorr", "metrics.own.size=32",
        "metrics.told.metric=pixcorr", "metrics.told.dialect=brain-diffuser",
    )  # fmt: skip
    photographs(monkeypatch)
    plain = make_run(*settings, out="plain")
    odd = plain.subject("01").trials.images("test")[2]
    before = values_of(plain)
    photographs(monkeypatch, odd=(odd,))
    after = values_of(make_run(*settings, out="odd"))
    others = [key for key in before if key[-1] != odd]
    assert {key: before[key] for key in others} == {key: after[key] for key in others}
    assert any(before[key] != after[key] for key in before)


def test_pictures_are_resized_one_by_one_to_the_size_that_is_recorded(make_run, monkeypatch):
    run = make_run("score.size=20", "metrics.own.metric=pixcorr", "metrics.own.size=16")
    ids = run.subject("01").trials.images("test")
    photographs(monkeypatch, odd=ids[:1])
    found = values_of(run)
    rows = read_json(run.folder("score", "01") / "scores.json")
    assert {row["metric"]: row["size"] for row in rows} == {
        "nearness": [20, 20], "pixcorr": [20, 20], "own": None
    }  # fmt: skip
    place = run.folder("generate", "01") / "decoded" / "recon"
    for image, name in zip(ids, labels(ids), strict=True):
        pair = [
            Image.fromarray(run.dataset.stimuli([image]).images[0]),
            Image.open(place / f"{name}.png"),
        ]
        a, b = (
            np.asarray(p.resize((20, 20), Image.Resampling.BICUBIC), float).ravel() for p in pair
        )
        expected = np.corrcoef(a, b)[0, 1]
        assert found["decoded", "recon", "pixcorr", image] == pytest.approx(expected, abs=1e-5)


def test_without_a_size_it_is_that_of_the_last_stages_pictures(make_run, monkeypatch):
    photographs(monkeypatch)
    run = make_run()
    values_of(run)
    rows = read_json(run.folder("score", "01") / "scores.json")
    assert {tuple(row["size"]) for row in rows} == {(8, 8)}


def test_a_run_from_before_sizes_is_continued_and_one_of_another_size_is_not(make_run):
    run = make_run()
    values_of(run)
    file = run.path / "config.toml"
    file.write_text(file.read_text().replace("size = 0\n", ""))
    later = make_run("score.size=20")
    with opened(later):
        pass
    assert pipeline.reopen(run.path, run.registry).config.score.size == 0
    file.write_text(file.read_text().replace("[score]\n", "[score]\nsize = 30\n"))
    with pytest.raises(RunError, match=r"score\.size.*--from score"), opened(later):
        pass


@pytest.mark.parametrize("size", [-1, 5])
def test_a_size_that_cannot_be_is_told(make_run, size):
    with pytest.raises(ConfigError, match=r"score\.size: -?\d is too small; give 11"):
        make_run(f"score.size={size}")


def test_the_plan_says_the_size(make_run):
    def line(*settings):
        run = make_run(*settings)
        said = describe(run, plan_of(run)).splitlines()
        return next(text for text in said if text.startswith("scored at"))

    assert line("score.size=20").split(maxsplit=2)[2] == "20 px"
    assert "size of the pictures that the last stage makes" in line()
    assert "; pixcorr at their own" in line("metrics.pixcorr.dialect=mindeye", "score.size=20")


def test_pictures_of_one_colour_are_told(make_run, monkeypatch):
    """The toy paints plain pictures: where what was seen is plain too that is right."""
    plain = make_run(out="plain")
    with opened(plain):
        pipeline.execute(plain)
    assert "of one colour" not in results(plain)
    assert all(
        "one_colour" not in r for r in read_json(plain.folder("score", "01") / "scores.json")
    )
    photographs(monkeypatch)
    run = make_run()
    with opened(run):
        pipeline.execute(run)
    said = "6 of 6 pictures of first are of one colour, unlike what was seen."
    assert f"sub-01: {said}" in results(run)
    assert said in (run.path / "report.html").read_text()
