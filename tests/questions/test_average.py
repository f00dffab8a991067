"""The average of subjects: means of their predicted latents, over the images all of them saw."""

from __future__ import annotations

import base64
import csv
import dataclasses
import hashlib
import html
import itertools
import json
import re
import shutil

import numpy as np
import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import DataError, RunError
from neurodiffuse.metrics import PairedTest
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.arms import Arm, Cell
from neurodiffuse.questions.average.ask import average, summary
from neurodiffuse.questions.average.command import average as command
from neurodiffuse.questions.average.page import verdicts
from neurodiffuse.questions.coordinates import other_coordinates
from neurodiffuse.report.model import ScoreRow
from neurodiffuse.run import Run, opened
from neurodiffuse.store import LatentFile
from neurodiffuse.types import Trials


@pytest.fixture(scope="module")
def decoded_once(tmp_path_factory):
    registry = Registry([("builtin", builtin), ("toy", toy)])
    config = resolve(registry, dataset="toy", subjects=("01", "02"), recipe="toy")
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(tmp_path_factory.mktemp("once") / "run", config, registry, dataset, quiet=True)
    with opened(run):
        pipeline.execute(run, until="score")
    return run


@pytest.fixture
def run(decoded_once, tmp_path):
    """A decoded run of the test's own."""
    shutil.copytree(decoded_once.path, tmp_path / "run")
    return dataclasses.replace(decoded_once, path=tmp_path / "run", _subjects={})


def predicted(run, subject):
    return LatentFile.open(run.folder("predict", subject) / "colour.npy").rows()


def see(monkeypatch, run, subject, ids):
    """Let a subject have seen these test images, in this order."""
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
    true = LatentFile.open(view.latents("average", "colour") / "test.npy").ids
    assert mean.ids == one.ids == true == tuple(sorted(true))
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
    said = summary(run)
    assert "sub-01" in said
    assert "average" in said
    assert f"{near['mean']:.2f}"[:3] in said


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

    found = table(run)
    assert {row["n"] for row in found.values()} == {"3"}
    for s in ("01", "02"):
        (stored,) = (run.path / "branches").glob(f"*/steps/sub-{s}/score")
        for metric, theirs in values(stored).items():
            whole = values(run.path / f"steps/sub-{s}/score")[metric]
            # these metrics look at one image at a time: the part has the values of the whole
            assert theirs == {image: pytest.approx(whole[image], abs=2e-6) for image in mean.ids}
            assert float(found[f"sub-{s}", metric]["mean"]) == pytest.approx(
                np.mean(list(theirs.values())), abs=2e-6
            )
    page = html.unescape((run.path / "average" / "index.html").read_text())
    assert "Only the 3 test images that all subjects saw are used" in page
    assert "left out are 1 of sub-01 and 1 of sub-02" in page


