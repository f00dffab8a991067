"""Metrics of pictures: sizes, dialects, nulls, and what they refuse."""

import itertools

import numpy as np
import pytest
from metrics_case import SSIM, counted, images, noisy, pictures
from PIL import Image
from scipy.ndimage import map_coordinates
from skimage.color import rgb2gray
from skimage.feature import hog
from skimage.metrics import structural_similarity

from neurodiffuse import metrics
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.types import Images, Metric

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


def test_resizing_to_the_same_size_is_no_work():
    values = pictures()
    assert metrics.resized(values, 24, 20) is values


def test_identification_on_gradients_equals_scikit_image():
    seen, made = pictures(5, 32, 32), noisy(pictures(5, 32, 32), 120)

    def features(values):
        return [hog(rgb2gray(v), 9, (8, 8), (2, 2)) for v in values]

    table = np.corrcoef(features(seen), features(made))[:5, 5:]
    metric = metrics.Identification("hog", size=0)
    np.testing.assert_allclose(metric.compare(images(seen), images(made)), counted(table))


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
