"""The fitted maps of ridge: what a fit leaves in its folder and is asked for.

A map is a ridge factor (see `neurodiffuse.decoders.ridge`) and the training latents that it is
applied to; weights are never formed to predict. Any pattern of responses can be asked for: the
betas of a test image, or a synthetic one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.config.ridge import Settings
from neurodiffuse.decoders.algebra import BLAS, Algebra
from neurodiffuse.decoders.ridge.factor import Factor, hat, hats
from neurodiffuse.decoders.ridge.gram import Gram, cross_gram
from neurodiffuse.decoders.ridge.groups import image_labels
from neurodiffuse.decoders.ridge.leave_out import held_out_rows, leave_out_hat
from neurodiffuse.decoders.ridge.stream import (
    Hats,
    Placed,
    Predicted,
    above,
    placed,
    predict_blocks,
)
from neurodiffuse.decoders.ridge.streamed import StreamedPredictions
from neurodiffuse.decoders.ridge.weights import (
    Weigher,
    WeightMap,
    weight_map,
    weight_map_of_each,
)
from neurodiffuse.errors import RunError
from neurodiffuse.files import read_json
from neurodiffuse.reading import release_pages
from neurodiffuse.store import load_array, save_triangle
from neurodiffuse.types import Block, Fitted, Targets, Training, UnstoredTargets

Rows = np.ndarray | Hats


@dataclass(frozen=True, eq=False)
class Map:
    """One feature's map: its factors, and the latents it was fitted on.

    There is one factor, or one for each penalty that targets have chosen: ``choice`` intp (t,)
    then says which. ``images`` (n_rows,) labels the image of each training row. ``scale``
    (n_voxels,) is what the betas were multiplied with, where they are in bands; ``groups``
    (n_rows,) labels rows that are left out together, where that is not just an image's.
    """

    factors: tuple[Factor, ...]
    choice: np.ndarray | None
    images: np.ndarray
    scale: np.ndarray | None = None
    groups: np.ndarray | None = None

    @property
    def gram(self) -> Gram:
        """The Gram matrix of the training betas, which all factors share."""
        return self.factors[0].gram

    def cross(self, betas: np.ndarray) -> np.ndarray:
        """Return what `hat_of` needs of patterns, (m, n_voxels)."""
        return cross_gram(self.gram, betas if self.scale is None else betas * self.scale)

    def hat_of(self, cross: np.ndarray) -> Rows:
        """Return the hat matrix of `cross`, which maps of the same voxels and type share."""
        if self.choice is None:
            return hat(self.factors[0], cross)
        return Hats(hats(self.factors, cross), self.choice)

    @property
    def _leave_out(self) -> tuple[np.ndarray, np.ndarray | None]:
        """Labels of rows that are left out together, and of their images if those are others."""
        return (self.images, None) if self.groups is None else (self.groups, self.images)

    def held_out_rows(self, most: int) -> np.ndarray:
        """Return up to ``most`` training rows that are to be predicted from the other images."""
        return held_out_rows(len(self.images), most, self.groups, self._leave_out[1])

    def held_out_hat(self, rows: np.ndarray) -> Rows:
        """Return what predicts training rows from the other images.

        Where rows are left out by session or cluster, these are predicted from the others.
        """
        each = tuple(leave_out_hat(f, rows, *self._leave_out) for f in self.factors)
        return each[0] if self.choice is None else Hats(each, self.choice)

    def weight_map(self) -> WeightMap:
        """Return what weights are formed with, of the scaled betas."""
        if self.choice is None:
            return weight_map(self.factors[0])
        return weight_map_of_each(self.factors, self.choice)


class FittedRidge(Fitted):
    """The maps of one subject's features.

    Features that read the same voxels share the inner products with the patterns. A map is let go
    of before any target is read.
    """

    def __init__(
        self, training: Training, options: Mapping[str, Settings], folder: Path, algebra: Algebra
    ) -> None:
        ((self._subject, self._responses),) = training.subjects.items()
        self._options, self._folder, self._algebra = options, folder, algebra
        self._crosses: dict[tuple[bytes, str], tuple[np.ndarray, np.ndarray]] = {}
        self._weigher: tuple[str, Weigher, np.ndarray | None] | None = None
        self._block: tuple[str, slice, np.ndarray] | None = None

    def predict(
        self, subject: str, feature: str, betas: np.ndarray, *, seeds: Sequence[int] | None = None
    ) -> Iterable[Block]:
        """Return ``hat @ (latents - mean) + mean``, block by block."""
        fitted = self.open(feature)
        rows = fitted.hat_of(self._cross(fitted, feature, betas))
        return self._predictions(feature, rows, len(betas))

    def predict_each(
        self, subject: str, feature: str, patterns: Iterable[np.ndarray]
    ) -> Iterator[Block]:
        """Yield the predictions of patterns multiplied one by one; latents are read once."""
        fitted, intercept = self.open(feature), self._options[feature].intercept
        each = [fitted.hat_of(fitted.cross(pattern[None])) for pattern in patterns]
        for columns, targets in self._responses.targets[feature].blocks():
            made = [next(predict_blocks(rows, [(columns, targets)])) for rows in each]
            deviation = np.concatenate([one.deviation for one in made])
            block = replace(made[0], deviation=deviation).block(len(each), intercept=intercept)
            assert block.training is not None
            squares = np.einsum("ij,ij->i", targets, targets, dtype=np.float64)
            yield replace(block, training=replace(block.training, squares=squares))

    def left_out_rows(self, subject: str, feature: str, most: int) -> np.ndarray:
        """Return rows evenly spaced, or those of whole groups that are left out together."""
        return self.open(feature).held_out_rows(most)

    def predict_with_left_out(
        self,
        subject: str,
        feature: str,
        betas: np.ndarray,
        rows: np.ndarray,
        *,
        seeds: Sequence[int] | None = None,
    ) -> Iterable[Block]:
        """Return the predictions of patterns and of training rows in one pass over the latents."""
        fitted = self.open(feature)
        own = fitted.hat_of(self._cross(fitted, feature, betas))
        return self._predictions(feature, above(own, fitted.held_out_hat(rows)), len(betas))

    def weights(self, subject: str, feature: str, columns: slice) -> np.ndarray:
        """Return the ridge weights of some targets, of the betas as they were before any scaling.

        What forms them is as large as the betas and kept for the feature that was asked last.
        """
        if self._weigher is None or self._weigher[0] != feature:
            self._weigher = None  # its memory serves the next one
            fitted = self.open(feature)
            self._weigher = (feature, Weigher(fitted.weight_map()), fitted.scale)
            release_pages(fitted.gram.x)
        _, weigh, scale = self._weigher
        weights = weigh(columns, self._targets(feature, columns))
        if scale is not None:
            weights *= scale[:, None]
        return weights

    def open(self, feature: str) -> Map:
        """Return the fitted map of a feature; large arrays are mapped from disk."""
        about = read_json(self._folder / "fit.json")[feature]
        path = self._folder / f"{about['voxels']}.npy"
        if not np.array_equal(load_array(path), self._responses.voxels[feature]):
            raise RunError(
                f"{path}: {feature!r} was fitted on other voxels than it has now. Give the decode "
                "command of the run again, with --from fit."
            )
        x, scale = self._responses.of(feature), None
        if about.get("scale"):
            scale = load_array(self._folder / f"{about['scale']}.npy")
            x = x * scale
        chosen = isinstance(about["alpha"], str)
        path = self._folder / f"{feature}_alpha.npy"
        each = load_array(path) if chosen else np.array([about["alpha"]])
        alphas, choice = np.unique(each, return_inverse=True)
        # of one set of files, which are mapped once
        first = load_factor(self._folder, about, float(alphas[0]), x, self._algebra)
        factors = tuple(replace(first, alpha=float(alpha)) for alpha in alphas)
        left = about.get("leave_out")
        groups = load_array(self._folder / f"{left}.npy") if left else None
        several = choice if len(factors) > 1 else None
        return Map(factors, several, image_labels(self._responses), scale, groups)

    def _cross(self, fitted: Map, feature: str, betas: np.ndarray) -> np.ndarray:
        # betas scaled in bands are a feature's own
        own = fitted.gram.dtype.char if fitted.scale is None else feature
        key = (self._responses.voxels[feature].tobytes(), own)
        known = self._crosses.get(key)
        if known is None or known[0] is not betas:
            known = self._crosses[key] = (betas, fitted.cross(betas))
        return known[1]

    def _predictions(self, feature: str, rows: Rows, patterns: int) -> Iterable[Block]:
        targets = self._responses.targets[feature]
        intercept = self._options[feature].intercept
        if isinstance(targets, UnstoredTargets):
            assert not isinstance(rows, Hats)  # one penalty: none is chosen without latents
            return StreamedPredictions(rows, targets, patterns, intercept=intercept)
        return RidgePredictions(rows, targets, patterns, intercept, self._algebra)

    def _targets(self, feature: str, columns: slice) -> np.ndarray:
        """Return some targets of the training rows; the block that they are in is kept."""
        known = self._block
        if known is None or known[0] != feature or not _within(columns, known[1]):
            targets = self._responses.targets[feature]
            inside = [k for k, c in enumerate(targets.columns()) if _within(columns, c)]
            known = self._block = (feature, *targets.block(inside[0]))
        start = known[1].start
        return known[2][:, columns.start - start : columns.stop - start]


class RidgePredictions:
    """Predictions of patterns and, below them, of left-out training rows; made when asked for."""

    def __init__(
        self, rows: Rows, targets: Targets, patterns: int, intercept: bool, algebra: Algebra
    ) -> None:
        self._rows, self._targets, self._patterns = rows, targets, patterns
        self._intercept, self._algebra = intercept, algebra

    def __iter__(self) -> Iterator[Block]:
        for made in predict_blocks(self._placed, self._targets.blocks()):
            yield self._as_block(made)

    def block(self, number: int) -> Block:
        """Return one of the blocks of the training targets."""
        return self._as_block(next(predict_blocks(self._placed, [self._targets.block(number)])))

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_placed"}

    @cached_property
    def _placed(self) -> Placed:
        return placed(self._rows, self._algebra)

    def _as_block(self, made: Predicted) -> Block:
        # without an intercept the mean of the training latents is left away: betas are centred
        return made.block(self._patterns, intercept=self._intercept)


def _within(inner: slice, outer: slice) -> bool:
    return bool(outer.start <= inner.start and inner.stop <= outer.stop)


def save_factor(folder: Path, name: str, factor: Factor) -> dict[str, Any]:
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
    algebra: Algebra = BLAS,
) -> Factor:
    """Return what `save_factor` wrote; large arrays are mapped."""

    def stored(part: str) -> np.ndarray:
        return load_array(folder / f"{about['factor']}_{part}.npy", mapped=True)

    whole = not (folder / f"{about['factor']}_vectors.npy").exists()
    solved = stored("triangle" if whole else "vectors")
    mean = np.asarray(stored("mean"))
    shared = Gram(x, mean, None, solved.dtype, about["lift"], algebra)
    dtype = np.dtype(np.float32)
    if whole:
        return Factor(shared, alpha, dtype, triangle=solved)
    return Factor(shared, alpha, dtype, spectrum=(np.asarray(stored("values")), solved))