def values(folder):
    """Every image's value by metric of the last stage, as the score step wrote them."""
    found = {}
    with (folder / "images.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if (row["source"], row["stage"]) == ("decoded", "recon"):
                found.setdefault(row["metric"], {})[row["stim_id"]] = float(row["value"])
    return found


def table(run):
    with (run.path / "average" / "scores.tsv").open() as file:
        return {(r["name"], r["metric"]): r for r in csv.DictReader(file, delimiter="\t")}


def flipped(difference):
    """Two-sided p of all sign patterns, counted one by one."""
    observed = abs(np.mean(difference)) - 1e-12
    signs = itertools.product((1, -1), repeat=len(difference))
    return np.mean([abs(np.mean(np.multiply(s, difference))) >= observed for s in signs])


def test_the_table_tests_every_subject_and_their_mean_against_the_average(run):
    average(run)
    found = table(run)
    mine = values(run.path / "steps/sub-average/score")
    each = {s: values(run.path / f"steps/sub-{s}/score") for s in ("01", "02")}
    for metric, ours in mine.items():
        assert float(found["Average", metric]["mean"]) == pytest.approx(
            np.mean(list(ours.values()))
        )
        assert found["Average", metric]["p_difference"] == "n/a"
        both = [[each[s][metric][i] for i in ours] for s in each]
        rows = {"sub-01": both[0], "sub-02": both[1], "Mean of subjects": np.mean(both, axis=0)}
        for name, theirs in rows.items():
            difference = np.array(theirs) - np.array(list(ours.values()))
            row = found[name, metric]
            assert float(row["mean"]) == pytest.approx(np.mean(theirs), abs=2e-6)
            assert float(row["difference"]) == pytest.approx(np.mean(difference), abs=2e-6)
            assert float(row["p_difference"]) == pytest.approx(flipped(difference))


def test_spread_is_what_the_mean_keeps_of_the_subjects(run):
    view = average(run)
    one, two = (predicted(run, s).values.astype(float) for s in ("01", "02"))
    kept = np.trace(np.cov(((one + two) / 2).T)) / (
        (np.trace(np.cov(one.T)) + np.trace(np.cov(two.T))) / 2
    )
    said = json.loads((view.folder("predict", "average") / "features.json").read_text())
    assert said["colour"]["spread"] == pytest.approx(np.sqrt(kept), rel=1e-5)
    page = (run.path / "average" / "index.html").read_text()
    assert f"{np.sqrt(kept):.2f} for colour" in page


def test_the_page_is_complete_and_shows_everybody(run):
    average(run)
    page = (run.path / "average" / "index.html").read_text()
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)
    assert page.count("<script>") == 1
    digest = hashlib.sha256(re.search(r"<script>(.*?)</script>", page, re.DOTALL)[1].encode())
    assert f"sha256-{base64.b64encode(digest.digest()).decode()}" in page
    # 6 test images, each seen, averaged and of two subjects
    for label in ("Seen", "Average of", "sub-01 of", "sub-02 of"):
        assert page.count(f'alt="{label} i1') == 6
    assert "6 test images that both subjects saw" in page
    assert "left out are" not in page


def test_the_same_question_is_the_same_bytes(run):
    def files():
        average(run)
        return {p.name: p.read_bytes() for p in (run.path / "average").iterdir()}

    assert files() == files()


def test_verdicts_tell_who_is_better():
    def cell(name, metric, difference=None, p=None, *, higher=True):
        score = ScoreRow(metric, "recon", 0.5, 0.4, 0.6, 9, higher_is_better=higher)
        test = None if p is None else PairedTest(9, difference, p, 512, exact=True)
        return Cell(arms[name], name, score, test)

    arms = {name: Arm(name, "", None) for name in ("Average", "sub-01", "Mean of subjects")}
    found = [
        cell("Average", "ssim"),
        cell("Average", "swav", higher=False),
        cell("sub-01", "ssim", -0.1, 0.01),
        cell("sub-01", "swav", -0.1, 0.01, higher=False),
        cell("Mean of subjects", "ssim", 0.1, 0.2),
    ]
    assert verdicts(found) == [
        "Against sub-01 the average is better in SSIM and worse in SwAV (p < 0.05, Holm).",
        "Against the mean of subjects no metric tells the average apart (all p ≥ 0.05, Holm).",
    ]


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
    with pytest.raises(DataError, match="encoder of colour learns from the training images"):
        average(run)
    np.savez(other / "state.npz", components=np.array([1.0, 2.00001]))
    assert other_coordinates(run, ("01", "02")) == ""


def test_no_common_test_images_are_refused(run, monkeypatch):
    see(monkeypatch, run, "02", ["i1000", "i1999"])
    with pytest.raises(DataError, match="1 test image is common"):
        average(run)


def test_command_prints_the_scores_side_by_side(run, registry):
    result = CliRunner().invoke(command, ["--run", str(run.path)], obj={"registry": registry})
    assert result.exit_code == 0, result.output
    head = result.stdout.splitlines()[0].split()
    assert head[-3:] == ["sub-01", "sub-02", "average"]
