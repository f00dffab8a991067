"""How much of each voxel a feature explains: a forward model, latents of pictures to voxels.

A decoder's weights are shared among voxels that say the same, so that a region of many alike
voxels has small ones. The share of a voxel's variance that a feature predicts does not depend on
the other voxels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from scipy import linalg

from neurodiffuse import budget, maps
from neurodiffuse.progress import progress
from neurodiffuse.questions.roi_optimal.encoding import per_image
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.questions.weights.project import Projection
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile

PENALTIES = np.logspace(-4, 4, 17)
"""Candidate penalties, in units of the mean eigenvalue of the latents' inner products."""

VOXELS = 1024
"""Voxels that are predicted at a time."""


def check_memory(run: Run, subjects: Sequence[str], features: Sequence[str]) -> None:
    """Refuse a budget that `explained` would not stay within.

    Three matrices of images by images, 24 n², the betas and, where trials are averaged, what they
    become, 8 n p, and five arrays of a stretch of voxels, 40 n.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    held = 0
    for subject in subjects:
        for feature in features:
            counts = budget.counts_of_map(run, subject, feature)
            n, p = counts.n, counts.p
            held = max(held, 24 * n**2 + 8 * n * p + 40 * n * min(VOXELS, p))
    budget.check(run, {"weights": int(budget.BASE + budget.MARGIN * held)})


def with_explained(
    run: Run,
    subject: str,
    feature: str,
    parts: Sequence[Part],
    projections: Sequence[Projection],
) -> list[Projection]:
    """Return the projections of a feature's parts, each with what the part explains."""
    said = explained(run, subject, feature, parts)
    return [replace(one, explained=r2) for one, r2 in zip(projections, said, strict=True)]


def explained(run: Run, subject: str, feature: str, parts: Sequence[Part]) -> list[np.ndarray]:
    """Return the share of each voxel's variance that each part of a feature explains.

    Parameters
    ----------
    run, subject, feature
        Voxels are those that the feature is decoded from.
    parts
        Of `parts.parts_of`: all latents of the feature, those of a token, or a single one.

    Returns
    -------
    list of float64 (n_voxels,)
        R² in training images that are left out one by one, 0 where their mean predicts better.

    Notes
    -----
    Ridge regression of each voxel on the latents; of `PENALTIES` each voxel has the one with
    the highest such R², which is a little too high for being the highest. Trials of a picture are
    averaged. It does not change when latents are rotated, or all scaled by one factor. Memory
    is the betas and three float64 matrices of images by images; latents are read block by block.

    Forward models of voxels: Naselaris et al. 2011, NeuroImage 56:400-410.
    """
    file = LatentFile.open(run.latents(subject, feature) / "train.npy")
    voxels = maps.feature_voxels(run, subject, feature)
    betas = per_image(run, subject, file.ids)
    named = progress(parts, f"sub-{subject} {feature}, forward", quiet=run.quiet)
    return [left_out_r2(inner_products(file, part), betas, voxels) for part in named]


def inner_products(file: LatentFile, part: Part) -> np.ndarray:
    """Return Yc Yc', float64 (n_images, n_images), of a part of centred latents."""
    n = len(file.ids)
    out = np.zeros((n, n))
    for columns, block in file.blocks():
        inside = block[:, part.within(columns)]
        if inside.shape[1]:
            centred = inside - inside.mean(axis=0, dtype=np.float64).astype(inside.dtype)
            out += centred @ centred.T
    return out


def left_out_r2(inner: np.ndarray, betas: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return the R² of left-out images that the best penalty reaches, float64 (n_voxels,).

    Parameters
    ----------
    inner
        Inner products of centred predictors, (n, n).
    betas
        (n, n_all); ``voxels`` are the columns to predict.

    Notes
    -----
    With Yc Yc' = U Λ U' the prediction for penalty α is U Λ (Λ + α)⁻¹ U' x + mean, an image's
    leverage h = 1/n + Σ u² λ / (λ + α), and its error when left out (x - x̂) / (1 - h) (Golub,
    Heath & Wahba 1979, Technometrics 21:215).
    """
    n, usual = len(inner), float(np.trace(inner)) / len(inner)
    out = np.zeros(len(voxels))
    if usual <= 0:  # latents that never vary predict nothing
        return out
    values, vectors = linalg.eigh(inner)
    values = np.maximum(values, 0)
    kept = [values / (values + a * usual) for a in PENALTIES] if n > 1 else []
    own = [1 - 1 / n - (vectors**2) @ k for k in kept]
    for columns, centred in _centred(betas, voxels):
        along, square = vectors.T @ centred, np.einsum("ij,ij->j", centred, centred)
        for k, rest in zip(kept, own, strict=True):
            left = (centred - vectors @ (k[:, None] * along)) / np.maximum(rest, 1e-9)[:, None]
            error = np.einsum("ij,ij->j", left, left)
            share = 1 - np.divide(error, square, out=np.ones_like(error), where=square > 0)
            out[columns] = np.maximum(out[columns], share)
    return out


def _centred(betas: np.ndarray, voxels: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(voxels), VOXELS):
        columns = slice(start, min(start + VOXELS, len(voxels)))
        values = np.asarray(betas[:, voxels[columns]], np.float64)
        yield columns, values - values.mean(axis=0)
