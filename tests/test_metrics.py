"""Scores against direct calls of numpy, scipy and scikit-image, and statistics against theory."""

import itertools
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import correlation
from skimage.color import rgb2gray
from skimage.feature import hog
from skimage.metrics import structural_similarity

from neurodiffuse import metrics
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.metrics.similarity import ssim_of_shifts
from neurodiffuse.types import Images, Latents, Metric

SSIM = {
    "gaussian_weights": True,
    "sigma": 1.5,
    "use_sample_covariance": False,
    "data_range": 1.0,
}


def pictures(n=6, height=24, width=20, seed=0) -> np.ndarray:
    """Smooth random pictures."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (n, 6, 5, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(s).resize((width, height))) for s in small])


def noisy(values: np.ndarray, scale=60, seed=1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, scale, values.shape)
    return np.clip(values + noise, 0, 255).astype(np.uint8)


def images(values: np.ndarray) -> Images:
    return Images(tuple(f"im{i}" for i in range(len(values))), values)


def latents(values: np.ndarray) -> Latents:
    return Latents(tuple(f"im{i}" for i in range(len(values))), values, ((values.shape[1],),))


PICTURE_METRICS = [
    metrics.PixCorr(),
    metrics.PixCorr(size=16),
    metrics.Ssim(),
    metrics.Ssim("columnwise"),
    metrics.Ssim(size=32),
    metrics.PixCorr(dialect="mindeye"),
    metrics.Identification(),
    metrics.Identification("hog", size=32),
    metrics.Identification(size=0),
]


# --- correlation -------------------------------------------------------------------------------


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
    assert metrics.identification_from_features(values, broken).tolist() == [1, 0, 1]


# --- two-way identification --------------------------------------------------------------------


def _counted(table) -> list[float]:
    n, out = len(table), []
    for made in range(n):
        wins = 0
        for seen in range(n):
            if seen != made and table[seen][made] < table[made][made]:
                wins += 1
        out.append(wins / (n - 1))
    return out


def test_identification_equals_counting_along_columns():
    table = np.random.default_rng(0).normal(size=(7, 7))
    assert metrics.two_way_identification(table).tolist() == _counted(table)
    assert metrics.two_way_identification(table.T).tolist() == _counted(table.T)
    assert _counted(table) != _counted(table.T)


def test_columns_not_rows():
    # Seen 0 correlates with every made image best of all, so made 1 and 2 lose against it.
    table = np.array([[0.9, 0.8, 0.8], [0.1, 0.5, 0.1], [0.1, 0.1, 0.5]])
    assert metrics.two_way_identification(table).tolist() == [1, 0.5, 0.5]
    assert metrics.two_way_identification(table.T).tolist() == [1, 1, 1]


def test_identical_is_one_and_ties_are_zero():
    values = pictures()
    assert metrics.identification_from_features(values, values).tolist() == [1] * 6
    same = np.repeat(values[:1], 6, axis=0)
    assert metrics.identification_from_features(same, values).tolist() == [0] * 6
    assert metrics.identification_from_features(same, same).tolist() == [0] * 6
    assert metrics.two_way_identification(np.ones((4, 4))).tolist() == [0] * 4


def test_correlations_that_differ_by_rounding_tie():
    table = np.full((3, 3), 0.25) + np.diag([1e-13, 1e-8, 0])
    assert metrics.two_way_identification(table).tolist() == [0, 1, 0]
    assert np.diagonal(metrics.identification_table(table)).tolist() == [0, 1, 0]
    rng = np.random.default_rng(0)
    seen = np.repeat(rng.normal(size=(1, 30_001)).astype(np.float32), 37, axis=0)
    made = rng.normal(size=(37, 30_001)).astype(np.float32)
    assert not metrics.identification_from_features(seen, made).any()


def test_constant_of_which_the_mean_is_rounded():
    constant = np.full((1, 1001), 0.1)
    assert constant.mean() != 0.1
    other = np.random.default_rng(0).normal(size=(1, 1001))
    assert metrics.correlation_table(constant, other) == 0
    assert metrics.pixel_correlation(constant, other) == 0


def test_two_images_and_one():
    assert metrics.two_way_identification(np.array([[0.5, 0.2], [0.1, 0.2]])).tolist() == [1, 0]
    with pytest.raises(DataError, match="1 test image; it takes two"):
        metrics.two_way_identification(np.ones((1, 1)))
    with pytest.raises(DataError, match=r"shape \(2, 3\)"):
        metrics.two_way_identification(np.ones((2, 3)))


def test_identification_table_holds_the_score_of_every_pairing():
    rng = np.random.default_rng(0)
    table = rng.integers(0, 4, (6, 6)).astype(float)  # with ties
    scores = metrics.identification_table(table)
    for _ in range(20):
        order = rng.permutation(6)
        expected = _counted(table[order])
        np.testing.assert_allclose(scores[order, np.arange(6)], expected)


def test_shuffled_is_chance():
    rng = np.random.default_rng(0)
    scores = [
        metrics.identification_from_features(
            rng.normal(size=(40, 30)), rng.normal(size=(40, 30))
        ).mean()
        for _ in range(50)
    ]
    assert np.mean(scores) == pytest.approx(0.5, abs=0.02)


# --- SSIM --------------------------------------------------------------------------------------


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
def test_ssim_of_shifts_is_that_of_each_pair_alone(variant):
    seen, made = pictures(7, 30, 40), noisy(pictures(7, 30, 40))
    order = np.random.default_rng(3).permutation(7)
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


# --- the classes -------------------------------------------------------------------------------


@pytest.mark.parametrize("metric", PICTURE_METRICS, ids=lambda m: f"{type(m).__name__}{vars(m)}")
def test_every_picture_metric(metric):
    seen, other = pictures(8, 24, 32), pictures(8, 40, 28, seed=5)
    before = seen.copy(), other.copy()
    assert isinstance(metric, Metric)
    perfect = metric.compare(images(seen), images(seen.copy()))
    np.testing.assert_allclose(perfect, 1, atol=1e-12)
    values = metric.compare(images(seen), images(other))  # of another size
    assert values.shape == (8,)
    assert values.dtype == np.float64
    assert values.mean() < 0.9
    null = metric.null(images(seen), images(seen), np.random.default_rng(0))
    assert null.shape == (metric.permutations,)
    assert np.mean(null >= 1 - 1e-12) < 0.01
    again = metric.null(images(seen), images(seen), np.random.default_rng(0))
    assert np.array_equal(null, again)
    assert np.array_equal(seen, before[0])
    assert np.array_equal(other, before[1])


def test_made_is_resized_to_seen_by_pillow_and_both_to_size():
    seen, made = pictures(3, 24, 32), pictures(3, 40, 28, seed=5)

    def bicubic(values, width, height):
        filtered = Image.Resampling.BICUBIC
        return [np.asarray(Image.fromarray(v).resize((width, height), filtered)) for v in values]

    expected = [
        np.corrcoef(s.ravel(), m.ravel())[0, 1]
        for s, m in zip(seen, bicubic(made, 32, 24), strict=True)
    ]
    values = metrics.PixCorr().compare(images(seen), images(made))
    np.testing.assert_allclose(values, expected, atol=1e-12)
    pairs = zip(bicubic(seen, 16, 16), bicubic(made, 16, 16), strict=True)
    expected = [np.corrcoef(s.ravel(), m.ravel())[0, 1] for s, m in pairs]
    values = metrics.PixCorr(size=16).compare(images(seen), images(made))
    np.testing.assert_allclose(values, expected, atol=1e-12)


def bilinear(picture, side):
    """Return one picture at another size, each value between its four neighbours."""
    at = [(np.arange(side) + 0.5) * length / side - 0.5 for length in picture.shape[:2]]
    places = np.meshgrid(*at, indexing="ij")
    colours = (map_coordinates(picture[..., c], places, order=1, mode="nearest") for c in range(3))
    return np.stack(list(colours), axis=-1)


def test_pixels_in_the_dialect_of_mindeye():
    """256 pixels and then 425, bilinear, no antialiasing; SSIM on the grey of that."""
    seen, made = pictures(2, 300, 280), pictures(2, 100, 120, seed=5)
    shown = [[bilinear(bilinear(p / 255, 256), 425) for p in both] for both in (seen, made)]
    expected = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*shown, strict=True)]
    metric = metrics.PixCorr(dialect="mindeye")
    np.testing.assert_allclose(metric.compare(images(seen), images(made)), expected, atol=1e-5)
    grey = [[rgb2gray(p) for p in both] for both in shown]
    expected = [structural_similarity(b, a, **SSIM) for a, b in zip(*grey, strict=True)]
    found = metrics.Ssim(dialect="mindeye").compare(images(seen), images(made))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_pixels_in_the_dialect_of_brain_diffuser():
    seen, made = pictures(2, 425, 425), pictures(2, 100, 120, seed=5)
    large = metrics.resized(made, 425, 425)
    for metric in (metrics.PixCorr, metrics.Ssim):
        found = metric(dialect="brain-diffuser").compare(images(seen), images(made))
        np.testing.assert_array_equal(found, metric().compare(images(seen), images(large)))


# --- retrieval ---------------------------------------------------------------------------------


def test_retrieval_is_the_mean_over_all_sets_of_candidates():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 7)) + np.eye(7)
    for top, among in ((1, 3), (2, 4), (3, 7)):
        expected = []
        for j in range(7):
            sets = itertools.combinations([i for i in range(7) if i != j], among - 1)
            won = [sum(table[i, j] >= table[j, j] for i in others) < top for others in sets]
            expected.append(np.mean(won))
        np.testing.assert_allclose(metrics.retrieval(table, top, among), expected)


def test_retrieval_of_nothing_is_chance_and_ties_fail():
    tables = np.random.default_rng(0).normal(size=(400, 20, 20))
    found = np.mean([metrics.retrieval(table, 2, 8) for table in tables])
    assert found == pytest.approx(2 / 8, abs=0.02)
    assert not metrics.retrieval(np.ones((5, 5)), 1).any()
    np.testing.assert_array_equal(metrics.retrieval(np.eye(5), 1, 3), 1)
    with pytest.raises(ConfigError, match="9 candidates, and there are 5"):
        metrics.retrieval(np.eye(5), 1, 9)
    with pytest.raises(DataError, match=r"\(2, 3\)"):
        metrics.retrieval(np.ones((2, 3)))


def test_retrieval_of_features():
    values = np.random.default_rng(0).normal(size=(9, 30))
    made = values + np.random.default_rng(1).normal(0, 2, values.shape)
    metric = metrics.LatentRetrieval(1, 4)
    table = metrics.correlation_table(values, made)
    found = metric.compare(latents(values), latents(made))
    np.testing.assert_allclose(found, metrics.retrieval(table, 1, 4))
    assert metric.chance == 0.25
    null = metric.null(latents(values), latents(made), np.random.default_rng(0))
    assert null.mean() == pytest.approx(0.25, abs=0.02)


def test_resizing_to_the_same_size_is_no_work():
    values = pictures()
    assert metrics.resized(values, 24, 20) is values


def test_identification_on_gradients_equals_scikit_image():
    seen, made = pictures(5, 32, 32), noisy(pictures(5, 32, 32), 120)

    def features(values):
        return [hog(rgb2gray(v), 9, (8, 8), (2, 2)) for v in values]

    table = np.corrcoef(features(seen), features(made))[:5, 5:]
    metric = metrics.Identification("hog", size=0)
    np.testing.assert_allclose(metric.compare(images(seen), images(made)), _counted(table))


def test_gradients_ignore_colour_and_pixels_do_not():
    seen = pictures(6, 64, 64)
    inverted = 255 - seen
    assert metrics.Identification("hog").compare(images(seen), images(inverted)).mean() > 0.9
    assert metrics.Identification("pixels").compare(images(seen), images(inverted)).mean() < 0.1


def test_null_of_identification_equals_comparing_shuffled_pictures():
    seen, made = pictures(4), noisy(pictures(4), 200)
    metric = metrics.Identification(size=0)
    every = set()
    for order in itertools.permutations(range(4)):
        shuffled = Images(images(made).ids, seen[list(order)])
        every.add(round(float(metric.compare(shuffled, images(made)).mean()), 9))
    null = metric.null(images(seen), images(made), np.random.default_rng(0))
    assert {round(float(v), 9) for v in null} == every


def test_null_of_pixcorr_agrees_with_the_contracts_own():
    seen, made = pictures(7), noisy(pictures(7), 120)
    metric = metrics.PixCorr()
    metric.permutations = 300
    fast = metric.null(images(seen), images(made), np.random.default_rng(0))
    plain = Metric.null(metric, images(seen), images(made), np.random.default_rng(0))
    np.testing.assert_allclose(fast, plain, atol=1e-12)


def test_latent_metrics():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(9, 40)).astype(np.float32)
    made = (seen + rng.normal(size=(9, 40))).astype(np.float32)
    table = np.corrcoef(seen, made)[:9, 9:]
    found = metrics.LatentIdentification().compare(latents(seen), latents(made))
    assert found.tolist() == _counted(table)
    distance = metrics.LatentDistance().compare(latents(seen), latents(made))
    np.testing.assert_allclose(distance, 1 - np.diagonal(table), atol=1e-6)
    assert metrics.LatentIdentification.chance == 0.5
    assert not metrics.LatentDistance.higher_is_better
    null = metrics.LatentDistance().null(latents(seen), latents(made), np.random.default_rng(0))
    wrong = 1 - table.mean()
    assert null.mean() == pytest.approx(wrong, abs=0.01)
    null = metrics.LatentIdentification().null(
        latents(seen), latents(made), np.random.default_rng(0)
    )
    assert null.mean() == pytest.approx(0.5, abs=0.02)
    with pytest.raises(DataError, match="same ids"):
        metrics.LatentDistance().compare(latents(seen), latents(made[:8]))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: metrics.PixCorr(size=-1), "size: -1"),
        (lambda: metrics.PixCorr(size=2.5), "size: 2.5"),
        (lambda: metrics.Ssim(size=10), "11 pixels or more"),
        (lambda: metrics.PixCorr(dialect="takagi"), "Possible: brain-diffuser, mindeye"),
        (lambda: metrics.Ssim(size=20, dialect="mindeye"), "the dialect 'mindeye' says the size"),
        (lambda: metrics.LatentRetrieval(0), "top 0 among 0"),
        (lambda: metrics.LatentRetrieval(3, 3), "fewer than among"),
        (lambda: metrics.Identification("clip"), "Possible: pixels, hog"),
        (lambda: metrics.Identification("hog", size=8), "16 pixels or more"),
    ],
)
def test_options_are_checked(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_pairs_that_do_not_fit_are_refused():
    seen = images(pictures(3))
    with pytest.raises(DataError, match="ids differ from number 2 on"):
        metrics.PixCorr().compare(seen, Images(("im0", "x", "im2"), seen.values))
    with pytest.raises(DataError, match="3 seen and 2 made images"):
        metrics.PixCorr().compare(seen, images(pictures(2)))
    with pytest.raises(DataError, match="what was made is float64"):
        metrics.PixCorr().compare(seen, Images(seen.ids, seen.values / 255))
    with pytest.raises(DataError, match="2 made images have 3 ids"):
        metrics.PixCorr().compare(seen, Images(seen.ids, seen.values[:2]))
    with pytest.raises(DataError, match="no test image"):
        metrics.PixCorr().compare(images(pictures(1)[:0]), images(pictures(1)[:0]))
    small = images(pictures(2, 12, 12))
    with pytest.raises(DataError, match="hog: pictures of 12 × 12"):
        metrics.Identification("hog", size=0).compare(small, small)
    with pytest.raises(DataError, match="it takes two"):
        metrics.Identification().compare(images(pictures(1)), images(pictures(1)))


# --- statistics --------------------------------------------------------------------------------


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


def test_bootstrap_interval_is_like_scipys_and_covers():
    values = np.random.default_rng(1).gamma(2, size=60)
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(2)
    ).confidence_interval
    interval = _summary(values, []).interval
    width = expected.high - expected.low
    np.testing.assert_allclose(interval, expected, atol=0.05 * width)
    assert _summary(values, []).interval == interval  # the seed settles it
    assert _summary(values, [], seed=1).interval != interval
    rng = np.random.default_rng(3)
    inside = 0
    for seed in range(200):
        low, high = metrics.summary(
            rng.normal(size=40), np.zeros(0), higher_is_better=True, chance=None,
            bootstrap=300, seed=seed,
        ).interval  # fmt: skip
        inside += low <= 0 <= high
    assert 0.89 <= inside / 200 <= 0.98


def test_two_images_and_one_in_a_summary():
    two = _summary([0.0, 1.0], [0.5, 0.2])
    assert two.interval == (0.0, 1.0)
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


# --- two methods -------------------------------------------------------------------------------


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


def test_metric_of_a_table_looks_at_each_picture_once():
    from neurodiffuse.metrics import TableMetric
    from neurodiffuse.testing import check_metric, example_stimuli

    class Brightness(TableMetric):
        looked = 0

        def measured(self, seen, made):
            self.looked += 1
            light = [x.reshape(len(x), -1).mean(1) for x in (seen, made)]
            return -np.abs(light[0][:, None] - light[1][None])

    stimuli = example_stimuli(8)
    values = np.stack(list(stimuli.images))
    seen, made = Images(stimuli.ids, values), Images(stimuli.ids, 255 - values)
    metric = Brightness()
    each = np.array([-abs(a.mean() - b.mean()) for a, b in zip(values, 255 - values, strict=True)])
    np.testing.assert_allclose(metric.compare(seen, made), each)
    null = metric.null(seen, made, np.random.default_rng(0))
    assert metric.looked == 1
    slow = [metric.compare(Images(seen.ids, np.roll(values, k, 0)), made).mean() for k in range(8)]
    assert len(null) == 9999
    assert np.mean(slow) == pytest.approx(null.mean(), abs=0.3)
    check_metric(Brightness())


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
