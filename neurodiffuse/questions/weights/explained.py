"""How much of each voxel a feature explains: a forward model, latents of pictures to voxels.

A decoder's weights are shared among voxels that say the same, so that a region of many alike
voxels has small ones. The share of a voxel's variance that a feature predicts does not depend on
the other voxels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from neurodiffuse import budget
from neurodiffuse.blas import one_thread_each
from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoding import feature_voxels, stored
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.questions.weights.project import Projection
from neurodiffuse.reading import release_pages
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, load_betas
from neurodiffuse.work import Site, in_order, spread

PENALTIES = np.logspace(-4, 4, 17)
"""Candidate penalties, in units of the mean eigenvalue of the latents' inner products."""

VOXELS = 1024
"""Voxels of a task."""

STRIP = 128
"""Voxels that one thread predicts at a time."""

ROWS = 1024
"""Images whose leverages are summed at a time."""


def check_memory(run: Run, subjects: Sequence[str], features: Sequence[str]) -> None:
    """Refuse a budget that `explained` would not stay within.

    Raises
    ------
    RunError
        Saying what is needed.
    """
    budget.check(run, {"weights": memory_needed(run, subjects, features)})


def memory_needed(run: Run, subjects: Sequence[str], features: Sequence[str]) -> int:
    """Return the peak of `explained`, in bytes, of the feature that needs most."""
    held = (
        budget.explained(
            budget.counts_of_feature(run, s, f),
            len(LatentFile.open(run.latents(s, f) / "train.npy").ids),
            VOXELS,
        )
        for s in subjects
        for f in features
    )
    return int(budget.BASE + budget.MARGIN * max(held))


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

    Blocks of voxels are the tasks of the run's executor. Inner products of latents and their
    eigenvectors are computed once, where the command runs, and sent to each worker.

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
    is what `neurodiffuse.budget.explained` says; latents are read block by block.

    Forward models of voxels: Naselaris et al. 2011, NeuroImage 56:400-410.
    """
    file = stored(run, subject, feature, "a forward model")
    voxels = feature_voxels(run, subject, feature)
    tasks = [(subject, start, start + VOXELS) for start in range(0, len(voxels), VOXELS)]
    found = []
    for part in parts:
        model = forward_model(inner_products(file, part), run.algebra())
        label = f"sub-{subject} {feature} {part.name}, forward"
        work = spread(run, explain_block, tasks, label, shared=(model, file.ids, voxels))
        found.append(np.concatenate(list(in_order(work))))
    return found


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


def explain_block(site: Site, subject: str, start: int, stop: int) -> np.ndarray:
    """Return what is explained of the voxels from ``start`` to ``stop``, float64 (n_voxels,)."""
    model, ids, voxels = site.shared
    block = per_image(site.run, subject, ids, voxels[start:stop])
    block -= block.mean(axis=0)
    return left_out_r2(model, block)


def per_image(run: Run, subject: str, ids: tuple[str, ...], voxels: np.ndarray) -> np.ndarray:
    """Return training betas of some voxels, float64, a row for each of ``ids``, trials averaged."""
    betas = load_betas(run.folder("mask", subject), "train")
    values = betas.values[:, voxels].astype(np.float64)
    release_pages(betas.values)
    if betas.ids == ids:
        return values
    place = {image: row for row, image in enumerate(ids)}
    rows = np.array([place[image] for image in betas.ids])
    out = np.zeros((len(ids), len(voxels)))
    np.add.at(out, rows, values)
    return np.asarray(out / np.bincount(rows, minlength=len(ids))[:, None])


@dataclass(frozen=True, eq=False)
class Forward:
    """Ridge regressions on the same latents, one for each penalty, float64.

    ``vectors`` (n, n) are the eigenvectors U of the latents' inner products, ``kept``
    (n_penalties, n) what each penalty keeps of the projection on them, λ / (λ + α), and ``own``
    (n_penalties, n) is 1 less an image's leverage. Latents that predict nothing have no penalty.
    """

    vectors: np.ndarray
    kept: np.ndarray
    own: np.ndarray


def forward_model(inner: np.ndarray, algebra: Algebra = BLAS) -> Forward:
    """Return the regressions on latents of which these are the inner products, (n, n).

    The matrix is written over.

    Notes
    -----
    With Yc Yc' = U Λ U' the prediction for penalty α is U Λ (Λ + α)⁻¹ U' x + mean, and an image's
    leverage h = 1/n + Σ u² λ / (λ + α).
    """
    n, usual = len(inner), float(np.trace(inner)) / len(inner)
    if usual <= 0 or n < 2:  # latents that never vary predict nothing
        none = np.zeros((0, n))
        return Forward(inner, none, none)
    values, vectors = algebra.eigenvectors(inner.T)
    values = np.maximum(values, 0)
    kept = values / (values + usual * PENALTIES[:, None])
    own = np.empty_like(kept)
    for start in range(0, n, ROWS):
        rows = slice(start, start + ROWS)
        own[:, rows] = 1 - 1 / n - kept @ (vectors[rows] ** 2).T
    return Forward(vectors, kept, np.maximum(own, 1e-9))


def left_out_r2(model: Forward, centred: np.ndarray) -> np.ndarray:
    """Return the R² of left-out images that the best penalty reaches, float64 (n_voxels,).

    ``centred`` are betas (n, n_voxels), float64, less their mean. Bits do not depend on the
    number of threads.

    Notes
    -----
    A left-out image's error is (x - x̂) / (1 - h), x̂ predicted with it (Golub, Heath & Wahba
    1979, Technometrics 21:215).
    """
    out = np.zeros(centred.shape[1])

    def strip(columns: slice) -> None:
        x = np.ascontiguousarray(centred[:, columns])
        along, square = model.vectors.T @ x, np.einsum("ij,ij->j", x, x)
        for kept, own in zip(model.kept, model.own, strict=True):
            left = model.vectors @ (kept[:, None] * along)
            np.subtract(x, left, out=left)
            left /= own[:, None]
            error = np.einsum("ij,ij->j", left, left)
            share = 1 - np.divide(error, square, out=np.ones_like(error), where=square > 0)
            out[columns] = np.maximum(out[columns], share)

    with one_thread_each() as each:
        each(strip, [slice(s, s + STRIP) for s in range(0, len(out), STRIP)])
    return out
