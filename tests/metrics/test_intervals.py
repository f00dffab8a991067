"""95 % intervals hold the true mean about as often as they say, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from neurodiffuse import metrics
from neurodiffuse.metrics.intervals import (
    SPREAD,
    mean_interval,
    share_interval,
    skewed_coverage,
    studentised,
    t_interval,
)


def drawn(n, width, strengths, spread, rng):
    """Seen vectors, and per method vectors that mix them with noise, unequally well."""
    seen, common = rng.standard_normal((2, n, width))
    ease = spread * rng.standard_normal(n)
    out = []
    for strength in strengths:
        part = 1 / (1 + np.exp(-(strength + ease + 0.3 * rng.standard_normal(n))))[:, None]
        noise = np.sqrt(0.5) * (common + rng.standard_normal((n, width)))
        out.append(part * seen + np.sqrt(1 - part**2) * noise)
    return seen, out


def pixcorr(seen, made):
    a, b = (x - x.mean(1, keepdims=True) for x in (seen, made))
    return (a * b).sum(1) / np.sqrt((a**2).sum(1) * (b**2).sum(1))


def identified(seen, made):
    """Two-way identification, counted from the table of all pairs."""
    table = np.corrcoef(seen, made)[: len(seen), len(seen) :]
    return (table < np.diag(table)).sum(0) / (len(seen) - 1)


CASES = {
    "pixcorr": (pixcorr, 30, (-1.0,), 0.8),
    "skewed pixcorr": (pixcorr, 30, (0.5,), 0.8),
    "identification": (identified, 20, (-1.5,), 0.5),
    "high identification": (identified, 20, (-0.5,), 0.8),
    "difference of pixcorr": (pixcorr, 30, (-1.0, -1.5), 0.8),
    "difference of identification": (identified, 20, (-1.0, -1.5), 0.8),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("n", [10, 20, 50])
def test_intervals_cover(name, n):
    """Within .93 and .97, less what so many sets leave to chance (three standard errors)."""
    score, width, strengths, spread = CASES[name]
    rng = np.random.default_rng([n, len(name)])

    def values(count):
        seen, made = drawn(count, width, strengths, spread, rng)
        each = [score(seen, one) for one in made]
        return each[0] - each[1] if len(each) > 1 else each[0]

    truth = np.mean([values(1500).mean() for _ in range(20)])
    sets, inside = 2500, 0
    for seed in range(sets):
        one = values(n)
        if len(strengths) > 1:
            found = metrics.paired_test(one, np.zeros(n), 0, permutations=9).interval
            low, high = found.ends
        else:
            low, high = metrics.summary(
                one, np.empty(0), higher_is_better=True,
                chance=0.5 if score is identified else None, bootstrap=500, seed=seed,
            ).interval  # fmt: skip
        inside += low <= truth <= high
    chance = 3 * np.sqrt(0.95 * 0.05 / sets)
    assert 0.93 - chance <= inside / sets <= 0.97 + chance, inside / sets


def test_a_studentised_interval_leans_with_the_skew_and_is_near_t_without():
    rng = np.random.default_rng(0)
    even, skewed = rng.normal(size=40), rng.gamma(0.5, size=40)
    t, found = t_interval(even), studentised(even, 4000, 1)
    assert found.ends == pytest.approx(t.ends, abs=0.06)
    low, high = studentised(skewed, 4000, 1).ends
    mean = skewed.mean()
    assert high - mean > 1.2 * (mean - low)
    # the definition, resample by resample
    draws = np.random.default_rng(5)
    centre, sd, ts = skewed.mean(), skewed.std(ddof=1), []
    for row in draws.integers(40, size=(300, 40)):
        x = skewed[row]
        ts.append((x.mean() - centre) / x.std(ddof=1))
    a, b = np.percentile(ts, [2.5, 97.5])
    assert studentised(skewed, 300, 5).ends == pytest.approx((centre - b * sd, centre - a * sd))


def test_t_interval_is_scipys():
    values = np.random.default_rng(2).normal(size=12)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert t_interval(values).ends == pytest.approx((expected.low, expected.high))
    assert t_interval(values).coverage is None


def test_shares_of_0_and_1_have_wilsons_interval():
    """Of binary values the effective number of images is n - 1; with t for the normal's z."""
    values = np.array([1.0] * 14 + [0.0] * 6)
    n, m, q = 19, 0.7, stats.t.ppf(0.975, 19)
    centre = (m + q**2 / (2 * n)) / (1 + q**2 / n)
    half = q / (1 + q**2 / n) * np.sqrt(m * (1 - m) / n + q**2 / (4 * n**2))
    assert share_interval(values).ends == pytest.approx((centre - half, centre + half))


def test_at_the_ceiling_an_interval_has_a_width_and_an_end_at_1():
    low, high = share_interval(np.ones(10)).ends
    q = stats.t.ppf(0.975, 9)
    assert (low, high) == (pytest.approx(1 / (1 + q * q / 10)), 1.0)
    assert share_interval(np.zeros(10)).ends == pytest.approx((0.0, 1 - low))
    few = share_interval(np.array([1.0] * 9 + [8 / 9]))
    m, effective = 1 - 1 / 90, SPREAD * 10
    half = q * np.sqrt(m * (1 - m) / effective + q**2 / (4 * effective**2))
    assert few.low == pytest.approx((m + q**2 / (2 * effective) - half) / (1 + q**2 / effective))
    assert few.high <= 1


