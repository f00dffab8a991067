"""Predictions given the training targets' mean and spread, against plain formulas."""

import numpy as np
import pytest
from ridge_case import blocks, hat, problem

from neurodiffuse.decoders import rescaling, ridge
from neurodiffuse.errors import ConfigError, DataError


def test_rescale_test_gives_the_training_mean_and_spread():
    rng = np.random.default_rng(0)
    deviation, y = rng.normal(size=(20, 6)), rng.normal(size=(50, 6)) * 3 + 40
    done = rescaling.rescale(deviation, y.mean(axis=0), y.std(axis=0), kind="test")
    z = (deviation - deviation.mean(axis=0)) / deviation.std(axis=0)
    np.testing.assert_allclose(done.values, z * y.std(axis=0) + y.mean(axis=0))
    assert not done.flat.any()


def test_rescale_train_uses_only_the_held_out_rows():
    rng = np.random.default_rng(0)
    deviation, held = rng.normal(size=(20, 6)), rng.normal(size=(30, 6)) * 0.2 + 0.1
    mean, sd = np.arange(6.0), np.arange(1.0, 7.0)
    done = rescaling.rescale(deviation, mean, sd, kind="train", held_out=held)
    truth = (deviation - held.mean(axis=0)) / held.std(axis=0) * sd + mean
    np.testing.assert_allclose(done.values, truth)
    one = rescaling.rescale(deviation[:1], mean, sd, kind="train", held_out=held)
    np.testing.assert_allclose(one.values, truth[:1])


def test_rescale_none_changes_nothing():
    predicted = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    done = rescaling.rescale(predicted, np.array([1.0, 2, 3]), np.ones(3), kind="none")
    np.testing.assert_array_equal(done.values, predicted)
    assert not done.flat.any()


@pytest.mark.parametrize("kind", ["train", "test"])
def test_flat_predictions_become_the_mean_and_are_counted(kind):
    deviation = np.random.default_rng(0).normal(size=(8, 3))
    deviation[:, 1] = 1e-12
    done = rescaling.rescale(
        deviation, np.array([5.0, 6, 7]), np.ones(3), kind=kind, held_out=deviation
    )
    assert done.flat.tolist() == [False, True, False]
    assert (done.values[:, 1] == 6).all()
    assert np.isfinite(done.values).all()


def test_tiny_spread_is_not_taken_for_none():
    """However small a huge alpha makes predictions, rescaled they are the same."""
    x, x_new, y, _ = problem(40, 60)
    gram, out = ridge.gram(x), []
    for alpha in (1e9, 1e13):
        rows = hat(gram, alpha, x_new)
        block = next(ridge.predict_blocks(rows, blocks(y, 12)))
        done = rescaling.rescale_block(block.block(len(x_new)), kind="test")
        assert np.flatnonzero(done.flat).tolist() == [3]
        out.append(done.values)
    np.testing.assert_allclose(out[0], out[1], rtol=1e-4)


@pytest.mark.parametrize("kind", ["train", "test", "none"])
def test_rescaling_a_block_keeps_small_predictions_on_large_means(kind):
    """A spread of 1e-6 around a mean of 1e4 is lost in float32, but not in the deviations."""
    rng = np.random.default_rng(0)
    deviation = (1e-6 * rng.normal(size=(30, 4))).astype(np.float32)
    mean, sd = np.full(4, 1e4), np.full(4, 2.0)
    block = ridge.Predicted(slice(0, 4), deviation, mean, sd, np.zeros(4, bool))
    done = rescaling.rescale_block(block.block(10), kind=kind)
    source = deviation[:10] if kind == "test" else deviation[10:]
    truth = (deviation[:10] - source.mean(axis=0)) / source.std(axis=0) * 2 + 1e4
    if kind == "none":
        truth = deviation[:10] + 1e4
    np.testing.assert_allclose(done.values, truth, atol=2e-3)
    assert not done.flat.any()


def test_rescale_says_what_is_wrong():
    one = np.ones((1, 3))
    with pytest.raises(DataError, match="test images, and there is 1"):
        rescaling.rescale(one, np.zeros(3), np.ones(3), kind="test")
    with pytest.raises(DataError, match="at least two held-out training images, not 0"):
        rescaling.rescale(one, np.zeros(3), np.ones(3), kind="train")
    with pytest.raises(ConfigError, match="Did you mean 'train'"):
        rescaling.rescale(one, np.zeros(3), np.ones(3), kind="trian")
