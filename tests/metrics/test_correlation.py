"""Correlations against numpy and scipy, with any number of features and threads."""

import tracemalloc

import numpy as np
import pytest
from metrics_case import noisy, pictures
from scipy import stats
from scipy.spatial.distance import correlation

from neurodiffuse import metrics
from neurodiffuse.errors import DataError


def test_pixel_correlation_equals_scipy():
    seen, made = pictures(), noisy(pictures())
    expected = [
        stats.pearsonr(a.ravel() / 255, b.ravel() / 255)[0] for a, b in zip(seen, made, strict=True)
    ]
    np.testing.assert_allclose(metrics.pixel_correlation(seen, made), expected, atol=1e-12)
    distance = [
        correlation(a.ravel() / 1.0, b.ravel() / 1.0) for a, b in zip(seen, made, strict=True)
    ]
    np.testing.assert_allclose(metrics.correlation_distance(seen, made), distance, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
@pytest.mark.parametrize("block", [1, 50, 10**6])
def test_correlation_table_is_the_upper_right_of_corrcoef(dtype, block, monkeypatch):
    monkeypatch.setattr("neurodiffuse.metrics.correlation.BLOCK", block)
    rng = np.random.default_rng(0)
    seen = rng.integers(0, 200, (5, 3, 7)).astype(dtype)
    made = rng.integers(0, 200, (4, 3, 7)).astype(dtype)
    both = np.concatenate([seen.reshape(5, -1), made.reshape(4, -1)]).astype(np.float64)
    expected = np.corrcoef(both)[:5, 5:]
    np.testing.assert_allclose(metrics.correlation_table(seen, made), expected, atol=1e-12)


def test_correlation_of_a_large_offset_keeps_its_digits():
    rng = np.random.default_rng(0)
    seen = (1000 + rng.normal(size=(4, 5000))).astype(np.float32)
    made = (1000 + seen - 1000 + rng.normal(size=(4, 5000))).astype(np.float32)
    expected = np.corrcoef(seen.astype(np.float64), made.astype(np.float64))[:4, 4:]
    np.testing.assert_allclose(metrics.correlation_table(seen, made), expected, atol=1e-10)


def test_correlation_table_of_many_features_stays_small():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(60, 140_000)).astype(np.float32)
    tracemalloc.start()
    table = metrics.correlation_table(seen, seen)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 110e6  # a float64 copy of both sides would be 134 MB, corrcoef's 270 MB
    np.testing.assert_allclose(np.diagonal(table), 1, atol=1e-12)


@pytest.mark.parametrize("wrong", [0.1, 7.0, np.nan, np.inf])
def test_undefined_correlations_are_zero(wrong):
    values = np.random.default_rng(0).normal(size=(3, 50)).astype(np.float32)
    broken = values.copy()
    broken[1] = wrong if np.isfinite(wrong) else np.where(np.arange(50) == 3, wrong, broken[1])
    table = metrics.correlation_table(values, broken)
    assert (table[:, 1] == 0).all()
    assert np.isfinite(table).all()
    assert metrics.pixel_correlation(values, broken)[1] == 0
    assert metrics.correlation_distance(values, broken)[1] == 1
    assert metrics.identification_from_features(values, broken).tolist() == [1, 0.5, 1]


def test_constant_of_which_the_mean_is_rounded():
    constant = np.full((1, 1001), 0.1)
    assert constant.mean() != 0.1
    other = np.random.default_rng(0).normal(size=(1, 1001))
    assert metrics.correlation_table(constant, other) == 0
    assert metrics.pixel_correlation(constant, other) == 0


def test_running_correlation_is_the_table_of_all_features():
    """Far means, a constant row, blocks of any width."""
    rng = np.random.default_rng(2)
    seen = rng.normal(size=(7, 400)) + 300
    made = 0.3 * seen[:6] + rng.normal(size=(6, 400))
    made[4] = 2.5
    running = metrics.RunningCorrelation()
    for start, stop in [(0, 150), (150, 151), (151, 400)]:
        running.add(seen[:, start:stop], made[:, start:stop])
    expected = metrics.correlation_table(seen, made)
    np.testing.assert_allclose(running.table(), expected, atol=2e-6)
    assert (running.table()[:, 4] == 0).all()
    with pytest.raises(DataError, match="nothing to compare"):
        metrics.RunningCorrelation().table()


@pytest.mark.parametrize(
    "values",
    [
        metrics.pixel_correlation,
        metrics.correlation_table,
        metrics.ssim,
        lambda a, b: metrics.ssim(a, b, "columnwise"),
    ],
    ids=["pixcorr", "table", "ssim", "columnwise"],
)
def test_the_number_of_blas_threads_changes_no_bit(values):
    from threadpoolctl import threadpool_limits

    rng = np.random.default_rng(3)
    seen, made = rng.integers(0, 256, (2, 9, 200, 200, 3), np.uint8)
    found = []
    for threads in (1, 2, 3):
        with threadpool_limits(threads, user_api="blas"):
            found.append(values(seen, made).tobytes())
    assert len(set(found)) == 1
