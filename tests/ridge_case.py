"""Betas and targets for the tests of ridge, and scikit-learn's answer to them."""

import numpy as np
from sklearn.linear_model import Ridge

from neurodiffuse.decoders import ridge

TOLERANCE = 1e-4
"""Of the prediction's standard deviation, as promised."""

SHAPES = [(40, 100), (100, 40), (60, 60), (2, 5), (7, 1)]


def problem(n, p, t=12, m=9, seed=0):
    """Betas and targets with far means, a constant voxel and a constant target (number 3)."""
    rng = np.random.default_rng(seed)
    x = (3 * rng.normal(size=(n + m, p)) + 5).astype(np.float32)
    if p > 1:
        x[:, 0] = 7.3
    y = 2 * rng.normal(size=(n + m, t)) + 100
    y[:, :6] += 2 * x[:, -1:]
    y[:, 3] = 0.1
    return x[:n], x[n:], y[:n].astype(np.float32), y[n:].astype(np.float32)


def blocks(y, width=5):
    for start in range(0, y.shape[1], width):
        yield slice(start, min(start + width, y.shape[1])), y[:, start : start + width]


def joined(predicted, what="values"):
    return np.concatenate([getattr(block, what) for block in predicted], axis=1)


def hat(gram, alpha, x_new):
    factor = ridge.factorise(gram, alpha)
    return ridge.hat(factor, ridge.cross_gram(factor.gram, x_new))


def refit(x, y, x_new, alpha):
    """Scikit-learn's answer in float64, less the mean of the training targets."""
    model = Ridge(alpha=alpha, solver="svd").fit(x.astype(float), y.astype(float))
    return model, model.predict(x_new.astype(float)) - y.astype(float).mean(axis=0)
