"""The plan: what can go wrong is told before anything is computed."""

from __future__ import annotations

import dataclasses
import json
import os

import numpy as np
import pytest

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError
from neurodiffuse.plan import plan_of
from neurodiffuse.run import Run, opened
from neurodiffuse.store import LatentFile, load_betas


@pytest.mark.parametrize("word", ["1", "01", "sub-01", "sub-1"])
def test_subject_may_be_written_in_any_way(registry, word):
    import toy

    assert pipeline.match_subjects([word], toy.Toy()) == ("01",)
    assert pipeline.match_subjects(["10", word, "sub-10"], toy.Toy()) == ("10", "01")


@pytest.mark.parametrize("word", ["3", "sub-", "0", "001x"])
def test_unknown_subject_lists_those_that_exist(registry, word):
    import toy

    with pytest.raises(MissingDataError, match="Subjects: 01, 02, 10"):
        pipeline.match_subjects([word], toy.Toy())


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("datasets.toy.fault=overlap", "1 images are in training and test at once, such as i0"),
        ("datasets.toy.test=0", "no test images"),
        ("datasets.toy.test=1", "one test image only"),
        ("datasets.toy.train=0", "no training images; .* Check the split"),
        ("datasets.toy.train=1", "one training image only; .* Check the split"),
        ("mask.select=nothing", "^--mask 'nothing': no voxel of sub-01 is in it"),
        ("features.colour.roi=V1-V1", "^features.colour.roi 'V1-V1': no voxel of sub-01 is in it"),
        ("features.colour.roi=!left", "^features.colour.roi '!left': none of its voxels"),
    ],
)
def test_bad_data_is_one_line_and_nothing_is_written(make_run, setting, said):
    run = make_run(setting)
    with pytest.raises(DataError, match=said) as caught:
        plan_of(run)
    assert "\n" not in str(caught.value)
    assert not run.path.exists()


def test_unknown_region_is_told_with_the_known_ones(make_run):
    with pytest.raises(ConfigError, match=r"V9.*V1"):
        plan_of(make_run(mask="V9+FFA1"))


@pytest.mark.parametrize(
    "settings",
    [
        ["features.colour.roi=V9"],
        ["features.colour.alpha=loo", "features.colour.bands=['V9']"],
    ],
)
def test_an_unknown_region_is_told_with_the_option_that_names_it(make_run, settings):
    where = settings[-1].partition("=")[0]
    with pytest.raises(ConfigError, match=rf"^{where}: .*V9.*V1"):
        plan_of(make_run(*settings))


def test_a_mask_of_the_recipe_is_not_blamed_on_the_flag(registry, tmp_path, make_run):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "toy"\n[mask]\nselect = "V9"\n')
    config = resolve(registry, dataset="toy", subjects=["01"], recipe=str(recipe))
    config, dataset = pipeline.open_subjects(config, registry)
    with pytest.raises(ConfigError, match=r"^recipe /.*mine.toml: mask.select \(--mask .*V9"):
        plan_of(Run(tmp_path / "run", config, registry, dataset, quiet=True))
    recipe.unlink()  # a run that is old enough
    with pytest.raises(ConfigError, match=r"^--mask: .*V9"):
        plan_of(Run(tmp_path / "run", config, registry, dataset, quiet=True))


def test_captions_are_asked_for_only_when_needed(make_run):
    plan_of(make_run("datasets.toy.fault=captions"))
    words = ("features.words.encoder=words", "features.words.alpha=1")
    with pytest.raises(DataError, match=r"features.words: reads captions, and 46 of 46"):
        plan_of(make_run("datasets.toy.fault=captions", *words))


def test_plan_counts(make_run):
    plan = plan_of(make_run("features.colour.roi=V1", mask="V1+FFA1"))
    subject = plan.subjects[0]
    assert subject.mask == "V1+FFA1"
    assert (subject.voxels, subject.train_images, subject.train_trials) == (30, 40, 60)
    assert (subject.test_images, subject.test_trials) == (6, 12)
    assert plan.targets == {"colour": 4}


