"""Each picture depends on its own image alone, and what was painted is not painted again."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import toy
import two_toy
from PIL import Image

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.files import read_json
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.metrics.sizes import at_size
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.steps.generate import generate
from neurodiffuse.store import LatentFile, labels, load_images
from neurodiffuse.types import Images

GRAINY = ("stages.first.grain=0.1", "stages.recon.grain=0.1")


def painted(run):
    with opened(run):
        pipeline.execute(run, until="generate")
    folder = run.folder("generate", "01")
    return {p.relative_to(folder): np.asarray(Image.open(p)) for p in folder.rglob("*.png")}


def test_a_picture_does_not_depend_on_which_others_are_tested(make_run):
    few = painted(make_run(*GRAINY, "datasets.toy.test=6", out="few"))
    many = painted(make_run(*GRAINY, "datasets.toy.test=12", out="many"))
    assert few
    assert few.keys() < many.keys()
    for name, picture in few.items():
        # The one solve for all rows may round differently; the grain would differ by far more.
        assert np.abs(picture.astype(int) - many[name]).max() <= 1
    other = painted(make_run(*GRAINY, "datasets.toy.test=12", "predict.rescale=test", out="other"))
    shift = [np.abs(few[n].astype(int) - other[n]).max() for n in few if n.parts[0] == "decoded"]
    assert max(shift) > 1


def test_grain_is_the_image_s_own_and_the_run_s(make_run):
    one = painted(make_run(*GRAINY, out="one"))
    two = painted(make_run(*GRAINY, "seed=1", out="two"))
    first = [v for k, v in one.items() if k.parts[:2] == ("oracle", "first")]
    grain = [v.astype(float) - v.mean((0, 1)) for v in first]
    assert (
        np.abs(np.corrcoef([g.ravel() for g in grain])[np.triu_indices(len(grain), 1)]).max() < 0.5
    )
    assert all(np.abs(one[k].astype(int) - two[k]).max() > 5 for k in one)


def test_finished_pictures_are_kept(make_run):
    run = make_run(out="kept")
    painted(run)
    folder = run.folder("generate", "01")
    folder.rename(folder.with_name("generate.partial"))
    marked = folder.with_name("generate.partial") / "decoded" / "first"
    for file in marked.iterdir():
        Image.new("RGB", (8, 8), "magenta").save(file)
    generate(run, "01")
    kept = [np.asarray(Image.open(p)) for p in (folder / "decoded" / "first").iterdir()]
    assert kept
    assert all((k == (255, 0, 255)).all() for k in kept)


def test_a_run_whose_predictions_lie_in_another_order_goes_on(make_run):
    """Older versions wrote predicted latents in the order of presentation."""
    whole = painted(make_run(*GRAINY, "datasets.toy.test=12", out="whole"))
    run = make_run(*GRAINY, "datasets.toy.test=12", out="old")
    with opened(run):
        pipeline.execute(run, until="predict")
        file = LatentFile.open(run.folder("predict", "01") / "colour.npy")
        shown = run.subject("01").trials.images("test")
        latents = file.of(shown)
        assert shown != file.ids
        LatentFile.create(file.path, shown, file.shapes).write(0, latents.values)
        pipeline.execute(run, until="generate")
    folder = run.folder("generate", "01")
    for name, picture in whole.items():
        np.testing.assert_array_equal(picture, np.asarray(Image.open(folder / name)))


def test_what_the_recipe_withholds_is_not_given(tmp_path, monkeypatch):
    """Latents and what the encoder has learned, of every source, are those of the others alone."""
    registry = Registry([("builtin", builtin), ("toy", toy), ("two", two_toy)])
    recipe = tmp_path / "two.toml"
    recipe.write_text(two_toy.RECIPE)
    given, learned, kept = [], [], two_toy.Guided.generate

    def generate(self, latents, *, init, seeds):
        given.append((sorted(latents), init is not None))
        return kept(self, latents, init=init, seeds=seeds)

    monkeypatch.setattr(two_toy.Guided, "generate", generate)
    monkeypatch.setattr(two_toy.Guided, "restore", lambda self, s: learned.append(sorted(s)))
    made = {}
    for name, setting in {
        "whole": "seed=0",
        "text": "stages.recon.without=['text']",
        "colour": "stages.recon.without=['colour']",
        "init": "stages.recon.init=''",
    }.items():
        given.clear(), learned.clear()
        config = resolve(
            registry, dataset="toy", subjects=("01",), recipe=str(recipe), settings=[setting]
        )
        config, dataset = pipeline.open_subjects(config, registry)
        made[name] = painted(Run(tmp_path / name, config, registry, dataset, quiet=True))
        names = [f for f in ("colour", "text") if f != name]
        assert given == [(names, name != "init")] * 2
        assert learned == [names]
    one = Path("decoded", "recon", "i1000.png")
    assert all((made["whole"][one] != made[n][one]).any() for n in ("text", "colour", "init"))


def test_a_stage_reads_the_feature_that_the_recipe_names(make_run, monkeypatch):
    """Its generator asks for ``colour`` and is given the latents and the state of another one."""
    given, kept = {}, toy.Paint.generate

    def generate(self, latents, *, init, seeds):
        given.setdefault("init" if init is not None else "none", []).append(latents["colour"])
        return kept(self, latents, init=init, seeds=seeds)

    monkeypatch.setattr(toy.Paint, "generate", generate)
    run = make_run(
        "features.other.encoder=colour",
        "features.other.alpha=3000",
        "stages.recon.features.colour=other",
        "score.oracle=false",
    )
    painted(run)
    for stage, feature in (("none", "colour"), ("init", "other")):
        (latents,) = given[stage]
        file = LatentFile.open(run.folder("predict", "01") / f"{feature}.npy")
        np.testing.assert_array_equal(latents.values, file.of(latents.ids).values)
    assert (given["none"][0].values != given["init"][0].values).any()


def test_the_oracle_is_painted_from_true_latents(make_run):
    made = painted(make_run("stages.recon.grain=0", "datasets.toy.noise=50"))
    for image in ("i1000", "i1007"):
        colour = np.random.default_rng([7, int(image[1:])]).uniform(0, 1, 3)
        name = Path("oracle", "first", f"{image}.png")
        assert np.abs(made[name] / 255 - colour).max() < 0.01
        decoded = made[Path("decoded", "first", f"{image}.png")]
        assert np.abs(decoded / 255 - colour).max() > 0.05


@pytest.mark.parametrize("source", ["decoded", "oracle"])
def test_any_picture_that_is_missing_is_painted_again(make_run, monkeypatch, source):
    """Which batch lacks one is found in the order in which batches are painted."""
    monkeypatch.setattr("neurodiffuse.steps.generate.BATCH", 2)
    run = make_run("datasets.toy.test=7", out="killed")
    whole = painted(run)
    folder = run.folder("generate", "01")
    for name in [n for n in whole if n.parts[:2] == (source, "recon")]:
        folder.rename(folder.with_name("generate.partial"))
        (folder.with_name("generate.partial") / name).unlink()
        generate(run, "01")
        np.testing.assert_array_equal(whole[name], np.asarray(Image.open(folder / name)))


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (np.zeros((6, 8, 8, 3)), "returned float64"),
        (np.zeros((5, 8, 8, 3), np.uint8), r"returned uint8 of shape \(5, 8, 8, 3\); 6 pictures"),
    ],
)
def test_a_generator_s_wrong_pictures_are_told(make_run, monkeypatch, made, said):
    import toy

    from neurodiffuse.errors import PluginError
    from neurodiffuse.types import Images

    monkeypatch.setattr(toy.Paint, "generate", lambda *_, **__: Images((), made))
    with pytest.raises(PluginError, match=f"generator 'paint': {said}"):
        painted(make_run())


def test_samples_have_seeds_of_their_own_and_begin_from_their_own_first_guess(make_run):
    settings = ("stages.first.grain=0.1", "stages.recon.grain=0.0")
    one = painted(make_run(*settings, out="one"))
    run = make_run(*settings, "stages.first.samples=2", "stages.recon.samples=3", out="many")
    many = painted(run)
    for name, picture in one.items():  # the first sample is what a single one would be
        np.testing.assert_array_equal(picture, many[name])
    by = {}
    for name, picture in many.items():
        source, stage, *sample, file = name.parts
        by[source, stage, sample[0] if sample else "sample-1", file] = picture.astype(int)
    assert len(many) == 2 * (2 + 3) * 6
    for source, stage, sample, file in by:
        if (stage, sample) != ("first", "sample-1"):
            continue
        first, second = by[source, stage, "sample-1", file], by[source, stage, "sample-2", file]
        assert np.abs(first - second).max() > 5
        # recon is half its init: its samples differ as the first guesses do, and the third
        # begins from the first of the two that there are
        made = [by[source, "recon", f"sample-{k}", file] for k in (1, 2, 3)]
        difference = 2 * (made[0] - made[1]) - (first - second)
        assert np.abs(difference).max() <= 3
        np.testing.assert_array_equal(made[2], made[0])


def test_scores_are_means_over_samples(make_run):
    import csv

    run = make_run(*GRAINY, "stages.recon.samples=2", out="two")
    with opened(run):
        pipeline.execute(run, until="score")
    with (run.folder("score", "01") / "images.tsv").open() as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["metric"] == "nearness"]
    found = {
        r["stim_id"]: float(r["value"])
        for r in rows
        if r["stage"] == "recon" and r["source"] == "decoded"
    }
    folder = run.folder("generate", "01") / "decoded" / "recon"
    for image, value in found.items():
        seen = run.dataset.stimuli([image]).images[0].astype(float)
        made = [np.asarray(Image.open(folder / p / f"{image}.png")) for p in (".", "sample-2")]
        each = [1 - np.abs(seen - m).mean() / 255 for m in made]
        assert abs(each[0] - each[1]) > 1e-7
        assert value == pytest.approx(np.mean(each), abs=1e-6)


class Farthest(toy.Nearness):
    """The value of the sample that is least like what was seen, chosen over all images."""

    def compare_samples(self, seen, samples):
        return min((self.compare(seen, made) for made in samples), key=np.mean)

    def null_samples(self, seen, samples, rng):
        assert len(samples[0].ids) == len(seen.ids)
        return np.array([len(samples), rng.integers(2**31)], float)


class Farthests:
    """A plugin with a metric that sees all samples of an image."""

    @staticmethod
    @hookimpl
    def register_metrics(register):
        register("farthest", f"{__name__}:Farthest", summary="least near")


def test_a_metric_may_see_all_samples_of_an_image(make_run, registry):
    registry.add("farthests", Farthests)
    run = make_run(*GRAINY, "stages.recon.samples=3", "metrics.far.metric=farthest")
    with opened(run):
        pipeline.execute(run, until="score")
    place = run.folder("generate", "01") / "decoded/recon"
    ids = run.subject("01").trials.images("test")
    seen = Images(ids, at_size(run.dataset.stimuli(ids).images, (8, 8)))
    each = [
        toy.Nearness().compare(seen, Images(ids, load_images(folder, labels(ids))))
        for folder in (place, place / "sample-2", place / "sample-3")
    ]
    rows = read_json(run.folder("score", "01") / "scores.json")
    far = {(r["source"], r["stage"]): r for r in rows if r["metric"] == "far"}
    assert far["decoded", "recon"]["mean"] == pytest.approx(min(v.mean() for v in each), abs=1e-12)
    assert far["decoded", "recon"]["mean"] < np.mean(each) - 1e-6
    rng = np.random.default_rng([run.config.seed, zlib.crc32(b"far")])
    assert far["decoded", "recon"]["null_mean"] == pytest.approx((3 + rng.integers(2**31)) / 2)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "two"])
def test_samples_must_be_a_number_from_1(make_run, value):
    from neurodiffuse.errors import ConfigError

    with pytest.raises(ConfigError, match=r"stages\.recon\.samples"):
        make_run(f"stages.recon.samples={value}")
