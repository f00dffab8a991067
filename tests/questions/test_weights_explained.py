"""Explained variance equals that of fits that leave images out one by one."""

from __future__ import annotations

import csv
import os

import numpy as np
import pytest
from nilearn.maskers import NiftiMasker
from questions import weights_toy
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.explained import PENALTIES, forward_model, left_out_r2
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.store import LatentFile, load_betas

FEW = {"permutations": 99, "subjects": ("01",), "pictures": False, "measures": ("explained",)}


@pytest.fixture
def fitted(tmp_path):
    return weights_toy.fitter(tmp_path)


def problem(run, feature, columns=slice(None)):
    betas = load_betas(run.folder("mask", "01"), "train")
    latents = LatentFile.open(run.latents("01", feature) / "train.npy").rows()
    y = np.stack([latents.values[latents.ids.index(i)] for i in betas.ids]).astype(float)
    return np.array(betas.values, float), y[:, columns]


def read(run, answer, name):
    masker = NiftiMasker(run.folder("mask", "01") / "mask.nii.gz", standardize=None).fit()
    stem = f"sub-01_task-viewing_space-func2mm_stat-explained_desc-{name}_statmap.nii.gz"
    return masker.transform(answer.folder / "sub-01" / "func" / stem).ravel()


def left_out(x, y, row, penalty):
    """Return what a ridge fitted on all other rows predicts for a row."""
    rest_x, rest_y = np.delete(x, row, axis=0), np.delete(y, row, axis=0)
    centred, mean = rest_y - rest_y.mean(axis=0), rest_x.mean(axis=0)
    inner = centred.T @ centred + penalty * np.eye(y.shape[1])
    weights = np.linalg.solve(inner, centred.T @ (rest_x - mean))
    return (y[row] - rest_y.mean(axis=0)) @ weights + mean


def brute_force(x, y):
    """Return R² of left-out rows, voxel by voxel, with the best of all penalties, or 0."""
    usual = ((y - y.mean(axis=0)) ** 2).sum() / len(y)
    total = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    best = np.zeros(x.shape[1])
    for penalty in PENALTIES:
        said = np.array([left_out(x, y, row, penalty * usual) for row in range(len(x))])
        error = ((x - said) ** 2).sum(axis=0)
        share = 1 - np.divide(error, total, out=np.ones_like(error), where=total > 0)
        best = np.maximum(best, share)
    return best


@pytest.mark.parametrize("train", [8, 40])  # fewer and more images than latents
def test_maps_are_those_of_fits_that_leave_one_image_out(fitted, train):
    run = fitted(f"train={train}")
    answer = weights(run, Question(**FEW))
    for feature in ("a", "b"):
        expected = brute_force(*problem(run, feature))
        np.testing.assert_allclose(read(run, answer, feature), expected, atol=2e-5)
        assert expected.max() > 0.3 or train < 40


def test_one_token_and_one_latent_explain_what_they_alone_do(fitted):
    run = fitted("train=40")
    question = Question(**FEW, features=("a",), tokens=(2,), components=(4,))
    answer = weights(run, question)
    width = weights_toy.WIDTH
    for name, columns in (("aToken2", slice(2 * width, 3 * width)), ("aComponent4", slice(4, 5))):
        expected = brute_force(*problem(run, "a", columns))
        np.testing.assert_allclose(read(run, answer, name), expected, atol=2e-5)


def test_many_voxels_that_say_the_same_share_weights_and_each_keep_what_is_explained():
    """Ten copies of one voxel: weights are a tenth as large, explained variance is the same."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal((200, 4))
    x = y @ rng.standard_normal((4, 6)) + rng.standard_normal((200, 6))
    many = np.hstack([x, np.repeat(x[:, :1], 9, axis=1)])
    centred = y - y.mean(axis=0)
    model = forward_model(centred @ centred.T)
    alone, among = (left_out_r2(model, betas - betas.mean(axis=0)) for betas in (x, many))
    np.testing.assert_allclose(among[:6], alone, atol=1e-12)
    size = [np.abs(Ridge(1.0).fit(design, y).coef_).sum(axis=0)[0] for design in (x, many)]
    assert size[1] < 0.2 * size[0]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_bits_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    y, x = rng.standard_normal((600, 20)), rng.standard_normal((600, 300))
    model, found = forward_model(y @ y.T), []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, "blas"):
            found.append(left_out_r2(model, x).tobytes())
    assert len(set(found)) == 1


def test_latents_that_never_vary_explain_nothing():
    x = np.random.default_rng(0).standard_normal((5, 3))
    assert (left_out_r2(forward_model(np.zeros((5, 5))), x) == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_planted_selectivity_is_recovered(fitted, seed):
    run = fitted(f"seed={seed};train=300")
    answer = weights(run, Question(**FEW))
    with (answer.folder / "regions.tsv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["stat"] == "explained"]
    level = {(r["region"], r["feature"]): float(r["percentile"]) for r in rows}
    assert level["high", "a"] > 60 > 50 > level["early", "a"]
    assert level["early", "b"] > 60 > 50 > level["high", "b"]
    assert max(level["null", f] for f in "ab") < 50


def test_the_page_says_what_is_shown(fitted):
    run = fitted("train=40")
    answer = weights(run, Question(**FEW))
    page = (answer.folder / "index.html").read_text(encoding="utf-8")
    assert "Explained variance of regions" in page
    assert "forward model" in page
    assert (answer.folder / "regions_explained.png").exists()
