"""The fitted brain-to-latent maps of a run: what the fit step leaves and others ask.

A map is a ridge factor (see `neurodiffuse.ridge`) and the training latents it is applied to;
weights are never formed to predict. Any pattern over the mask's voxels can be asked for: the
betas of a test image, or a synthetic one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse import ridge
from neurodiffuse.errors import DataError
from neurodiffuse.files import read_json
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile, load_array, load_betas, load_voxels, save_triangle


@dataclass(frozen=True, eq=False)
class Map:
    """One feature's map: its factors, the voxels it reads and the latents it was fitted on.

    There is one factor, or one for each penalty that targets have chosen: ``choice`` intp (t,)
    then says which. ``voxels`` are indices into the mask's voxels; ``rows`` says which latent
    belongs to each training row (several rows share one when repetitions are kept single).
    ``scale`` (n_voxels,) is what the betas were multiplied with, where they are in bands;
    ``groups`` (n_rows,) labels rows that are left out together, where that is not just an image's.
    """

    factors: tuple[ridge.Factor, ...]
    choice: np.ndarray | None
    voxels: np.ndarray
    rows: np.ndarray
    targets: LatentFile
    scale: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def gram(self) -> ridge.Gram:
        """The Gram matrix of the training betas, which all factors share."""
        return self.factors[0].gram

    def hat(self, betas: np.ndarray) -> np.ndarray | ridge.Hats:
        """Return the hat matrix (m, n_train) of patterns over the mask, (m, n_voxels)."""
        return self.hat_of(self.cross(betas))

    def cross(self, betas: np.ndarray) -> np.ndarray:
        """Return what `hat_of` needs of patterns over the mask, (m, n_voxels)."""
        part = _part(betas, self.voxels)
        return ridge.cross_gram(self.gram, part if self.scale is None else part * self.scale)

    def hat_of(self, cross: np.ndarray) -> np.ndarray | ridge.Hats:
        """Return the hat matrix of `cross`, which maps of the same voxels and type share."""
        if self.choice is None:
            return ridge.hat(self.factors[0], cross)
        return ridge.Hats(ridge.hats(self.factors, cross), self.choice)

    def held_out_hat(self, most: int) -> np.ndarray | ridge.Hats:
        """Return rows that predict up to ``most`` training rows from the other images.

        Where rows are left out by session or cluster, these are predicted from the others.
        """
        n = len(self.rows)
        images = None if self.groups is None else self.rows
        groups = self.rows if self.groups is None else self.groups
        chosen = ridge.held_out_rows(n, most, self.groups, images)
        each = tuple(ridge.leave_out_hat(f, chosen, groups, images) for f in self.factors)
        return each[0] if self.choice is None else ridge.Hats(each, self.choice)

    def weight_map(self) -> ridge.WeightMap:
        """Return what `ridge.weight_blocks` forms weights with, of the scaled betas."""
        if self.choice is None:
            return ridge.weight_map(self.factors[0])
        return ridge.weight_map_of_each(self.factors, self.choice)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the training latents row by training row, block by block of columns."""
        return latent_blocks(self.targets, self.rows)


