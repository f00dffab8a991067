"""Metrics of latents against numpy and their tables."""

import numpy as np
import pytest
from metrics_case import counted, latents

from neurodiffuse import metrics
from neurodiffuse.errors import DataError


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


def test_latent_metrics():
    rng = np.random.default_rng(0)
    seen = rng.normal(size=(9, 40)).astype(np.float32)
    made = (seen + rng.normal(size=(9, 40))).astype(np.float32)
    table = np.corrcoef(seen, made)[:9, 9:]
    found = metrics.LatentIdentification().compare(latents(seen), latents(made))
    assert found.tolist() == counted(table)
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
