"""SSIM against scikit-image, and its null against the table of all pairs."""

import itertools

import numpy as np
import pytest
from metrics_case import SSIM, images, noisy, pictures
from skimage.color import rgb2gray
from skimage.metrics import structural_similarity

from neurodiffuse import metrics
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.metrics import similarity
from neurodiffuse.metrics.similarity import ssim_of_shifts


def test_ssim_2d_equals_scikit_image():
    seen, made = pictures(), noisy(pictures())
    expected = [
        structural_similarity(rgb2gray(b / 255), rgb2gray(a / 255), **SSIM)
        for a, b in zip(seen, made, strict=True)
    ]
    np.testing.assert_allclose(metrics.ssim(seen, made), expected, atol=1e-12)


def test_ssim_columnwise_is_the_mean_of_one_dimensional_ones():
    seen, made = pictures(width=9), noisy(pictures(width=9))
    expected = []
    for a, b in zip(seen, made, strict=True):
        x, y = rgb2gray(a / 255), rgb2gray(b / 255)
        columns = [structural_similarity(y[:, k], x[:, k], **SSIM) for k in range(9)]
        expected.append(np.mean(columns))
    values = metrics.ssim(seen, made, variant="columnwise")
    np.testing.assert_allclose(values, expected, atol=1e-12)


@pytest.mark.parametrize("size", [(11, 11), (26, 27), (42, 12), (43, 60), (11, 90)])
def test_ssim_equals_scikit_image_at_any_size(size):
    """Lines are averaged in bands of 16: none may be missing or counted twice."""
    seen = pictures(1, *size)
    made = noisy(seen)
    x, y = rgb2gray(seen[0]), rgb2gray(made[0])
    whole = structural_similarity(y, x, **SSIM)
    assert metrics.ssim(seen, made)[0] == pytest.approx(whole, abs=1e-12)
    columns = [structural_similarity(y[:, k], x[:, k], **SSIM) for k in range(size[1])]
    found = metrics.ssim(seen, made, "columnwise")[0]
    assert found == pytest.approx(np.mean(columns), abs=1e-12)


@pytest.mark.parametrize("variant", ["2d", "columnwise"])
def test_ssim_of_shifts_is_that_of_each_pair_alone(variant, monkeypatch):
    seen, made = pictures(7, 30, 40), noisy(pictures(7, 30, 40))
    order = np.random.default_rng(3).permutation(7)
    monkeypatch.setattr(similarity, "WINDOWS", 2)  # one whole window of pictures and a part
    found = ssim_of_shifts(seen, made, order, range(2, 5), variant)
    for k, shift in enumerate(range(2, 5)):
        for i, own in enumerate(order):
            other = order[(i + shift) % 7]
            alone = metrics.ssim(seen[[other]], made[[own]], variant)[0]
            assert found[k, own] == pytest.approx(alone, abs=1e-14)


def test_ssim_takes_grey_pictures_and_tells_its_variants_apart():
    seen, made = pictures(), noisy(pictures())
    grey = metrics.ssim(rgb2gray(seen), rgb2gray(made))
    np.testing.assert_allclose(grey, metrics.ssim(seen, made), atol=1e-12)
    assert (metrics.ssim(seen, made, "columnwise") != grey).all()
    np.testing.assert_allclose(metrics.ssim(seen, seen), 1, atol=1e-12)


def test_ssim_refuses():
    with pytest.raises(ConfigError, match=r"no SSIM '3d'\. Possible: 2d, columnwise"):
        metrics.ssim(pictures(), pictures(), "3d")
    with pytest.raises(ConfigError, match="no SSIM"):
        metrics.Ssim("3d")
    with pytest.raises(DataError, match="24 × 10 pixels are smaller than its window of 11"):
        metrics.ssim(pictures(width=10), pictures(width=10))
    with pytest.raises(DataError, match="must have the same shape"):
        metrics.ssim(pictures(), pictures(width=12))


@pytest.mark.parametrize("variant", ["2d", "columnwise"])
def test_ssim_null_is_that_of_the_full_table(variant):
    seen, made = pictures(5), noisy(pictures(5))
    table = np.array([[metrics.ssim(s[None], m[None], variant)[0] for m in made] for s in seen])
    every = [table[list(p), range(5)].mean() for p in itertools.permutations(range(5))]
    null = metrics.Ssim(variant).null(images(seen), images(made), np.random.default_rng(0))
    assert len(null) == 9999
    gaps = np.abs(null[:, None] - np.array(every)).min(axis=1)
    assert gaps.max() < 1e-12
    assert null.mean() == pytest.approx(np.mean(every), abs=3 * np.std(every) / 99)
    assert null.std() == pytest.approx(np.std(every), rel=0.05)


def test_ssim_null_of_many_pictures_is_that_of_wrong_pairs(monkeypatch):
    monkeypatch.setattr("neurodiffuse.metrics.pictures.PAIRS", 30 * 29)
    seen = pictures(30, 12, 12)
    table = np.array([[metrics.ssim(s[None], m[None])[0] for m in seen] for s in seen])
    wrong = table[~np.eye(30, dtype=bool)]
    null = metrics.Ssim().null(images(seen), images(seen), np.random.default_rng(0))
    assert null.mean() == pytest.approx(wrong.mean(), abs=0.003)
    columns = np.where(np.eye(30, dtype=bool), np.nan, table)
    expected = np.sqrt(np.nanvar(columns, axis=0).sum()) / 30
    assert null.std() == pytest.approx(expected, rel=0.05)