def latent_blocks(file: LatentFile, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of columns of the latents, row by training row."""
    one_to_one = np.array_equal(rows, np.arange(len(file.ids)))
    for columns, block in file.blocks():
        yield columns, block if one_to_one else block[rows]


def training_latents(run: Run, subject: str, feature: str) -> tuple[LatentFile, np.ndarray]:
    """Return a feature's training latents, and which of them belongs to each training row."""
    file = LatentFile.open(run.latents(subject, feature) / "train.npy")
    place = {image: row for row, image in enumerate(file.ids)}
    ids = load_betas(run.folder("mask", subject), "train").ids
    return file, np.array([place[i] for i in ids])


def feature_voxels(run: Run, subject: str, feature: str) -> np.ndarray:
    """Return which of the mask's voxels a feature is predicted from, as indices."""
    inside = load_voxels(run.folder("mask", subject))
    roi = run.config.features[feature].roi
    chosen = run.select(subject, roi, f"features.{feature}.roi") if roi else inside
    return np.flatnonzero(chosen[inside])


def bands_of(run: Run, subject: str, feature: str, voxels: np.ndarray) -> np.ndarray:
    """Return the band of each voxel, counted from 0; a voxel belongs to the first that has it.

    Raises
    ------
    DataError
        If a band has no voxel of its own.
    """
    inside = load_voxels(run.folder("mask", subject))
    expressions = run.config.features[feature].bands
    band = np.full(len(voxels), len(expressions), np.intp)
    for k, expression in reversed(list(enumerate(expressions))):
        chosen = run.select(subject, expression, f"features.{feature}.bands")
        band[chosen[inside][voxels]] = k
    for k, expression in enumerate(expressions):
        if not (band == k).any():
            raise DataError(
                f"features.{feature}.bands: {expression!r} has no voxel of sub-{subject}'s that is "
                "in the mask and in no earlier band. Leave it out, or widen --mask."
            )
    return band


def training_betas(run: Run, subject: str, voxels: np.ndarray) -> np.ndarray:
    """Return the standardised training betas (n_rows, n_voxels), mapped where all are used."""
    return _part(load_betas(run.folder("mask", subject), "train").values, voxels)


def save_factor(folder: Path, name: str, factor: ridge.Factor) -> dict[str, Any]:
    """Write a factor as ``name_*.npy`` and return what `load_factor` needs besides."""
    np.save(folder / f"{name}_mean.npy", factor.gram.mean)
    if factor.triangle is not None:
        save_triangle(folder / f"{name}_triangle.npy", factor.triangle)
    if factor.spectrum is not None:
        np.save(folder / f"{name}_values.npy", factor.spectrum[0])
        np.save(folder / f"{name}_vectors.npy", factor.spectrum[1])
    return {"factor": name, "lift": factor.gram.lift}


def load_factor(
    folder: Path,
    about: Mapping[str, Any],
    alpha: float,
    x: np.ndarray,
    algebra: ridge.Algebra = ridge.BLAS,
) -> ridge.Factor:
    """Return what `save_factor` wrote; large arrays are mapped."""

    def stored(part: str) -> np.ndarray:
        return load_array(folder / f"{about['factor']}_{part}.npy", mapped=True)

    whole = not (folder / f"{about['factor']}_vectors.npy").exists()
    solved = stored("triangle" if whole else "vectors")
    mean = np.asarray(stored("mean"))
    gram = ridge.Gram(x, mean, None, solved.dtype, about["lift"], algebra)
    dtype = np.dtype(np.float32)
    if whole:
        return ridge.Factor(gram, alpha, dtype, triangle=solved)
    return ridge.Factor(gram, alpha, dtype, spectrum=(np.asarray(stored("values")), solved))


def open_map(run: Run, subject: str, feature: str) -> Map:
    """Return the fitted map of a feature."""
    folder = run.folder("fit", subject)
    about = read_json(folder / "fit.json")[feature]
    voxels = load_array(folder / f"{about['voxels']}.npy")
    x, scale = training_betas(run, subject, voxels), None
    if about.get("scale"):
        scale = load_array(folder / f"{about['scale']}.npy")
        x = x * scale
    chosen = isinstance(about["alpha"], str)
    each = load_array(folder / f"{feature}_alpha.npy") if chosen else np.array([about["alpha"]])
    alphas, choice = np.unique(each, return_inverse=True)
    algebra = run.algebra()
    # of one set of files, which are mapped once
    first = load_factor(folder, about, float(alphas[0]), x, algebra)
    factors = tuple(replace(first, alpha=float(alpha)) for alpha in alphas)
    targets, rows = training_latents(run, subject, feature)
    left = about.get("leave_out")
    groups = load_array(folder / f"{left}.npy") if left else None
    several = choice if len(factors) > 1 else None
    return Map(factors, several, voxels, rows, targets, scale, groups)


def penalty_table(run: Run, subject: str, feature: str) -> np.ndarray | None:
    """Return (alpha, R² of left-out training images, targets) of each penalty on offer.

    None where the recipe gives the penalty.
    """
    table = run.folder("fit", subject) / f"{feature}_alpha.tsv"
    return np.loadtxt(table, skiprows=1, ndmin=2) if table.exists() else None


def unpredicted(run: Run, subject: str, feature: str) -> tuple[int, int]:
    """Return how many targets no penalty on offer predicts, and of how many that vary.

    That is better than by their mean, in left-out training images. (0, 0) where the recipe gives
    the penalty, or the run is of a version that did not count them.
    """
    about = read_json(run.folder("fit", subject) / "fit.json")[feature]
    missed, varying = about.get("unpredicted", (0, 0))
    return missed, varying


def _part(betas: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    return betas if len(voxels) == betas.shape[1] else np.take(np.asarray(betas), voxels, axis=1)
