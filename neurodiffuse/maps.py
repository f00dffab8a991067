"""The fitted brain-to-latent maps of a run: what the fit step leaves and others ask.

A map is a ridge factor (see `neurodiffuse.ridge`) and the training latents it is applied to;
weights are never formed to predict. Any pattern over the mask's voxels can be asked for: the
betas of a test image, or a synthetic one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse import ridge
from neurodiffuse.run import Run, read_json
from neurodiffuse.store import LatentFile, load_betas


@dataclass(frozen=True, eq=False)
class Map:
    """One feature's map: its factor, the voxels it reads and the latents it was fitted on.

    ``voxels`` are indices into the mask's voxels; ``rows`` says which latent belongs to each
    training row (several rows share one when repetitions are kept single).
    """

    factor: ridge.Factor
    voxels: np.ndarray
    rows: np.ndarray
    targets: LatentFile

    def hat(self, betas: np.ndarray) -> np.ndarray:
        """Return the hat matrix (m, n_train) of patterns over the mask, (m, n_voxels)."""
        cross = ridge.cross_gram(self.factor.gram, betas[:, self.voxels])
        return ridge.hat(self.factor, cross)

    def held_out_hat(self, most: int) -> np.ndarray:
        """Return rows that predict up to ``most`` training rows from the other images."""
        chosen = ridge.held_out_rows(len(self.rows), most)
        return ridge.leave_out_hat(self.factor, chosen, self.rows)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield the training latents row by training row, block by block of columns."""
        one_to_one = np.array_equal(self.rows, np.arange(len(self.targets.ids)))
        for columns, block in self.targets.blocks():
            yield columns, block if one_to_one else block[self.rows]


def feature_voxels(run: Run, subject: str, feature: str) -> np.ndarray:
    """Return which of the mask's voxels a feature is predicted from, as indices."""
    with np.load(run.folder("mask", subject) / "voxels.npz") as stored:
        inside = stored["voxels"]
    roi = run.config.features[feature].roi
    chosen = run.select(subject, roi) if roi else inside
    return np.flatnonzero(chosen[inside])


def training_betas(run: Run, subject: str, voxels: np.ndarray) -> np.ndarray:
    """Return the standardised training betas (n_rows, n_voxels), mapped where all are used."""
    values = load_betas(run.folder("mask", subject), "train").values
    return values if len(voxels) == values.shape[1] else np.asarray(values[:, voxels])


def save_factor(folder: Path, name: str, factor: ridge.Factor) -> None:
    """Write a factor as ``name_*.npy``."""
    np.save(folder / f"{name}_gram.npy", factor.gram.matrix)
    np.save(folder / f"{name}_mean.npy", factor.gram.mean)
    if factor.triangle is not None:
        np.save(folder / f"{name}_triangle.npy", factor.triangle)
    if factor.spectrum is not None:
        np.save(folder / f"{name}_values.npy", factor.spectrum[0])
        np.save(folder / f"{name}_vectors.npy", factor.spectrum[1])


def load_factor(folder: Path, name: str, alpha: float, x: np.ndarray) -> ridge.Factor:
    """Return what `save_factor` wrote; large arrays are mapped."""

    def stored(part: str) -> np.ndarray:
        return np.load(folder / f"{name}_{part}.npy", mmap_mode="r")

    gram = ridge.Gram(x, np.asarray(stored("mean")), stored("gram"))
    dtype = np.dtype(np.float32)
    if (folder / f"{name}_triangle.npy").exists():
        return ridge.Factor(gram, alpha, dtype, triangle=np.array(stored("triangle"), order="F"))
    return ridge.Factor(gram, alpha, dtype, spectrum=(stored("values"), stored("vectors")))


def open_map(run: Run, subject: str, feature: str) -> Map:
    """Return the fitted map of a feature."""
    folder = run.folder("fit", subject)
    about = read_json(folder / "fit.json")[feature]
    voxels = np.load(folder / f"{about['voxels']}.npy")
    x = training_betas(run, subject, voxels)
    factor = load_factor(folder, about["factor"], about["alpha"], x)
    targets = LatentFile.open(run.latents(subject, feature) / "train.npy")
    place = {image: row for row, image in enumerate(targets.ids)}
    ids = load_betas(run.folder("mask", subject), "train").ids
    return Map(factor, voxels, np.array([place[i] for i in ids]), targets)
