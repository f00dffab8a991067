"""Maps of weights equal dense ones by scikit-learn, wherever they end up."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from nilearn.maskers import NiftiMasker
from questions import weights_toy
from scipy import stats
from sklearn.linear_model import Ridge

from neurodiffuse import store
from neurodiffuse.errors import ConfigError, NeurodiffuseError, RunError
from neurodiffuse.questions.weights import ask
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.command import weights as command
from neurodiffuse.questions.weights.parts import Part, parts_of
from neurodiffuse.questions.weights.project import percentile
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.store import LatentFile, load_betas

STEM = "sub-01_task-viewing_space-func2mm"
FEW = {"permutations": 99, "subjects": ("01",), "pictures": False}


@pytest.fixture
def fitted(tmp_path):
    return weights_toy.fitter(tmp_path)


def dense(run, feature, subject="01", alpha=20.0, voxels=slice(None)):
    """Return x, fitted ridge of scikit-learn and its weights (voxels, targets)."""
    betas = load_betas(run.folder("mask", subject), "train")
    latents = LatentFile.open(run.latents(subject, feature) / "train.npy").rows()
    y = np.stack([latents.values[latents.ids.index(i)] for i in betas.ids]).astype(float)
    x = np.array(betas.values, float)[:, voxels]
    model = Ridge(alpha).fit(x, y)
    return x, model, np.atleast_2d(model.coef_).T


def read(run, folder, name, subject="01"):
    """Read a map with nilearn at the voxels of the mask."""
    masker = NiftiMasker(run.folder("mask", subject) / "mask.nii.gz", standardize=None).fit()
    return masker.transform(folder / f"sub-{subject}" / "func" / f"{name}_statmap.nii.gz").ravel()


@pytest.mark.parametrize("train", [60, 300])  # fewer and more images than voxels
def test_maps_read_by_nilearn_are_the_dense_l1_norms(fitted, train):
    run = fitted(f"train={train}")
    answer = weights(run, Question(**FEW))
    for feature in ("a", "b"):
        _, _, w = dense(run, feature)
        expected = np.abs(w).sum(axis=1)
        found = read(run, answer.folder, f"{STEM}_stat-weight_desc-{feature}")
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
        ranks = [stats.percentileofscore(expected, v, kind="mean") for v in expected]
        found = read(run, answer.folder, f"{STEM}_stat-percentile_desc-{feature}")
        np.testing.assert_allclose(found, ranks, atol=1e-3)


def test_patterns_are_the_dense_covariances(fitted):
    run = fitted()
    question = Question(**FEW, measures=("pattern",))
    answer = weights(run, question)
    for feature in ("a", "b"):
        x, model, _ = dense(run, feature)
        y = model.predict(x)
        y = y[:, y.std(axis=0) > 1e-9]
        cov = np.cov(x.T, y.T)[: x.shape[1], x.shape[1] :]
        expected = np.abs(cov / y.std(axis=0, ddof=1)).sum(axis=1)
        found = read(run, answer.folder, f"{STEM}_stat-pattern_desc-{feature}")
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_tokens_and_components_across_blocks_of_columns(fitted, monkeypatch):
    monkeypatch.setattr(store.latents, "WIDTH", 5)  # a token of three columns lies in two blocks
    run = fitted()
    question = Question(
        **FEW,
        features=("a",),
        tokens=(1, 3),
        components=(7,),
        measures=("l1", "percentile", "pattern"),
    )
    answer = weights(run, question)
    assert answer.folder == run.path / "weights-a-token1-token3-component7"
    assert answer.regions == ()
    x, model, w = dense(run, "a")
    y = model.predict(x)[:, 7]
    for token in (1, 3):
        found = read(run, answer.folder, f"{STEM}_stat-weight_desc-aToken{token}")
        expected = np.abs(w[:, 3 * token : 3 * token + 3]).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    found = read(run, answer.folder, f"{STEM}_stat-weight_desc-aComponent7")
    np.testing.assert_allclose(found, w[:, 7], rtol=1e-3, atol=1e-6)
    assert (found < 0).any()
    ranks = [stats.percentileofscore(np.abs(w[:, 7]), abs(v), kind="mean") for v in w[:, 7]]
    found = read(run, answer.folder, f"{STEM}_stat-percentile_desc-aComponent7")
    np.testing.assert_allclose(found, ranks, atol=1e-3)
    expected = [np.cov(voxel, y)[0, 1] / y.std(ddof=1) for voxel in x.T]
    found = read(run, answer.folder, f"{STEM}_stat-pattern_desc-aComponent7")
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_grid_is_that_of_the_betas_and_outside_is_zero(fitted):
    run = fitted("", "features.a.roi=high")
    folder = weights(run, Question(**FEW)).folder / "sub-01" / "func"
    inside = run.dataset.roi("01", "brain")
    for feature, voxels in (("b", inside), ("a", inside & run.dataset.roi("01", "high"))):
        for stat in ("weight", "percentile"):
            image = nib.load(folder / f"{STEM}_stat-{stat}_desc-{feature}_statmap.nii.gz")
            assert image.shape == weights_toy.SHAPE
            np.testing.assert_array_equal(image.affine, weights_toy.TURNED.astype(np.float32))
            values = np.asarray(image.dataobj).ravel()
            assert not values[~voxels].any()
            assert (values[voxels & (np.arange(120) != 119)] > 0).all()
    _, _, w = dense(run, "a", voxels=run.dataset.roi("01", "high")[inside])
    found = np.asarray(
        nib.load(folder / f"{STEM}_stat-weight_desc-a_statmap.nii.gz").dataobj
    ).ravel()[inside & run.dataset.roi("01", "high")]
    np.testing.assert_allclose(found, np.abs(w).sum(axis=1), rtol=1e-4, atol=1e-6)


def test_percentile_definition():
    values = np.array([3.0, -1.0, 0.0, 3.0, 10.0])
    np.testing.assert_allclose(percentile(values), [60, 30, 10, 60, 90])
    assert percentile(np.random.default_rng(0).random(77)).mean() == pytest.approx(50)


def test_table_and_sidecars_say_what_each_map_is(fitted):
    run = fitted()
    folder = weights(run, Question(**FEW, measures=("l1", "pattern"))).folder
    with (folder / "maps.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(r["feature"], r["stat"], r["targets"]) for r in rows] == [
        ("b", "weight", "8"),
        ("b", "pattern", "8"),
        ("a", "weight", "12"),
        ("a", "pattern", "12"),
    ]
    described = json.loads((folder / "maps.json").read_text())
    assert set(described) == set(rows[0])
    for row in rows:
        image = nib.load(folder / row["file"])
        inside = np.asarray(image.dataobj).ravel()[run.dataset.roi("01", "brain")]
        assert float(row["maximum"]) == pytest.approx(inside.max(), rel=1e-4)
        sidecar = json.loads((folder / row["file"].replace(".nii.gz", ".json")).read_text())
        assert sidecar["Units"] == row["units"]
        assert sidecar["Targets"] == int(row["targets"])


def test_the_same_question_gives_the_same_bytes(fitted, tmp_path):
    run = fitted(f"anatomy={weights_toy.anatomy(tmp_path)}")
    first = weights(
        run, Question(permutations=99, measures=("percentile",), view=True), tmp_path / "one"
    ).folder
    second = weights(
        run, Question(permutations=99, measures=("percentile",), view=True), tmp_path / "two"
    ).folder
    files = sorted(p.relative_to(first) for p in first.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(second) for p in second.rglob("*") if p.is_file())
    assert [str(f) for f in files if (first / f).read_bytes() != (second / f).read_bytes()] == []


def test_parts():
    assert parts_of("f", ((4, 3),), (), ()) == (Part(0, 12),)
    assert parts_of("f", ((2,), (4, 3)), (), (13,)) == (Part(13, 14, "component", 13),)
    assert Part(3, 6).within(slice(4, 9)) == slice(0, 2)
    nothing = Part(3, 6).within(slice(8, 9))
    assert nothing.stop == nothing.start


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"features": ("c",)}, "no feature is called 'c'"),
        ({"measures": ("percentil",)}, "Did you mean 'percentile'"),
        ({"measures": ()}, "at least one"),
        ({"tokens": (1,)}, "--feature: b, a"),
        ({"features": ("b",), "tokens": (1,)}, "has no tokens"),
        ({"features": ("a",), "tokens": (4,)}, "'a' has 0 to 3"),
        ({"features": ("a",), "components": (-1,)}, "'a' has 0 to 11"),
        ({"features": ("a",), "against": "b"}, "no feature is called 'b'"),
        ({"features": ("a",), "tokens": (1,), "against": "a"}, "whole features"),
        ({"permutations": 0}, "1 or more"),
        ({"regions": ("V9",)}, "--roi 'V9'"),
        ({"regions": ("early - early", "ecc>99")}, "nothing to compare in early - early"),
        ({"regions": ("category",)}, "--roi: nothing to compare in Face, Word"),
        ({"regions": ("brain",)}, "or the whole mask"),
        ({"regions": ("early",), "features": ("a",), "components": (1,)}, "--roi compares whole"),
        ({"subjects": ("7",)}, "no such subject"),
        ({"subjects": ("02",)}, "not a subject of this run"),
    ],
)
def test_wrong_questions_are_one_line(fitted, asked, words):
    run = fitted()
    with pytest.raises(NeurodiffuseError) as error:
        weights(run, Question(**asked))
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert not (run.path / "weights").exists()


def test_a_run_that_is_not_fitted_is_refused(fitted):
    run = fitted()
    run.remove_from("fit")
    with pytest.raises(RunError, match="no fitted maps yet"):
        weights(run, Question())


@pytest.mark.parametrize("lost", ["train.npy", "train.json"])
def test_latents_that_are_gone_are_told(fitted, lost):
    run = fitted()
    (run.latents("01", "a") / lost).unlink()
    with pytest.raises(RunError, match=rf"{lost}: the latents that 'a' .* --from encode"):
        weights(run, Question(**FEW))


def test_a_place_that_cannot_be_written_is_told_before_anything_is_computed(
    fitted, tmp_path, monkeypatch
):
    run = fitted()
    monkeypatch.setattr(ask, "_project", lambda *given: pytest.fail("computed"))
    monkeypatch.setattr("os.access", lambda *given: False)
    with pytest.raises(RunError, match=r"new/deep: .* cannot be written"):
        weights(run, Question(**FEW), tmp_path / "new" / "deep")
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="is a file; give a folder"):
        weights(run, Question(**FEW), tmp_path / "file" / "deep")


def test_regions_are_looked_up_before_anything_is_computed(fitted, monkeypatch):
    run = fitted()
    monkeypatch.setattr(ask, "_project", lambda *given: pytest.fail("computed"))
    with pytest.raises(NeurodiffuseError, match="V9"):
        weights(run, Question(regions=("V9",)))


def test_regions_that_cannot_be_compared_are_said(fitted):
    run = fitted()
    answer = weights(run, Question(regions=("early", "early - early", "brain"), **FEW))
    said = "early - early, brain (no voxel that all features are read from, or the whole mask)"
    assert f"not compared: {said}" in ask.summary(answer)
    assert "Not compared: early - early, brain" in (answer.folder / "index.html").read_text()


def test_a_part_named_twice_is_one_part():
    assert Question(components=(2, 2), tokens=(1,)).folder == "weights-token1-component2"


def test_a_folder_of_other_things_is_not_replaced(fitted, tmp_path):
    run = fitted()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(RunError, match="would be replaced"):
        weights(run, Question(**FEW), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"
    first = weights(run, Question(**FEW), tmp_path / "new").folder
    assert weights(run, Question(**FEW), tmp_path / "new").folder == first


def test_command(fitted):
    run = fitted(subjects=("01", "02"))
    given = {"quiet": True, "registry": run.registry}
    arguments = ["--run", str(run.path), "--permutations", "49", "--roi", "high", "--roi", "early"]
    result = CliRunner().invoke(command, arguments, obj=given, catch_exceptions=False)
    assert result.exit_code == 0
    assert "8 maps in" in result.output
    assert str(run.path / "weights" / "index.html") in result.output
    assert Path(run.path / "weights" / "regions_weight.png").exists()
    with pytest.raises(ConfigError, match="no feature is called"):
        CliRunner().invoke(
            command,
            ["--run", str(run.path), "--feature", "c"],
            obj=given,
            catch_exceptions=False,
        )
