"""What a region stands for, asked of toy subjects and checked against the formulas in the open."""

from __future__ import annotations

import csv
import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.optimize import brentq
from sklearn.linear_model import Ridge, RidgeCV

from neurodiffuse.errors import ConfigError, DataError, RunError
from neurodiffuse.questions.roi_optimal import encoding, regions
from neurodiffuse.questions.roi_optimal import rows as painted
from neurodiffuse.questions.roi_optimal.ask import roi_optimal
from neurodiffuse.questions.roi_optimal.command import roi_optimal as command
from neurodiffuse.questions.roi_optimal.patterns import patterns_of
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.renormalise import reference, reference_kinds, to_norm
from neurodiffuse.questions.roi_optimal.source import fitted
from neurodiffuse.run import opened
from neurodiffuse.store import LatentFile, load_betas


@pytest.fixture
def run(make_run):
    """Return a run of two subjects that is fitted and no more."""
    run = make_run("features.colour.alpha=3", "stages.first.grain=0.05", subjects=("01", "02"))
    with opened(run):
        fitted(run)
    return run


def question(*words, **options):
    options = {"subjects": ("01", "02"), **options}
    return Question(regions=regions.wanted(words), **options)


def rows_of(run, asked, notes):
    """Return the rows, whose latents are files of a folder of the run."""
    folder = Path(tempfile.mkdtemp(dir=run.path))
    return painted.rows_of(run, asked, painted.found_of(run, asked, notes), folder, notes)


def problem(run, subject="01"):
    """Return betas, latents (a row a training image) and the indices of the mask's voxels."""
    train = load_betas(run.folder("mask", subject), "train")
    latents = LatentFile.open(run.latents(subject, "colour") / "train.npy").rows()
    y = np.stack([latents.values[latents.ids.index(i)] for i in train.ids]).astype(float)
    return np.array(train.values, float), y, np.arange(60)


def pattern(run, name, subject="01"):
    return run.dataset.roi(subject, name)[run.dataset.roi(subject, "left")]


