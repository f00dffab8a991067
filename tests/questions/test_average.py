"""The average of subjects: means of their predicted latents, over the images all of them saw."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from neurodiffuse import pipeline
from neurodiffuse.errors import DataError, RunError
from neurodiffuse.questions.average.ask import average, summary
from neurodiffuse.questions.average.command import average as command
from neurodiffuse.questions.coordinates import other_coordinates
from neurodiffuse.run import opened
from neurodiffuse.store import LatentFile
from neurodiffuse.types import Trials


@pytest.fixture
def run(make_run):
    run = make_run(subjects=("01", "02"))
    with opened(run):
        pipeline.execute(run)
    return run


def predicted(run, subject):
    return LatentFile.open(run.folder("predict", subject) / "colour.npy").rows()


def see(monkeypatch, run, subject, ids):
    """Let a subject have seen these test images, in this order."""
    import dataclasses

    about = run.dataset.subject(subject)
    trials = about.trials
    rows = [k for k, part in enumerate(trials.split) if part == "train"]
    train = tuple(trials.stimulus[k] for k in rows)
    blank = ("1",) * (len(train) + len(ids))
    split = ("train",) * len(train) + ("test",) * len(ids)
    run._subjects[subject] = dataclasses.replace(
        about, trials=Trials((*train, *ids), split, blank, blank)
    )


def test_latents_are_the_mean_of_the_subjects(run):
    view = average(run)
    one, two, mean = (predicted(view, s) for s in ("01", "02", "average"))
    assert mean.ids == one.ids
    np.testing.assert_allclose(mean.values, (one.values + two.values) / 2, atol=1e-6)


def test_pictures_and_scores_are_those_of_the_mean_latents(run):
    view = average(run)
    folder = view.folder("generate", "average")
    assert sorted(p.name for p in folder.iterdir()) == ["decoded"]
    assert len(list((folder / "decoded" / "recon").glob("*.png"))) == 6
    scores = json.loads((view.folder("score", "average") / "scores.json").read_text())
    assert {s["source"] for s in scores} == {"decoded"}
    colours = run.dataset
    made = predicted(run, "average").values[:, :3].clip(0, 1)
    ids = predicted(run, "average").ids
    seen = np.array([colours._colour(i) for i in ids])
    (near,) = (s for s in scores if s["metric"] == "nearness" and s["stage"] == "first")
    assert near["mean"] == pytest.approx(1 - np.abs(made - seen).mean(), abs=0.01)
    table = summary(run)
    assert "sub-01" in table
    assert "average" in table
    assert f"{near['mean']:.2f}"[:3] in table


def test_images_are_matched_by_name_and_only_common_ones_averaged(make_run, monkeypatch):
    run = make_run(
        "metrics.near.metric=latent-distance", "metrics.near.feature=colour", subjects=("01", "02")
    )
    see(monkeypatch, run, "01", [f"i{k}" for k in (1000, 1001, 1002, 1003)])
    see(monkeypatch, run, "02", [f"i{k}" for k in (1003, 1007, 1002, 1001)])

    def betas(label, voxels):
        trials = run._subjects[label].trials
        weights = np.random.default_rng([3, int(label)]).standard_normal((3, voxels.size))
        colours = np.array([run.dataset._colour(i) for i in trials.stimulus])
        yield (colours @ weights)[:, voxels].astype(np.float32)

    monkeypatch.setattr(run.dataset, "betas", betas)
    with opened(run):
        pipeline.execute(run)
        view = average(run)
    one, two, mean = (predicted(view, s) for s in ("01", "02", "average"))
    assert mean.ids == ("i1001", "i1002", "i1003")
    for row, image in enumerate(mean.ids):
        pair = [p.values[p.ids.index(image)] for p in (one, two)]
        np.testing.assert_allclose(mean.values[row], np.mean(pair, axis=0), atol=1e-6)
    scores = json.loads((view.folder("score", "average") / "scores.json").read_text())
    assert all(s["n"] == 3 for s in scores)


def test_asking_twice_changes_nothing_and_a_new_prediction_changes_all(run):
    view = average(run)
    files = {p: p.stat().st_mtime_ns for p in (run.path / "steps/sub-average").rglob("*.*")}
    average(run)
    assert files == {p: p.stat().st_mtime_ns for p in files}
    before = predicted(view, "average").values
    file = LatentFile.open(run.folder("predict", "01") / "colour.npy")
    file.write(0, file.rows().values + 0.2)
    after = predicted(average(run), "average").values
    np.testing.assert_allclose(after, before + 0.1, atol=1e-6)


def test_one_subject_or_an_unfinished_run_is_refused(decoded, make_run):
    with pytest.raises(RunError, match="needs two subjects"):
        average(decoded)
    with pytest.raises(RunError, match="not decoded to the end"):
        average(make_run(subjects=("01", "02"), out="other"))


def test_latents_of_encoders_that_learned_different_things_are_not_averaged(run):
    place = run.path / "latents"
    (shared,) = place.iterdir()
    assert other_coordinates(run, ("01", "02")) == ""
    other = place / "colour-other"
    other.mkdir()
    for folder, values in ((shared, [1.0, 2.0]), (other, [1.0, 2.5])):
        np.savez(folder / "state.npz", components=np.array(values))
    features = run.folder("encode", "02") / "features.json"
    features.write_text(json.dumps({"colour": "colour-other"}))
    with pytest.raises(DataError, match="learned from other training images"):
        average(run)
    np.savez(other / "state.npz", components=np.array([1.0, 2.00001]))
    assert other_coordinates(run, ("01", "02")) == ""


def test_no_common_test_images_are_refused(run, monkeypatch):
    see(monkeypatch, run, "02", ["i1000", "i1999"])
    with pytest.raises(DataError, match="1 test images are common"):
        average(run)


def test_command_prints_the_scores_side_by_side(run, registry):
    result = CliRunner().invoke(command, ["--run", str(run.path)], obj={"registry": registry})
    assert result.exit_code == 0, result.output
    head = result.stdout.splitlines()[0].split()
    assert head[-3:] == ["sub-01", "sub-02", "average"]