def test_short_betas_are_told(make_run):
    run = make_run("datasets.toy.fault=short")
    with pytest.raises(DataError, match="71 betas for 72 trials"), opened(run):
        pipeline.execute(run)


def test_dropping_voxels_that_are_not_finite(make_run):
    from neurodiffuse.steps.mask import mask

    run = make_run("datasets.toy.fault=infinite", "mask.nonfinite=drop")
    mask(run, "01")
    about = json.loads((run.folder("mask", "01") / "about.json").read_text())
    assert (about["voxels"], about["dropped_voxels"], about["constant_voxels"]) == (59, 1, 1)
    assert np.isfinite(load_betas(run.folder("mask", "01"), "train").values).all()


def test_betas_are_averaged_and_standardised_on_the_training_images(make_run):
    from neurodiffuse.steps.mask import mask

    run = make_run()
    mask(run, "01")
    about = run.subject("01")
    raw = np.vstack(list(run.dataset.betas("01", run.dataset.roi("01", "left")))).astype(float)
    stimulus, split = np.array(about.trials.stimulus), np.array(about.trials.split)

    def means(ids):
        return np.array([raw[stimulus == i].mean(0) for i in ids])

    train, test = means(about.trials.images("train")), means(about.trials.images("test"))
    assert set(split) == {"train", "test"}
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (test - train.mean(0)) / train.std(0, ddof=1)
    expected[:, 0] = 0  # without variance
    stored = load_betas(run.folder("mask", "01"), "test")
    assert stored.ids == about.trials.images("test")
    np.testing.assert_allclose(stored.values, expected, atol=1e-4)


def test_single_trials_for_training_averages_for_testing(make_run):
    from neurodiffuse.steps.mask import mask

    run = make_run("mask.repetitions=single")
    mask(run, "01")
    train = load_betas(run.folder("mask", "01"), "train")
    assert len(train.ids) == 60
    assert train.ids.count("i0") == 2
    assert train.values.std(0, ddof=1)[1:] == pytest.approx(1, abs=1e-4)
    assert len(load_betas(run.folder("mask", "01"), "test").ids) == 6


def test_whole_road_recovers_the_colours(decoded):
    scores = json.loads((decoded.folder("score", "01") / "scores.json").read_text())
    found = {(s["source"], s["stage"], s["metric"]): s for s in scores}
    assert len(found) == 2 * 2 * 2
    assert found["decoded", "recon", "nearness"]["mean"] > 0.9
    assert found["oracle", "recon", "nearness"]["mean"] > 0.97
    assert found["decoded", "recon", "nearness"]["p"] <= 0.05
    predicted = LatentFile.open(decoded.folder("predict", "01") / "colour.npy").rows()
    true = LatentFile.open(decoded.latents("01", "colour") / "test.npy").rows()
    order = [true.ids.index(image) for image in predicted.ids]
    assert np.abs(predicted.values - true.values[order]).mean() < 0.1
    np.testing.assert_allclose(predicted.values[:, 3], 1)  # a target without variance


def test_subjects_with_the_same_images_share_latents(make_run):
    run = make_run(subjects=("1", "2"))
    with opened(run):
        pipeline.execute(run)
    assert len(list((run.path / "latents").iterdir())) == 1
    assert run.latents("01", "colour") == run.latents("02", "colour")


def test_runs_in_one_folder_share_latents_of_the_same_images(make_run, monkeypatch):
    import toy

    first = make_run(out="first")
    with opened(first):
        pipeline.execute(first)
    calls = []
    original = toy.Colour.encode

    def counted(self, stimuli):
        calls.append(len(stimuli))
        return original(self, stimuli)

    monkeypatch.setattr(toy.Colour, "encode", counted)
    second = make_run("features.colour.alpha=3", out="second")
    with opened(second):
        pipeline.execute(second, until="predict")
    assert not calls
    one, two = (r.latents("01", "colour") / "train.npy" for r in (first, second))
    assert one != two
    assert one.read_bytes() == two.read_bytes()
    assert one.stat().st_ino == two.stat().st_ino  # no space of its own
    third = make_run("features.colour.copies=2", out="third")
    with opened(third):
        pipeline.execute(third, until="encode")
    assert calls


