"""A forward model of the response: from the latents of a picture to a region's activity.

It is fitted on the run's own training data, image latents to voxels, and scores pictures that
were painted for a region by the response they are predicted to evoke there (Gu et al. 2022,
NeuroImage 247:118812, optimise such a score; here candidates are ranked by it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg

from neurodiffuse import painting
from neurodiffuse.decoding import stored
from neurodiffuse.errors import ConfigError, listing
from neurodiffuse.reading import release_pages
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, load_betas
from neurodiffuse.types import Images, Stimuli

COMPONENTS, IMAGES = 200, 1000
"""Principal components kept of a feature, and the training images they are found on at most."""

STRETCH = 256
"""Trials that are averaged at a time."""

PENALTIES = np.logspace(-4, 4, 25)
"""Candidate penalties, in units of the mean squared singular value of the predictors."""


class ForwardModel:
    """Predicts a subject's regional activity from pictures.

    Activity is the mean of the standardised betas over the region less that over the rest of
    the mask. Ridge is linear in its targets: the model of that difference is the difference of
    the voxels' models (of equal penalty), so voxels need not be fitted one by one.

    Raises
    ------
    ConfigError
        If no feature of the recipe is encoded from pictures alone.
    """

    def __init__(self, run: Run, subject: str) -> None:
        features = check_features(run)
        files = {f: stored(run, subject, f, "a forward model") for f in features}
        self._encoders = {f: painting.restored_encoder(run, subject, f) for f in features}
        self._reductions = {f: reduction(file) for f, file in files.items()}
        self._betas = per_image(run, subject, next(iter(files.values())).ids)
        scores = [self._reductions[f].of_file(file) for f, file in files.items()]
        self._design = Design(np.hstack(scores))

    def response(self, inside: np.ndarray) -> Response:
        """Return the fitted model of a region, bool (n_voxels,) over the mask."""
        activity = self._betas @ contrast(inside).astype(np.float32)
        return self._design.fit(activity.astype(np.float64))

    def predictors(self, pictures: Images) -> np.ndarray:
        """Return what the models predict from, (n_pictures, k), by encoding pictures anew."""
        images: Sequence[np.ndarray] = list(pictures.values)
        stimuli = Stimuli(pictures.ids, images, ((),) * len(images))
        encoded = {f: encoder.encode(stimuli).values for f, encoder in self._encoders.items()}
        return np.hstack([self._reductions[f].of_rows(rows) for f, rows in encoded.items()])


def image_features(run: Run) -> tuple[str, ...]:
    """Return the features of a recipe that are encoded from pictures alone."""
    cards = {f: run.registry.card("encoder", p.encoder) for f, p in run.config.features.items()}
    return tuple(f for f, card in cards.items() if "captions" not in card.reads)


def check_features(run: Run) -> tuple[str, ...]:
    """Return `image_features`.

    Raises
    ------
    ConfigError
        If there are none.
    """
    features = image_features(run)
    if not features:
        raise ConfigError(
            f"recipe {run.config.name!r}: none of its features ({listing(run.config.features)})"
            " is encoded from pictures, so no response to a picture can be predicted. Use "
            "--method linear."
        )
    return features


def contrast(inside: np.ndarray) -> np.ndarray:
    """Return voxel weights that take the mean of a region less the mean of the rest.

    ``inside`` is bool (n_voxels,); where it is true everywhere there is no rest to subtract.
    """
    rest = ~inside
    return np.asarray(inside / max(inside.sum(), 1) - rest / max(rest.sum(), 1), np.float64)


# --- predictors ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reduction:
    """A feature less its mean, on its leading components, with a total variance of 1.

    ``mean`` is (t,), ``components`` (t, k), both float32.
    """

    mean: np.ndarray
    components: np.ndarray

    def of_rows(self, values: np.ndarray) -> np.ndarray:
        """Return scores (n, k) of latents (n, t)."""
        return np.asarray((values - self.mean) @ self.components, np.float64)

    def of_file(self, file: LatentFile) -> np.ndarray:
        """Return scores (n, k) of all latents of a file, read block by block."""
        out = np.zeros((len(file.ids), self.components.shape[1]))
        for columns, block in file.blocks():
            out += (block - self.mean[columns]) @ self.components[columns]
        return out


def reduction(file: LatentFile, most: int = COMPONENTS, images: int = IMAGES) -> Reduction:
    """Return the reduction of a feature to at most ``most`` principal components.

    They are those of up to ``images`` training images, evenly spaced: the eigenvectors u of
    Yc Yc' give components Yc' u / σ. The targets are read twice, block by block.
    """
    rows = np.unique(np.linspace(0, len(file.ids) - 1, min(images, len(file.ids))).astype(int))
    inner = np.zeros((len(rows), len(rows)))
    mean = np.zeros(file.targets, np.float32)
    for columns, block in file.blocks():
        mean[columns] = block.mean(axis=0, dtype=np.float64)
        centred = block[rows] - mean[columns]
        inner += centred @ centred.T
    values, vectors = linalg.eigh(inner)
    kept = np.flatnonzero(values > values[-1] * 1e-6)[::-1][:most]
    if not len(kept):  # a feature that never varies predicts nothing
        return Reduction(mean, np.zeros((file.targets, 0), np.float32))
    turned = vectors[:, kept] / np.sqrt(values[kept])
    components = np.empty((file.targets, len(kept)), np.float32)
    for columns, block in file.blocks():
        components[columns] = (block[rows] - mean[columns]).T @ turned
    variance = values[kept].sum() / len(rows)
    return Reduction(mean, components / np.float32(np.sqrt(variance)))


# --- fit ----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Response:
    """A fitted model of one region's activity: ``constant + predictors @ weights``.

    ``r2`` is the share of the variance it explains in images that are left out one by one.
    """

    weights: np.ndarray
    constant: float
    r2: float

    def predict(self, predictors: np.ndarray) -> np.ndarray:
        """Return the predicted activity (n_pictures,), in standard deviations of a voxel."""
        return np.asarray(predictors @ self.weights + self.constant)


class Design:
    """Predictors (n, k) decomposed once, for ridge with the penalty that leaving one out picks.

    With Xc = U S V', the fit for penalty α is ŷ = U S² (S² + α)⁻¹ U' y + mean, its leverage
    h = 1/n + Σ U² S² / (S² + α), and the error in a left-out image (y - ŷ) / (1 - h) (Golub,
    Heath & Wahba 1979, Technometrics 21:215).
    """

    def __init__(self, predictors: np.ndarray) -> None:
        self._mean = predictors.mean(axis=0)
        self._u, self._s, self._vt = linalg.svd(predictors - self._mean, full_matrices=False)

    def fit(self, activity: np.ndarray) -> Response:
        """Return the model of one target (n,)."""
        mean = activity.mean()
        along, square = self._u.T @ (activity - mean), self._s**2
        usual = square.mean() if square.any() else 1.0
        errors = [self._left_out(activity - mean, along, a * usual) for a in PENALTIES]
        best = int(np.argmin(errors))
        alpha = PENALTIES[best] * usual
        weights = self._vt.T @ (self._s / (square + alpha) * along)
        variance = float(activity.var())
        r2 = 1 - errors[best] / variance if variance > 0 else 0.0
        return Response(weights, float(mean - self._mean @ weights), float(r2))

    def _left_out(self, centred: np.ndarray, along: np.ndarray, alpha: float) -> float:
        kept = self._s**2 / (self._s**2 + alpha)
        fitted = self._u @ (kept * along)
        leverage = (self._u**2) @ kept + 1 / len(centred)
        error = (centred - fitted) / np.maximum(1 - leverage, 1e-9)
        return float((error**2).mean())


def per_image(run: Run, subject: str, ids: tuple[str, ...]) -> np.ndarray:
    """Return training betas, one row an image in the order of ``ids``, repetitions averaged."""
    betas = load_betas(run.folder("mask", subject), "train")
    if betas.ids == ids:
        return betas.values
    place = {image: row for row, image in enumerate(ids)}
    rows = np.array([place[image] for image in betas.ids])
    out = np.zeros((len(ids), betas.values.shape[1]), np.float32)
    for start in range(0, len(rows), STRETCH):
        part = slice(start, start + STRETCH)
        np.add.at(out, rows[part], betas.values[part])
        release_pages(betas.values)
    out /= np.bincount(rows, minlength=len(ids)).astype(np.float32)[:, None]
    return out
