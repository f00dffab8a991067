"""Controls: floors are at chance, the ceiling is the true latents, held-out images are out."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.linear_model import Ridge

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.questions.controls import holdout
from neurodiffuse.questions.controls.ask import controls
from neurodiffuse.questions.controls.command import controls as command
from neurodiffuse.questions.controls.latents import derangement
from neurodiffuse.questions.controls.plan import plan
from neurodiffuse.report.wording import CEILING
from neurodiffuse.store import LatentFile, labels, load_betas


def table(place):
    with (place / "scores.tsv").open() as file:
        return {(r["name"], r["metric"]): r for r in csv.DictReader(file, delimiter="\t")}


def branch_of(run, key):
    (found,) = (run.path / "branches").glob(f"{key}-*")
    return found / "steps" / "sub-01"


def rows_of(path):
    return LatentFile.open(path).rows()


@pytest.fixture(scope="module")
def asked(two_once, tmp_path_factory):
    """A run with all its controls, asked once; tests only read it."""
    folder = tmp_path_factory.mktemp("asked") / "run"
    shutil.copytree(two_once.path, folder)
    run = dataclasses.replace(two_once, path=folder)
    return run, controls(run, feature="colour", neighbours=1)


def test_ceiling_decoded_floors_in_this_order_for_every_metric(asked):
    run, place = asked
    rows = table(place)
    for metric in run.config.metrics:
        mean = {name: float(r["mean"]) for (name, m), r in rows.items() if m == metric}
        assert mean[CEILING] >= mean["Decoded"]
        for floor in ("Predictions shuffled", "Mean latents", "Labels shuffled"):
            assert mean["Decoded"] > mean[floor] + 0.05
    page = (place / "index.html").read_text()
    assert "Ceiling ≥ decoded &gt; every floor in Nearness and Identification." in page


def test_a_run_with_shuffled_labels_sits_at_chance(asked):
    """Identification by theory, over many seeds of the shuffle: one draw has its own luck."""
    run, place = asked
    row = table(place)["Labels shuffled", "identification"]
    assert float(row["p"]) > 0.05
    colours = rows_of(run.latents("01", "colour") / "train.npy")
    betas = load_betas(run.folder("mask", "01"), "train")
    test = load_betas(run.folder("mask", "01"), "test")
    truth = rows_of(run.latents("01", "colour") / "test.npy").values[:, :3]
    rng, hits = np.random.default_rng(0), []
    for _ in range(200):
        y = colours.values[rng.permutation(len(colours.ids)), :3]
        made = Ridge(alpha=1.0).fit(betas.values, y).predict(test.values)
        near = np.corrcoef(truth, made)[: len(truth), len(truth) :]
        hits.append((near < near.diagonal()).sum() / (near.size - len(near)))
    low, high = np.percentile(hits, [0.5, 99.5])
    assert low < float(row["mean"]) < high


def test_wrong_labels_are_those_of_other_training_images(asked):
    run, _ = asked
    before = load_betas(run.folder("mask", "01"), "train")
    after = load_betas(branch_of(run, "labels-shuffled") / "mask", "train")
    assert sorted(after.ids) == sorted(before.ids)
    assert after.ids != before.ids
    np.testing.assert_allclose(after.values, before.values, atol=1e-5)


def test_held_out_images_are_the_nearest_and_the_maps_are_refitted_without(asked):
    run, place = asked
    train = rows_of(run.latents("01", "colour") / "train.npy")
    test = rows_of(run.latents("01", "colour") / "test.npy")
    near = np.corrcoef(train.values, test.values)[: len(train.ids), len(train.ids) :]
    gone = {train.ids[k] for k in near.argmax(axis=0)}
    steps = branch_of(run, "nearest-held-out")
    kept = load_betas(steps / "mask", "train")
    assert set(kept.ids) == set(train.ids) - gone
    fitted = load_betas(run.folder("mask", "01"), "train")
    rows = [k for k, image in enumerate(fitted.ids) if image not in gone]
    raw = fitted.values[rows].astype(float)
    sd = raw.std(axis=0, ddof=1)
    expected = np.divide(raw - raw.mean(0), sd, out=np.zeros_like(raw), where=sd > 1e-9)
    np.testing.assert_allclose(kept.values, expected, atol=1e-4)
    y = train.values[[train.ids.index(i) for i in kept.ids]]
    model = Ridge(alpha=1.0).fit(expected, y[:, :3])
    shown = load_betas(steps / "mask", "test")
    made = LatentFile.open(steps / "predict" / "colour.npy").of(shown.ids).values[:, :3]
    plain = model.predict(shown.values)
    for k in range(3):  # rescaling is affine, target by target
        assert np.corrcoef(plain[:, k], made[:, k])[0, 1] > 0.999
    random = load_betas(branch_of(run, "as-many-held-out-at-random") / "mask", "train")
    assert len(random.ids) == len(kept.ids)
    assert set(random.ids) != set(kept.ids)
    assert f"{len(gone)} of {len(train.ids)} training images" in (place / "index.html").read_text()


def test_retrieval_answers_with_the_nearest_training_image(asked):
    run, _ = asked
    folder = branch_of(run, "nearest-training-image") / "generate"
    found = json.loads((folder / "retrieved.json").read_text())
    train = rows_of(run.latents("01", "colour") / "train.npy")
    made = rows_of(run.folder("predict", "01") / "colour.npy")
    near = np.corrcoef(train.values, made.values)[: len(train.ids), len(train.ids) :]
    assert [found[i] for i in made.ids] == [train.ids[k] for k in near.argmax(axis=0)]
    for image, name in zip(made.ids, labels(made.ids), strict=True):
        picture = np.asarray(Image.open(folder / "decoded" / "recon" / f"{name}.png"))
        assert np.array_equal(picture, run.dataset.stimuli([found[image]]).images[0])


def test_shuffled_and_mean_latents_are_what_they_say(asked):
    run, _ = asked
    made = rows_of(run.folder("predict", "01") / "colour.npy")
    shuffled = rows_of(branch_of(run, "predictions-shuffled") / "predict" / "colour.npy")
    assert sorted(map(tuple, shuffled.values)) == sorted(map(tuple, made.values))
    assert not any((a == b).all() for a, b in zip(shuffled.values, made.values, strict=True))
    mean = rows_of(branch_of(run, "mean-latents") / "predict" / "colour.npy")
    train = rows_of(run.latents("01", "colour") / "train.npy").values.mean(axis=0)
    np.testing.assert_allclose(mean.values, np.tile(train, (len(made.ids), 1)), atol=1e-5)
    true = rows_of(run.latents("01", "colour") / "test.npy").ids
    assert made.ids == shuffled.ids == mean.ids == true != run.subject("01").trials.images("test")


def test_a_derangement_keeps_nobody_and_gives_all():
    for n in (2, 3, 17):
        order = derangement(n, 5)
        assert sorted(order) == list(range(n))
        assert (order != np.arange(n)).all()


def test_text_only_is_painted_from_captions_and_from_noise(asked):
    run, _ = asked
    text = rows_of(run.folder("predict", "01") / "text.npy")
    folder = branch_of(run, "text-only") / "generate" / "decoded"
    assert [p.name for p in folder.iterdir()] == ["recon"]
    for row, name in zip(text.values, labels(text.ids), strict=True):
        made = np.asarray(Image.open(folder / "recon" / f"{name}.png")).mean((0, 1)) / 255
        assert np.abs(made - row.clip(0, 1)).max() < 0.03


def test_both_rescalings_stand_side_by_side(decode_two):
    for own, other in (("train", ["test"]), ("test", ["train"]), ("none", ["train", "test"])):
        run = decode_two(f"predict.rescale={own}", out=own)
        rows = plan(run, feature="colour", neighbours=1, wanted=["rescale"])
        assert [c.config.predict.rescale for c in rows if c.config] == other


def test_the_ceiling_is_painted_where_the_run_has_none(decode_two):
    run = decode_two("score.oracle=false", out="none")
    rows = table(controls(run, wanted=["ceiling"]))
    whole = table(controls(decode_two(out="whole"), wanted=["ceiling"]))
    assert rows[CEILING, "nearness"]["mean"] == whole[CEILING, "nearness"]["mean"]


def test_same_question_same_bytes(decode_two):
    def digest(name):
        place = controls(decode_two(out=name), neighbours=1, wanted=["hold-out", "floor"])
        files = sorted(p for p in place.iterdir())
        return [(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files]

    assert digest("one") == digest("two")


def test_what_is_refused(two):
    with pytest.raises(DataError, match="fewer than 2 would be left"):
        holdout.neighbours(two, "01", "colour", 40)
    with pytest.raises(ConfigError, match="Did you mean 'floor'"):
        controls(two, wanted=["flor"])
    with pytest.raises(ConfigError, match="Did you mean 'colour'"):
        controls(two, feature="color")
    with pytest.raises(ConfigError, match="give 1 or more"):
        controls(two, neighbours=0)


def test_command(two):
    words = ["--run", str(two.path), "--only", "floor", "--quiet"]
    done = CliRunner().invoke(
        command, words, obj={"registry": two.registry}, catch_exceptions=False
    )
    assert "page: " in done.output