def table(place):
    with (place / "images.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def pictures(place):
    """Return the bytes of every picture by its path in the folder."""
    return {
        str(p.relative_to(place)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(place.rglob("sample-*.png"))
    }


# --- latents ------------------------------------------------------------------------------------


def test_latents_are_the_ridge_prediction_scaled_to_the_mean_norm_of_training(run):
    (row, _, _) = rows_of(run, question("V1", "FFA1"), [])
    x, y, _ = problem(run)
    ridge = Ridge(3.0).fit(x, y)
    mean, target = y.mean(0), np.linalg.norm(y, axis=1).mean()
    for name in ("V1", "FFA1"):
        found = row.latents[name]["colour"].rows().values[0]
        d = ridge.predict(pattern(run, name)[None].astype(float))[0] - mean
        d[3] = 0  # a target without variance
        scale = brentq(lambda s, d=d: np.linalg.norm(mean + s * d) - target, 0, 1e6)
        np.testing.assert_allclose(found, mean + scale * d, atol=1e-3)
        assert np.linalg.norm(found) == pytest.approx(target, rel=1e-5)


def test_without_renormalisation_latents_are_the_prediction(run):
    row = rows_of(run, question("FFA1", renorm="none"), [])[0]
    x, y, _ = problem(run)
    expected = Ridge(3.0).fit(x, y).predict(pattern(run, "FFA1")[None].astype(float))
    np.testing.assert_allclose(row.latents["FFA1"]["colour"].rows().values, expected, atol=1e-4)


def test_the_average_is_the_mean_of_the_subjects_latents_with_their_norm(run):
    one, two, mean = rows_of(run, question("V1"), [])
    a, b, found = (row.latents["V1"]["colour"].rows().values[0] for row in (one, two, mean))
    _, y, _ = problem(run)
    centre, target = y.mean(0), np.linalg.norm(y, axis=1).mean()
    d = (a + b) / 2 - centre
    scale = brentq(lambda s: np.linalg.norm(centre + s * d) - target, 0, 1e6)
    np.testing.assert_allclose(found, centre + scale * d, atol=1e-4)
    plain = rows_of(run, question("V1", renorm="none"), [])
    values = [row.latents["V1"]["colour"].rows().values for row in plain]
    np.testing.assert_allclose(values[2], (values[0] + values[1]) / 2, atol=1e-6)


def test_norm_of_a_row_without_deviation_stays():
    mean = np.array([3.0, 4.0])
    np.testing.assert_allclose(to_norm(np.zeros((1, 2), np.float32), mean, 7.0), [mean])


def test_norm_that_the_line_never_reaches_takes_the_nearest_point():
    mean, d = np.array([3.0, 4.0]), np.array([[-3.0, 0.0]], np.float32)
    np.testing.assert_allclose(to_norm(d, mean, 1.0), [[0.0, 4.0]], atol=1e-6)


def test_reference_equals_a_plain_transcription():
    rng = np.random.default_rng(0)
    w, b = rng.standard_normal((40, 24)), rng.standard_normal(24)
    y = rng.standard_normal((100, 24)) * rng.uniform(1, 3, 24) + b
    masks = rng.uniform(size=(5, 40)) < 0.3
    d = masks @ w
    # scripts/roi_generate_features.py, line by line
    v = np.zeros((5, 24))
    for i in range(5):
        one = masks[i] @ w
        v[i] = 50 * one / (np.linalg.norm(one) + 1e-8) + y.mean(0)
    z = (v - np.mean(v, axis=0)) / np.std(v, axis=0)
    v = z * np.std(y, axis=0) + np.mean(y, axis=0)
    for i in range(5):
        v[i] = 80 * v[i] / np.linalg.norm(v[i])
    np.testing.assert_allclose(reference("vdvae", d, y.mean(0), y.std(0)), v, rtol=1e-10)
    for kind, length in (("clip-text", 9), ("clip-vision", 15)):
        rows = [length * one / (np.linalg.norm(one) + 1e-8) + y.mean(0) for one in d]
        np.testing.assert_allclose(reference(kind, d, y.mean(0), y.std(0)), rows, rtol=1e-10)


def test_reference_needs_two_regions_and_says_so():
    with pytest.raises(ConfigError, match="one region only"):
        reference("vdvae", np.ones((1, 3)), np.ones(3), np.ones(3))


def test_reference_constants_go_by_name_or_by_what_is_said():
    names = {"vdvae": "", "clip-text": "", "vision": "", "odd": "clip-text"}
    assert reference_kinds(names) == {
        "vdvae": "vdvae",
        "clip-text": "clip-text",
        "vision": "clip-vision",
        "odd": "clip-text",
    }
    with pytest.raises(ConfigError, match="'colour' has no published constants"):
        reference_kinds({"colour": ""})


# --- regions ------------------------------------------------------------------------------------


def test_presets_are_the_papers_figures():
    assert [len(regions.PRESETS[name]) for name in regions.PRESETS] == [4, 4, 5, 5]
    everything = regions.wanted(["all"])
    assert len(everything) == 18
    assert regions.wanted(["category", "category"]) == regions.wanted(["category"])


@pytest.mark.parametrize("words", [[], ["V1+"], ["(V1"]])
def test_words_that_name_no_region_are_refused(words):
    with pytest.raises(ConfigError):
        regions.wanted(words)


def test_labels_of_regions_tell_them_apart():
    names = ["V1+V2", "V1-V2", "V1&V2", "(V1+V2)&V3", "V1+(V2&V3)", "ecc:0-1", "ecc>1", "ecc<1"]
    found = [region.label for region in regions.wanted(names)]
    assert len(set(found)) == len(names)
    assert not set("".join(found)) & set("/:&><() \\")


def test_a_region_nobody_has_is_an_error_and_one_of_a_preset_is_noted(run):
    with pytest.raises(ConfigError, match="FFX"):
        rows_of(run, question("FFX"), [])
    with pytest.raises(DataError, match="no voxel in the mask of sub-01, sub-02"):
        rows_of(run, question("nothing"), [])
    with pytest.raises(DataError, match="nothing to paint"):
        rows_of(run, question("category"), [])
    notes = []
    rows = rows_of(run, question("visual"), notes)
    assert [list(row.latents) for row in rows] == [["V1"], ["V1"], ["V1"]]
    assert any("sub-01 has no region for V2, V3, V4" in note for note in notes)


def test_a_preset_that_hides_a_region_of_its_name_says_so(run, monkeypatch):
    about = run.subject("01")
    named = tuple(replace(about.rois[0], name=n) for n in ("category", "visual", "all"))
    monkeypatch.setitem(run._subjects, "01", replace(about, rois=about.rois + named))
    notes = []
    rows_of(run, question("visual"), notes)
    assert [n for n in notes if "preset" in n] == [
        "'visual' is taken as the preset (V1, V2, V3, V4), not as the data set's region of this "
        "name; that is written --roi '(visual)'."
    ]
    with pytest.raises(DataError, match=r"nothing to paint.*written --roi '\(category\)'"):
        rows_of(run, question("category"), [])
    notes = []
    rows_of(run, question("all"), notes)
    assert sum("preset" in note for note in notes) == 1
    assert any("written --roi '(all)'" in note for note in notes)
    notes = []
    rows_of(run, question("V1"), notes)
    assert not any("preset" in note for note in notes)


def test_a_subject_without_the_region_is_left_out_of_row_and_average(run, monkeypatch):
    roi = run.dataset.roi
    monkeypatch.setattr(
        run.dataset, "roi", lambda s, n: roi(s, n) & (s == "01") if n == "V1" else roi(s, n)
    )
    notes = []
    rows = rows_of(run, question("V1", "FFA1"), notes)
    assert {row.label: list(row.latents) for row in rows} == {
        "01": ["V1", "FFA1"],
        "02": ["FFA1"],
        "average": ["FFA1"],
    }
    assert notes == ["sub-02 has no voxel in the mask for V1; left out."]


def test_a_feature_that_reads_no_voxel_of_the_region_stays_at_its_mean(make_run):
    run = make_run("features.colour.roi=V1", subjects=("01",))
    with opened(run):
        fitted(run)
    notes = []
    (row,) = rows_of(run, question("FFA1", subjects=("01",)), notes)
    _, y, _ = problem(run)
    np.testing.assert_allclose(row.latents["FFA1"]["colour"].rows().values[0], y.mean(0), atol=1e-5)
    assert "stays at its mean" in notes[0]


def test_random_voxels_are_a_null_of_the_asked_size(run):
    words = ("random:12", "random:12/1", "random:5")
    rows = rows_of(run, question(*words), [])
    drawn = {
        (row.label, word): row.inside[word][row.label].voxels for row in rows[:2] for word in words
    }
    assert [voxels.sum() for voxels in drawn.values()] == [12, 12, 5] * 2
    assert len({voxels.tobytes() for voxels in drawn.values()}) == 6
    again = rows_of(run, question("V1", "random:5"), [])
    assert (again[0].inside["random:5"]["01"].voxels == drawn["01", "random:5"]).all()
    with pytest.raises(ConfigError, match="the mask of sub-01 has 60 voxels"):
        rows_of(run, question("random:61"), [])


# --- the forward model --------------------------------------------------------------------------


def test_forward_model_is_the_ridge_of_scikit_learn():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((60, 8)) * rng.uniform(0.2, 3, 8) + 5
    y = x @ rng.standard_normal(8) + 2 * rng.standard_normal(60)
    found = encoding.Design(x).fit(y)
    square = np.linalg.svd(x - x.mean(0), compute_uv=False) ** 2
    alphas = np.logspace(-4, 4, 25) * square.mean()
    model = RidgeCV(alphas, store_cv_results=True).fit(x, y)
    np.testing.assert_allclose(found.weights, model.coef_, rtol=1e-6)
    assert found.constant == pytest.approx(model.intercept_)
    errors = model.cv_results_.mean(axis=0)
    assert found.r2 == pytest.approx(1 - errors.min() / y.var(), rel=1e-6)


def test_forward_model_of_the_contrast_is_the_contrast_of_the_voxels_models(run):
    inside = pattern(run, "FFA1")
    model = encoding.ForwardModel(run, "01")
    response = model.response(inside)
    x, _, _ = problem(run)
    activity = x[:, inside].mean(1) - x[:, ~inside].mean(1)
    images = load_betas(run.folder("mask", "01"), "train").ids
    expected = _left_out(run, images, activity)
    assert response.r2 == pytest.approx(expected, abs=0.02)
    assert response.r2 > 0.8  # the toy voxels are linear in colour


def test_repetitions_that_are_kept_single_give_the_same_kind_of_answer(make_run):
    run = make_run("mask.repetitions=single", "features.colour.alpha=3", subjects=("01",))
    with opened(run):
        fitted(run)
    (row,) = rows_of(run, question("V1", subjects=("01",)), [])
    x, y, _ = problem(run)
    assert len(x) == 60  # 40 images, half of them seen twice
    target = np.linalg.norm(y, axis=1).mean()
    assert np.linalg.norm(row.latents["V1"]["colour"].rows().values) == pytest.approx(
        target, rel=1e-5
    )
    found = encoding.ForwardModel(run, "01").response(pattern(run, "V1"))
    ids = np.array(load_betas(run.folder("mask", "01"), "train").ids)
    images = list(dict.fromkeys(ids))
    assert len(images) == 40
    means = np.stack([x[ids == image].mean(0) for image in images])
    inside = pattern(run, "V1")
    activity = means[:, inside].mean(1) - means[:, ~inside].mean(1)
    assert found.r2 == pytest.approx(_left_out(run, images, activity), abs=0.02)


def _left_out(run, images, activity):
    """Return the variance in left-out images that least squares on the colour explains."""
    z = np.array([run.dataset._colour(image) for image in images])
    left_out = []
    for k in range(len(z)):
        keep = np.arange(len(z)) != k
        left_out.append(Ridge(1e-3).fit(z[keep], activity[keep]).predict(z[k : k + 1])[0])
    return 1 - ((activity - left_out) ** 2).mean() / activity.var()


def test_reduction_is_the_pca_of_scikit_learn(tmp_path):
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(2)
    values = (rng.standard_normal((50, 6)) @ rng.standard_normal((6, 30)) + 3).astype(np.float32)
    file = LatentFile.create(tmp_path / "x.npy", [f"i{k}" for k in range(50)], ((30,),))
    file.write(0, values)
    found = encoding.reduction(file, most=4)
    expected = PCA(4).fit_transform(values)
    scores = found.of_file(file)
    np.testing.assert_allclose(scores, found.of_rows(values), atol=1e-4)
    for mine, other in zip(scores.T, expected.T, strict=True):
        assert abs(np.corrcoef(mine, other)[0, 1]) == pytest.approx(1, abs=1e-4)
    assert scores.var(axis=0).sum() == pytest.approx(1, rel=1e-4)


def test_predicted_activation_is_highest_for_the_regions_own_picture(run):
    rows = table(roi_optimal(run, question("V1", "FFA1", subjects=("01",))))
    model = encoding.ForwardModel(run, "01")
    assert all(float(row["predicted_activation"]) > 0 for row in rows)
    assert all(
        row["model_r2"] == f"{model.response(pattern(run, row['region'])).r2:.4f}" for row in rows
    )


# --- pictures -----------------------------------------------------------------------------------


def test_the_same_question_is_the_same_bytes_and_is_not_asked_twice(run, make_run):
    place = roi_optimal(run, question("V1", seeds=2, display="equalise"))
    before = {p: p.stat().st_mtime_ns for p in place.rglob("*")}
    assert roi_optimal(run, question("V1", seeds=2, display="equalise")) == place
    assert {p: p.stat().st_mtime_ns for p in place.rglob("*")} == before
    again = make_run(
        "features.colour.alpha=3", "stages.first.grain=0.05", subjects=("01", "02"), out="again"
    )
    with opened(again):
        fitted(again)
    other = roi_optimal(again, question("V1", seeds=2, display="equalise"))
    assert other.name == place.name
    files = sorted(p.relative_to(place) for p in place.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(other) for p in other.rglob("*") if p.is_file())
    assert all((place / p).read_bytes() == (other / p).read_bytes() for p in files)


@pytest.mark.parametrize("renorm", ["train-norm", "none"])
def test_a_picture_does_not_depend_on_the_other_regions(run, renorm):
    alone = pictures(roi_optimal(run, question("V1", renorm=renorm, seeds=2)))
    others = ["FFA1", "V1", "eccentricity", "left-V1"]
    among = pictures(roi_optimal(run, question(*others, renorm=renorm, seeds=2)))
    assert len(alone) == 3 * 2 * 2
    assert alone == {path: among[path] for path in alone}


def test_a_picture_depends_on_its_region_subject_and_sample(run):
    found = pictures(roi_optimal(run, question("V1", "FFA1", seeds=2)))
    last = [digest for path, digest in found.items() if "recon" in path]
    assert len(set(last)) == len(last) == 3 * 2 * 2


def test_under_reference_the_others_matter_and_it_is_said(run):
    options = {"renorm": "reference", "kinds": {"colour": "vdvae"}, "subjects": ("01",)}
    (two,) = rows_of(run, question("V1", "FFA1", **options), [])
    (three,) = rows_of(run, question("V1", "FFA1", "left", **options), [])
    one, other = (row.latents["V1"]["colour"].rows().values for row in (two, three))
    assert np.abs(one - other).max() > 0.1
    assert np.linalg.norm(one) == pytest.approx(80, rel=1e-5)
    place = roi_optimal(run, question("V1", "FFA1", **options))
    assert "z-scored over the regions" in (place / "index.html").read_text(encoding="utf-8")


def test_ranking_keeps_the_best_candidates(run):
    place = roi_optimal(run, question("FFA1", method="encoder-ranked", candidates=5, seeds=2))
    rows = [row for row in table(place) if row["subject"] == "01"]
    values = [float(row["predicted_activation"]) for row in rows]
    kept = [row["kept"] == "true" for row in rows]
    assert len(rows) == 5
    assert sum(kept) == 2
    assert min(v for v, k in zip(values, kept, strict=True) if k) >= max(
        v for v, k in zip(values, kept, strict=True) if not k
    )
    files = {row["file"] for row in rows if row["kept"] == "true"}
    assert all((place / file).exists() for file in files)
    assert len(list((place / "sub-01").rglob("*stage-recon.png"))) == 2
    linear = table(roi_optimal(run, question("FFA1", seeds=5)))
    first = [row["predicted_activation"] for row in linear if row["subject"] == "01"]
    assert first == [row["predicted_activation"] for row in rows]


def test_raw_pictures_are_kept_and_shown_ones_are_stretched(run):
    place = roi_optimal(run, question("V1", display="stretch", subjects=("01",)))
    plain = roi_optimal(run, question("V1", subjects=("01",)))
    raw = "sub-01/regions/V1/sample-0_stage-recon.png"
    assert (place / raw).read_bytes() == (plain / raw).read_bytes()
    picture = np.asarray(Image.open(place / raw))
    shown = np.asarray(Image.open(place / raw.replace(".png", "_display-stretch.png")))
    for channel in range(3):
        low, high = np.percentile(picture[..., channel], (2, 98))
        expected = np.clip((picture[..., channel] - low) / (high - low), 0, 1) * 255
        np.testing.assert_allclose(shown[..., channel], expected, atol=1)


def test_the_page_holds_every_picture_and_needs_nothing_else(run):
    place = roi_optimal(run, question("V1", "eccentricity", seeds=2))
    html = (place / "index.html").read_text(encoding="utf-8")
    assert html.count("<img ") == 3 * (1 + 5) * 2
    assert "http" not in html.replace("http-equiv", "")
    assert "<script" not in html
    sizes = {}
    for name in ("eccentricity", "regions"):
        with Image.open(place / f"figure-{name}.png") as figure:
            sizes[name] = figure.size
    assert sizes["eccentricity"][0] > 2 * sizes["regions"][0]
    assert sizes["eccentricity"][1] == sizes["regions"][1]


def test_the_page_escapes_what_it_is_given(run):
    odd = regions.Region("<b>V1</b>", ("V1",))
    place = roi_optimal(run, Question(("01",), (odd,)))
    html = (place / "index.html").read_text(encoding="utf-8")
    assert "<b>V1</b>" not in html
    assert "&lt;b&gt;V1&lt;/b&gt;" in html


def test_an_unfitted_run_is_refused(make_run):
    with pytest.raises(RunError, match="not fitted yet"):
        roi_optimal(make_run(), question("V1", subjects=("01",)))


def test_too_few_candidates_are_refused():
    with pytest.raises(ConfigError, match="--candidates"):
        question("V1", method="encoder-ranked", candidates=2, seeds=3)


# --- random signs -------------------------------------------------------------------------------


def test_signs_are_of_the_region_alone_and_new_for_each_picture():
    inside = np.random.default_rng(0).uniform(size=400) < 0.5
    asked = question("V1", pattern="signs", seeds=50)
    signs = patterns_of(asked, "V1", inside, 7)
    assert signs.shape == (50, 400)
    assert (np.abs(signs) == inside).all()
    assert abs(signs[:, inside].mean()) < 4 / np.sqrt(50 * inside.sum())
    assert len(np.unique(signs, axis=0)) == 50
    np.testing.assert_array_equal(signs[:3], patterns_of(replace(asked, seeds=3), "V1", inside, 7))
    for key, seed in (("V2", 7), ("V1", 8)):
        assert (patterns_of(asked, key, inside, seed) != signs).any()


def test_mean_energy_of_signs_is_the_sum_of_what_the_voxels_do_alone(run):
    asked = question("V1", pattern="signs", seeds=400, renorm="none", subjects=("01",))
    (row,) = rows_of(run, asked, [])
    x, y, _ = problem(run)
    ridge = Ridge(3.0).fit(x, y)
    weights = ridge.coef_.T[pattern(run, "V1")]
    energy = ((row.latents["V1"]["colour"].rows().values - y.mean(axis=0)) ** 2).mean(axis=0)
    np.testing.assert_allclose(energy.sum(), (weights**2).sum(), rtol=0.15)


def test_signs_are_painted_one_a_picture_and_do_not_depend_on_what_else_is_asked(run):
    alone = roi_optimal(run, question("V1", pattern="signs", seeds=6, renorm="train-norm"))
    among = pictures(roi_optimal(run, question("FFA1", "V1", pattern="signs", seeds=7)))
    found = pictures(alone)
    assert found == {path: among[path] for path in found}
    assert len(found) == 3 * 6 * 2
    assert len({v for path, v in found.items() if "sub-01" in path and "first" in path}) == 6
    rows = table(alone)
    assert {row["predicted_activation"] for row in rows} == {"n/a"}
    _, y, _ = problem(run)
    norm = np.linalg.norm(y, axis=1).mean()
    assert [float(r["norm_colour"]) for r in rows] == pytest.approx([norm] * 18, rel=1e-3)
    assert "+1 or -1 at random" in (alone / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("options", [{"method": "encoder-ranked"}, {"renorm": "reference"}])
def test_signs_go_with_no_ranking_and_no_published_constants(options):
    with pytest.raises(ConfigError, match="--pattern signs"):
        question("V1", pattern="signs", **options)


# --- the command --------------------------------------------------------------------------------


def invoke(registry, *arguments):
    return CliRunner().invoke(command, arguments, obj={"registry": registry, "quiet": True})


def test_command_fits_first_and_asks_again_of_the_same_folder(registry, tmp_path):
    out = str(tmp_path / "run")
    fit = ("--dataset", "toy", "--sub", "1", "--recipe", "toy", "--out", out)
    first = invoke(registry, *fit, "--roi", "V1")
    assert first.exit_code == 0, first.output
    assert not (tmp_path / "run/steps/sub-01/generate").exists()
    second = invoke(registry, "--run", out, "--roi", "V1")
    assert second.output == first.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--roi", "V1"), "no decoded run in runs"),
        (("--roi", "V1", "--dataset", "toy"), "--sub"),
        (("--roi", "V1", "--run", "nowhere"), "not a run folder"),
        (("--roi", "V1", "--run", "x", "--recipe", "toy"), "--recipe: belongs to --dataset"),
    ],
)
def test_command_says_what_is_missing(registry, arguments, said, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    result = invoke(registry, *arguments)
    assert result.exit_code == 1
    assert said in str(result.exception)


def test_command_refuses_a_subject_that_the_run_has_not(registry, run):
    result = invoke(registry, "--run", str(run.path), "--roi", "V1", "--sub", "10")
    assert "is a run of 01, 02" in str(result.exception)
    result = invoke(registry, "--run", str(run.path), "--roi", "V1", "--sub", "2")
    assert result.exit_code == 0
    result = invoke(
        registry, "--run", str(run.path), "--roi", "V1", "--reference-as", "colours=vdvae"
    )
    assert "Did you mean 'colour'" in str(result.exception)


def test_a_region_that_has_other_voxels_by_now_is_another_answer(run, monkeypatch):
    import toy

    first = roi_optimal(run, question("FFA1", "V1"))
    assert roi_optimal(run, question("FFA1", "V1")) == first
    real = toy.Toy.roi
    monkeypatch.setattr(
        toy.Toy, "roi", lambda self, s, n: np.roll(real(self, s, n), 3 * (n == "FFA1"))
    )
    second = roi_optimal(run, question("FFA1", "V1"))
    assert second != first
    one, two = (next(f.glob("sub-01/**/FFA1/*.png")).read_bytes() for f in (first, second))
    assert one != two
    assert roi_optimal(run, question("FFA1", "V1")) == second