def test_latents_are_not_shared_where_pictures_of_one_name_differ(make_run, monkeypatch):
    import toy

    first = make_run(out="first")
    with opened(first):
        pipeline.execute(first, until="encode")
    colour = toy.Toy._colour
    monkeypatch.setattr(toy.Toy, "_colour", lambda self, i: colour(self, i) * (i != "i3"))
    second = make_run(out="second")
    with opened(second):
        pipeline.execute(second, until="encode")
    names = [r.latents("01", "colour").name for r in (first, second)]
    assert names[0] != names[1]


def test_a_run_stands_alone_when_the_one_it_shared_with_is_gone(make_run):
    import shutil

    first = make_run(out="first")
    with opened(first):
        pipeline.execute(first, until="encode")
    second = make_run(out="second")
    with opened(second):
        pipeline.execute(second, until="encode")
        shutil.rmtree(first.path)
        pipeline.execute(second)
    assert (second.path / "report.html").exists()


def test_weights_that_are_not_there_are_told_before_anything_is_computed(make_run, registry):
    import toy

    from neurodiffuse.errors import MissingDataError
    from neurodiffuse.hookspecs import hookimpl
    from neurodiffuse.types import Download, Model, ModelFile

    address = "https://example.org/paint.bin"

    class Weighty:
        @hookimpl
        def register_models(self, register):
            register(Model("paint", (ModelFile("p.bin", address),), "Paint", "MIT"))

    registry.add("weighty", Weighty())
    run = make_run()
    lacking = [(Download(address, None, "MIT"),), (Download("https://other.org/x", None, "MIT"),)]
    for wanted, told in zip(lacking, (True, False), strict=True):
        toy.Paint.downloads, before = lambda self, w=wanted: w, toy.Paint.downloads
        try:
            with opened(run):
                pipeline.execute(run, until="fit")  # which needs no generator
                if told:
                    with pytest.raises(MissingDataError, match="models fetch paint"):
                        pipeline.execute(run)
                    assert not run.folder("predict", "01").exists()
                else:  # a plugin's own affair
                    pipeline.execute(run)
        finally:
            toy.Paint.downloads = before


def test_the_last_decoded_run_is_asked_when_none_is_named(tmp_path):
    with pytest.raises(RunError, match=r"no decoded run in .*--run DIR"):
        pipeline.latest_run(tmp_path)
    for age, name in ((30, "old"), (10, "new"), (20, "middle")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").touch()
        os.utime(tmp_path / name / "report.html", (1e9 - age, 1e9 - age))
    (tmp_path / "unfinished").mkdir()
    assert pipeline.latest_run(tmp_path) == tmp_path / "new"


def test_input_that_changed_is_noticed(make_run, decoded, monkeypatch):
    import toy

    real = toy.Toy.subject

    def moved(self, label):
        about = real(self, label)
        trials = about.trials
        swapped = dataclasses.replace(trials, stimulus=trials.stimulus[1::-1] + trials.stimulus[2:])
        return dataclasses.replace(about, trials=swapped)

    monkeypatch.setattr(toy.Toy, "subject", moved)
    run = make_run()
    with pytest.raises(RunError, match=r"sub-01 have changed since.*--from mask"), opened(run):
        pipeline.execute(run)
    with opened(run, start_from="mask"):
        pipeline.execute(run)


def test_a_picture_on_both_sides_under_other_names_is_told(make_run, monkeypatch, capsys):
    import toy

    real = toy.Toy._colour
    monkeypatch.setattr(toy.Toy, "_colour", lambda s, i: real(s, "i3" if i == "i1007" else i))
    run = dataclasses.replace(make_run(), quiet=False)
    with opened(run):
        pipeline.execute(run)
    said = "1 picture of the test set is in training as well under another name"
    assert said in capsys.readouterr().err
    report = (run.path / "report.html").read_text("utf-8")
    assert said in report
    assert "i3 and i1007" in report
