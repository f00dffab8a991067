"""Pixels drawn from mixtures have the mixtures' distribution (against scipy)."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from neurodiffuse_torch import Noise
from neurodiffuse_vdvae.mixture import Mixture, levels

N = 20_000


def output(logits, means, log_scales, coefficients=0.0):
    """Return a network's output for one pixel, N times: means etc. are (3, k)."""
    k = len(logits)
    raw = np.zeros((10 * k,))
    raw[:k] = logits
    parts = raw[k:].reshape(3, 3, k)  # channel, kind of parameter, component
    parts[:, 0], parts[:, 1] = means, log_scales
    parts[:, 2] = np.arctanh(np.broadcast_to(np.reshape(coefficients, (-1, 1)), (3, k)))
    return torch.from_numpy(raw.astype(np.float32)).expand(1, 1, N, -1)


def drawn(mixture):
    return mixture.sample(Noise((4,)).uniform).numpy().reshape(N, 3)


def test_a_logistic_has_its_quantiles():
    means = np.full((3, 1), 0.1)
    red = drawn(Mixture.of(output([0.0], means, np.full((3, 1), -3.0))))[:, 0]
    expected = stats.logistic(loc=0.1, scale=np.exp(-3)).ppf([0.1, 0.5, 0.9])
    found = np.quantile(red / 127.5 - 1, [0.1, 0.5, 0.9])
    np.testing.assert_allclose(found, expected, atol=0.012)


def test_components_come_as_often_as_their_logits_say():
    means = np.array([[-0.5, 0.5]] * 3)
    picture = drawn(Mixture.of(output(np.log([0.3, 0.7]), means, np.full((3, 2), -6.0))))
    assert (picture[:, 0] > 127).mean() == pytest.approx(0.7, abs=0.015)
    assert np.array_equal(picture[:, 0] > 127, picture[:, 2] > 127)  # one component a pixel


def test_green_and_blue_follow_the_channels_before():
    # green = 0.5 red, blue = -0.4 red + 0.25 green, all scales tiny: exact by hand
    means = np.array([[0.8], [0.0], [0.0]])
    mixture = Mixture.of(output([0.0], means, np.full((3, 1), -20.0), [0.5, -0.4, 0.25]))
    red, green, blue = drawn(mixture).mean(0)
    for found, value in [(red, 0.8), (green, 0.4), (blue, -0.32 + 0.1)]:
        assert found == pytest.approx((value + 1) * 127.5, abs=1.5)
    hand = [round((v + 1) * 127.5) for v in (0.8, 0.4, -0.22)]
    np.testing.assert_allclose(mixture.mean().numpy()[0, 0, 0], hand, atol=1)


def test_the_mean_is_what_samples_average_to():
    rng = np.random.default_rng(0)
    means, log_scales = rng.uniform(-0.4, 0.4, (3, 3)), rng.uniform(-5, -3.5, (3, 3))
    mixture = Mixture.of(output(rng.normal(size=3), means, log_scales, [0.3, -0.2, 0.1]))
    samples = drawn(mixture).mean(0) + 0.5  # samples are cut off, so half a level lower
    np.testing.assert_allclose(mixture.mean().numpy()[0, 0, 0], samples, atol=1.5)


def test_values_outside_are_cut():
    values = torch.tensor([-3.0, -1.0, 0.0, 0.999, 1.0, 7.0])
    assert levels(values).tolist() == [0, 0, 127, 254, 255, 255]
