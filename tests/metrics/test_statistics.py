"""Means, intervals and p-values against scipy and against theory."""

import numpy as np
import pytest
from metrics_case import latents
from scipy import stats

from neurodiffuse import metrics
from neurodiffuse.errors import DataError


def _summary(values, null, higher=True, chance=None, seed=0):
    return metrics.summary(
        np.asarray(values), np.asarray(null), higher_is_better=higher, chance=chance, seed=seed
    )


def test_summary_by_hand():
    null = np.arange(99) / 99
    result = _summary([0.8, 1.0, 0.9], null)
    assert result.n == 3
    assert result.mean == pytest.approx(0.9)
    assert result.sem == pytest.approx(stats.sem([0.8, 1.0, 0.9]))
    at_least = sum(v >= 0.9 for v in null)
    assert result.p == pytest.approx((1 + at_least) / 100)
    assert _summary([0.8, 1.0, 0.9], null, higher=False).p == pytest.approx((100 - at_least) / 100)
    assert result.chance == pytest.approx(null.mean())
    assert result.chance_from == "null"
    assert result.null_interval == pytest.approx(tuple(np.percentile(null, [2.5, 97.5])))
    assert result.permutations == 99
    theory = _summary([0.8, 1.0, 0.9], null, chance=0.5)
    assert (theory.chance, theory.chance_from) == (0.5, "theory")


def test_equal_means_summed_in_another_order_count_as_equal():
    values = np.random.default_rng(0).normal(size=50)
    null = np.array([values[np.random.default_rng(i).permutation(50)].mean() for i in range(20)])
    assert len(set(null.tolist())) > 1
    assert _summary(values, null).p == 1
    assert _summary(values, null, higher=False).p == 1


def test_the_seed_settles_an_interval():
    values = np.random.default_rng(1).gamma(2, size=60)
    interval = _summary(values, []).interval
    assert _summary(values, []).interval == interval
    assert _summary(values, [], seed=1).interval != interval
    assert _summary(values, []).interval_method == "bootstrap-t"
    shares = np.random.default_rng(1).beta(5, 1, size=60)
    for said in ({"chance": 0.5}, {"share": True}):
        found = metrics.summary(
            shares, np.empty(0), higher_is_better=True, seed=0, **{"chance": None} | said
        )
        assert found.interval_method == "wilson"


def test_two_images_and_one_in_a_summary():
    two = _summary([0.0, 1.0], [0.5, 0.2])
    half = stats.t.ppf(0.975, 1) * 0.5
    assert two.interval == pytest.approx((0.5 - half, 0.5 + half))
    assert two.p == pytest.approx(2 / 3)
    one = _summary([0.7], [0.7, 0.7], chance=None)
    assert (one.n, one.mean) == (1, 0.7)
    assert one.sem is one.interval is one.p is one.chance is one.null_interval is None
    assert one.reason
    without = _summary([0.1, 0.2, 0.3], [])
    assert without.p is None
    assert without.interval is not None
    assert without.reason == "no null was drawn"


def test_summary_refuses_what_is_not_a_number():
    with pytest.raises(DataError, match="1 of 3 values are not finite, the first in row 2"):
        _summary([0.1, 0.2, np.nan], [])
    with pytest.raises(DataError, match="no value"):
        _summary([], [])
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        _summary(np.ones((2, 2)), [])


def test_p_is_uniform_when_nothing_is_decoded():
    rng = np.random.default_rng(0)
    ps = {"identification": [], "distance": []}
    for _ in range(150):
        seen, made = latents(rng.normal(size=(12, 20))), latents(rng.normal(size=(12, 20)))
        for name, metric in (
            ("identification", metrics.LatentIdentification()),
            ("distance", metrics.LatentDistance()),
        ):
            metric.permutations = 199
            result = metrics.summary(
                metric.compare(seen, made), metric.null(seen, made, rng),
                higher_is_better=metric.higher_is_better, chance=metric.chance,
                bootstrap=0, seed=0,
            )  # fmt: skip
            ps[name].append(result.p)
    for values in ps.values():
        assert stats.kstest(values, "uniform").pvalue > 0.001
        assert np.mean(np.array(values) <= 0.05) < 0.12


def test_paired_test_of_few_images_is_exact():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.5, 1, 9), rng.normal(size=9)
    result = metrics.paired_test(a, b, 0)
    expected = stats.permutation_test(
        (a, b), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert result.exact
    assert result.permutations == 512
    assert result.p == pytest.approx(expected)
    assert result.difference == pytest.approx(a.mean() - b.mean())
    assert metrics.paired_test(b, a, 0).p == pytest.approx(expected)


def test_paired_test_of_many_images():
    rng = np.random.default_rng(0)
    a = rng.normal(size=80)
    b = a - 0.2 + rng.normal(scale=0.8, size=80)
    result = metrics.paired_test(a, b, 0)
    assert not result.exact
    assert result.p == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=0.01)
    assert result == metrics.paired_test(a, b, 0)
    assert metrics.paired_test(a, a, 0).p == 1
    assert metrics.paired_test(a + 5, a + rng.normal(scale=0.1, size=80), 0).p == 1 / 10_000


def test_paired_test_of_one_image_and_of_different_ones():
    one = metrics.paired_test(np.array([0.5]), np.array([0.2]), 0)
    assert one.p is None
    assert one.difference == pytest.approx(0.3)
    with pytest.raises(DataError, match="3 and 2 values"):
        metrics.paired_test(np.zeros(3), np.zeros(2), 0)
    with pytest.raises(DataError, match="values of the second method are not finite"):
        metrics.paired_test(np.zeros(2), np.array([0, np.nan]), 0)
