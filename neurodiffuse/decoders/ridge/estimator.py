"""The same ridge as a scikit-learn estimator, for pipelines, nilearn and cross-validation."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, MultiOutputMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from neurodiffuse.decoders.ridge.factor import Factor, check_alpha, factorise
from neurodiffuse.decoders.ridge.gram import Gram, gram, stretches
from neurodiffuse.decoders.ridge.selection import METHODS, select_alphas
from neurodiffuse.decoders.ridge.spectrum import Spectrum, decompose, default_alphas, predicts
from neurodiffuse.errors import ConfigError, DataError, listing, near


class MultiTargetRidge(MultiOutputMixin, RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Predict many targets by ridge regression with an unpenalised intercept.

    One Gram matrix serves all targets, and one factor those that share a penalty. For more
    targets than fit in memory use the functions of `neurodiffuse.decoders.ridge` directly.

    Parameters
    ----------
    alpha : float, array-like of shape (n_targets,), "gcv" or "loo", default=1.0
        Penalty, above 0; one for all targets or one for each. Or how to choose: by generalised
        cross-validation, or by leaving out each sample (each group, if ``fit`` is given groups).
    alphas : array-like of shape (n_alphas,), default=None
        Penalties to choose from; None: 25 from 0.01 to 10,000 times the mean eigenvalue.
    alpha_per : {"target", "all"}, default="target"
        Choose for each target, or once for all, where a target counts by its variance.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        The penalty; one for each target where there are several or each chose its own.
    alphas_ : ndarray of shape (n_alphas,)
        Penalties that were on offer, rising; only where one was chosen.
    curves_ : ndarray of shape (n_targets or 1, n_alphas)
        R² of left-out samples for each of them; NaN for constant targets. Of more than 32 targets
        that choose together, an estimate from 32 random combinations.
    predictable_ : ndarray of bool, shape (n_targets,)
        Whether some penalty predicts left-out samples better than the target's mean (R² above 0);
        only where one was chosen, of all targets together if they choose together. `fit` warns if
        none does for any target.
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
    >>> from neurodiffuse.decoders.ridge import MultiTargetRidge
    >>> betas = np.random.default_rng(0).normal(size=(20, 50))
    >>> latents = betas[:, :3] + 5
    >>> MultiTargetRidge(alpha=[1.0, 1.0, 100.0]).fit(betas, latents).coef_.shape
    (3, 50)
    >>> MultiTargetRidge(alpha="gcv", alphas=[1.0, 100.0]).fit(betas, latents).alpha_
    array([1., 1., 1.])
    """

    def __init__(
        self,
        alpha: float | Sequence[float] | str = 1.0,
        alphas: Sequence[float] | None = None,
        alpha_per: str = "target",
    ) -> None:
        self.alpha = alpha
        self.alphas = alphas
        self.alpha_per = alpha_per

    def fit(self, X: Any, y: Any, groups: Any = None) -> MultiTargetRidge:
        """Fit the weights.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Betas.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        groups : array-like of shape (n_samples,), default=None
            Samples that ``alpha="loo"`` leaves out together: the trials of an image, a session, a
            cluster of like images. Not used otherwise.

        Returns
        -------
        self

        Raises
        ------
        ConfigError
            If an alpha is not a number above 0, or no way to choose one has that name.
        DataError
            If there are neither one alpha nor as many as targets.
        """
        X, y = validate_data(
            self,
            X,
            y,
            dtype=[np.float64, np.float32],
            multi_output=True,
            y_numeric=True,
            ensure_min_samples=3 if isinstance(self.alpha, str) else 1,
        )
        targets = np.asarray(y, X.dtype).reshape(len(X), -1)
        shared = gram(X, dtype=X.dtype)
        alphas, spectrum = self._alphas(shared, targets, groups)
        mean = targets.mean(axis=0, dtype=np.float64)
        deviation = (targets - mean).astype(X.dtype)
        coef = np.empty((targets.shape[1], X.shape[1]), X.dtype)
        for alpha in np.unique(alphas):
            factor = spectrum.factor(alpha) if spectrum else factorise(shared, alpha)
            coef[alphas == alpha] = _weights(factor, deviation[:, alphas == alpha])
        intercept = (mean - coef @ shared.mean).astype(X.dtype)
        single = y.ndim == 1
        self.coef_ = coef[0] if single else coef
        self.intercept_ = intercept[0] if single else intercept
        return self

    def _alphas(
        self, shared: Gram, targets: np.ndarray, groups: Any
    ) -> tuple[np.ndarray, Spectrum | None]:
        """Return alphas float64 (targets,), and what they were chosen with.

        Says in the attributes what was given or chosen.
        """
        if not isinstance(self.alpha, str):
            alphas = _one_each(self.alpha, targets.shape[1])
            self.alpha_ = alphas if np.ndim(self.alpha) else alphas[0]
            return alphas, None
        self._check_choice()
        given = default_alphas(shared) if self.alphas is None else self.alphas
        grid = np.array([check_alpha(alpha) for alpha in np.ravel(np.asarray(given))])
        if not len(grid):
            raise ConfigError("alphas: there is no penalty to choose from.")
        spectrum, every = decompose(shared, float(grid.min())), targets.shape[1]
        chosen = select_alphas(
            spectrum,
            grid,
            [(slice(0, every), targets)],
            method=self.alpha,
            groups=np.zeros(every, np.intp) if self.alpha_per == "all" else None,
            leave_out=groups if self.alpha == "loo" else None,
        )
        alphas = chosen.alphas[chosen.choice]
        self.alphas_, self.curves_ = chosen.alphas, chosen.curves
        self.predictable_ = chosen.best > 0
        if not self.predictable_.any():
            warnings.warn(
                f"MultiTargetRidge: none of the {len(grid)} penalties predicts left-out samples of "
                "any target better than its mean, so that predictions are little but the mean of "
                "y. Check that the rows of X and y belong together.",
                UserWarning,
                stacklevel=3,
            )
        self.alpha_ = alphas if self.alpha_per == "target" else alphas[0]
        smallest = float(alphas.min())
        if not predicts(spectrum, smallest):
            spectrum = decompose(shared, smallest, predict=True)
        return alphas, spectrum

    def _check_choice(self) -> None:
        per = ("target", "all")
        for name, value, ways in (
            ("alpha", self.alpha, METHODS),
            ("alpha_per", self.alpha_per, per),
        ):
            if value not in ways:
                raise ConfigError(
                    f"{name}: {value!r} is none of: {listing(ways)}.{near(str(value), ways)}"
                )

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


def _weights(factor: Factor, deviation: np.ndarray) -> np.ndarray:
    """Return the weights (t, p) of centred targets (n, t)."""
    (n, p), better = factor.gram.x.shape, factor.gram
    parts = stretches(n, p, dual=better.dual)
    if better.dual:
        solution = factor.solve(deviation.T)
        return np.concatenate([solution @ better.centred(part) for part in parts], axis=1)
    product = np.zeros((deviation.shape[1], p), better.dtype)
    for part in parts:
        product += deviation[part[0]].T @ better.centred(part)
    return factor.solve(product)