def test_what_has_no_interval_says_why():
    def of(values, **more):
        given = {"share": False, "bootstrap": 100, "seed": 0} | more
        return mean_interval(np.asarray(values, float), **given)

    assert of([0.4])[0] is None
    assert "one image" in of([0.4])[1]
    assert of([0.4, 0.4, 0.4])[0] is None
    assert "equal" in of([0.4, 0.4, 0.4])[1]
    assert of([0.4, 0.4], share=True)[0].method == "wilson"
    assert of([0.1, 0.2], bootstrap=0)[0] is None
    assert of([0.1, 0.2, 0.4])[0].method == "t"
    assert of(np.arange(7))[0].method == "t"
    assert of(np.arange(8))[0].method == "bootstrap-t"
    assert of([0.2, 1.4, 0.7], share=True)[0].method == "t"  # no shares, whatever it is called
    assert metrics.difference_interval(np.zeros(5)) is None
    assert metrics.difference_interval(np.array([0.1])) is None


def test_a_skewed_difference_says_what_it_covers():
    """Against a count: lognormal values, 10 at a time."""
    rng = np.random.default_rng(2)
    sets = np.exp(0.8 * rng.standard_normal((4000, 10)))
    inside = [low <= np.exp(0.32) <= high for low, high in (t_interval(s).ends for s in sets)]
    many = np.exp(0.8 * rng.standard_normal(200_000))
    g = stats.skew(many)
    z = 1.96
    told = 0.95 - (z**4 + 2 * z**2 - 3) * z * stats.norm.pdf(z) * g**2 / 90
    assert abs(np.mean(inside) - 0.88) < 0.04  # a t interval is too narrow here
    assert told < 0.9
    assert skewed_coverage(np.array([0.0] * 9 + [1.0])) < 0.8
    assert t_interval(np.array([0.0] * 9 + [1.0])).coverage is not None
    assert skewed_coverage(np.linspace(0, 1, 10)) == 0.95


def test_holm_by_hand():
    assert metrics.holm([0.01, 0.04, 0.03, None]) == pytest.approx([0.03, 0.06, 0.06, None])
    assert metrics.holm([0.5, 0.6]) == [1.0, 1.0]
    assert metrics.holm([0.2]) == [0.2]
    assert metrics.holm([]) == []
    assert metrics.holm([float("nan"), 0.01]) == [None, 0.01]


def test_the_bootstrap_is_the_same_however_it_is_cut(monkeypatch):
    values = np.random.default_rng(3).gamma(1, size=30)
    whole = studentised(values, 200, 4).ends
    monkeypatch.setattr("neurodiffuse.metrics.intervals.PART", 64)
    assert studentised(values, 200, 4).ends == pytest.approx(whole)


def failing(n, rng, share=0.1):
    """SSIM of good pictures, a share of which failed."""
    return np.where(rng.random(n) < share, 0.0, rng.normal(0.91, 0.03, n).clip(-1, 1))


def test_no_interval_leaves_the_range_of_the_metric():
    values = np.append(0.93 + 0.01 * np.random.default_rng(0).standard_normal(11), 0.1)
    free, _ = mean_interval(values, share=False, bootstrap=2000, seed=0)
    assert free.low < -1  # what is mended
    assert free.method == "bootstrap-t"
    found, _ = mean_interval(values, share=False, bootstrap=2000, seed=0, bounds=(-1, 1))
    assert found.method == "bounded"
    scaled = share_interval((values + 1) / 2)
    assert found.ends == pytest.approx((2 * scaled.low - 1, 2 * scaled.high - 1))
    assert -1 <= found.low < values.mean() < found.high <= 1
    few, _ = mean_interval(np.array([0.95, 0.1]), share=False, bootstrap=9, seed=0, bounds=(-1, 1))
    assert few.method == "bounded"
    difference = metrics.paired_test(np.array([1, 0.6]), np.zeros(2), 0, bounds=(0, 1)).interval
    assert -1 <= difference.low < 0.8 < difference.high <= 1
    rounded = np.array([-1e-12, 2.0])
    assert metrics.difference_interval(rounded, (0, 2)).method == "bounded"


def test_intervals_inside_the_range_are_as_before():
    rng = np.random.default_rng(1)
    for values in (rng.uniform(0.2, 0.8, 12), rng.uniform(-0.1, 0.3, 5)):
        one, other = (
            mean_interval(values, share=False, bootstrap=500, seed=3, bounds=bounds)[0]
            for bounds in (None, (-1.0, 1.0))
        )
        assert one == other
    outside = np.array([0.2, 3.0, 0.4])  # a metric that says too much of itself
    free = mean_interval(outside, share=False, bootstrap=9, seed=0)[0]
    assert mean_interval(outside, share=False, bootstrap=9, seed=0, bounds=(-1, 1))[0] == free


@pytest.mark.parametrize("name", ["pixcorr", "ssim"])
def test_metrics_say_their_range(name):
    metric = {"pixcorr": metrics.PixCorr, "ssim": metrics.Ssim}[name]
    assert metric.bounds == (-1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("n", [10, 20])
def test_bounded_intervals_cover_as_often_as_those_they_replace(n):
    rng = np.random.default_rng(n)
    truth, kinds, sets = 0.819, {None: [0, []], (-1.0, 1.0): [0, []]}, 1500
    replaced = []
    for seed in range(sets):
        values = failing(n, rng)
        for bounds, found in kinds.items():
            one, _ = mean_interval(values, share=False, bootstrap=500, seed=seed, bounds=bounds)
            found[0] += one.low <= truth <= one.high
            found[1].append(one.high - one.low)
        replaced.append(one.method == "bounded")
    (free, wide), (inside, narrow) = kinds.values()
    assert inside / sets >= free / sets - 0.01
    assert np.mean(replaced) > 0.02
    assert np.median(np.array(narrow)[replaced]) < 0.5 * np.median(np.array(wide)[replaced])
