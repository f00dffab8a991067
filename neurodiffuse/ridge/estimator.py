"""The same ridge as a scikit-learn estimator, for pipelines, nilearn and cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neurodiffuse.errors import DataError
from neurodiffuse.ridge.factor import check_alpha, factorise
from neurodiffuse.ridge.gram import Gram, gram, stretches


class MultiTargetRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predict many targets by ridge regression with an unpenalised intercept.

    One Gram matrix serves all targets, and one factor those that share a penalty. For more
    targets than fit in memory use the functions of `neurodiffuse.ridge` directly.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Penalty, above 0; one for all targets or one for each.

    Attributes
    ----------
    coef_ : ndarray of shape (n_targets, n_features) or (n_features,)
        Weights; one-dimensional when ``y`` was.
    intercept_ : ndarray of shape (n_targets,) or float
        Intercept.
    n_features_in_ : int
        Number of features (voxels) seen during fit.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, when ``X`` had them.

    Notes
    -----
    float32 in, float32 out; anything else is computed in float64. Features are not standardised.

    Examples
    --------
    >>> import numpy as np
    >>> from neurodiffuse.ridge import MultiTargetRidge
    >>> betas = np.random.default_rng(0).normal(size=(20, 50))
    >>> latents = betas[:, :3] + 5
    >>> MultiTargetRidge(alpha=[1.0, 1.0, 100.0]).fit(betas, latents).coef_.shape
    (3, 50)
    """

    def __init__(self, alpha: float | Sequence[float] = 1.0) -> None:
        self.alpha = alpha

    def fit(self, X: Any, y: Any) -> MultiTargetRidge:
        """Fit the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Betas.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If an alpha is not a number above 0.
        DataError
            If there are neither one alpha nor as many as targets.
        """
        X, y = validate_data(
            self, X, y, dtype=[np.float64, np.float32], multi_output=True, y_numeric=True
        )
        targets = np.asarray(y, X.dtype).reshape(len(X), -1)
        alphas = _one_each(self.alpha, targets.shape[1])
        mean = targets.mean(axis=0, dtype=np.float64)
        deviation = (targets - mean).astype(X.dtype)
        shared = gram(X, dtype=X.dtype)
        coef = np.empty((targets.shape[1], X.shape[1]), X.dtype)
        for alpha in np.unique(alphas):
            coef[alphas == alpha] = _weights(shared, alpha, deviation[:, alphas == alpha])
        intercept = (mean - coef @ shared.mean).astype(X.dtype)
        single = y.ndim == 1
        self.coef_ = coef[0] if single else coef
        self.intercept_ = intercept[0] if single else intercept
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return predictions of shape (n_samples, n_targets), or (n_samples,) as ``y`` had it.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Betas.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_)


def _one_each(alpha: float | Sequence[float], targets: int) -> np.ndarray:
    """Return alphas float64 (targets,), checked."""
    if np.ndim(alpha) == 0:
        return np.full(targets, check_alpha(alpha))  # type: ignore[arg-type]
    alphas = np.array([check_alpha(a) for a in np.ravel(alpha)])
    if len(alphas) != targets:
        raise DataError(
            f"alpha: {len(alphas)} penalties for {targets} targets; give one, or one for each."
        )
    return alphas


def _weights(gram_: Gram, alpha: float, deviation: np.ndarray) -> np.ndarray:
    """Return the weights (t, p) of centred targets (n, t)."""
    factor = factorise(gram_, alpha)
    (n, p), better = gram_.x.shape, factor.gram
    parts = stretches(n, p, dual=better.dual)
    if better.dual:
        solution = factor.solve(deviation.T)
        return np.concatenate([solution @ better.centred(part) for part in parts], axis=1)
    product = np.zeros((deviation.shape[1], p), better.dtype)
    for part in parts:
        product += deviation[part[0]].T @ better.centred(part)
    return factor.solve(product)
