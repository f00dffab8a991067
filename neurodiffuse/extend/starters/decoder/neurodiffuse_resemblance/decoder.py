"""The decoder: from responses to latents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from neurodiffuse.types import Block, Decoder, FitSummary, Fitted, Responses, Sizes, Training, Work


class Resemblance(Decoder):
    """The mean of training latents, weighted by how similar the responses are.

    The weights are a softmax of the correlations of responses over a temperature: a low one takes
    the most similar training rows alone, a high one the mean of all. For each feature the one is
    taken that predicts training images best from the other images.

    Parameters
    ----------
    temperatures
        Those to choose from, above 0.
    """

    def __init__(self, temperatures: Sequence[float] = (0.02, 0.05, 0.1, 0.2, 0.5)) -> None:
        if not temperatures or min(temperatures) <= 0:
            raise ValueError(f"temperatures must be one or more, all above 0, not {temperatures}")
        self.temperatures = temperatures

    def fit(self, training: Training, folder: Path) -> None:
        """Choose the temperature of each feature; those that are chosen are not chosen again."""
        ((_, responses),) = training.subjects.items()
        for feature in training.features:
            path = folder / f"{feature}.json"
            if path.exists():  # an earlier process was interrupted after it
                continue
            similar = left_out(
                correlations(responses.of(feature), responses.of(feature)), responses
            )
            errors = []
            for temperature in self.temperatures:
                weights, error = softmax(similar / temperature), 0.0
                for _, latents in responses.targets[feature].blocks():
                    error += float(((weights @ latents - latents) ** 2).sum())
                errors.append(error)
            best = self.temperatures[int(np.argmin(errors))]
            beside = path.with_suffix(".partial")
            beside.write_text(json.dumps(best))
            beside.rename(path)  # so that the file is there as a whole or not at all

    def open(self, training: Training, folder: Path) -> FittedResemblance:
        """Return what was chosen, beside the training responses."""
        return FittedResemblance(training, folder)

    def memory(self, work: Work, sizes: Sizes) -> int:
        """Return the bytes of three tables of similarities, beside what any decoder needs."""
        rows = sizes.rows if work == "fit" else sizes.patterns + sizes.left_out
        return super().memory(work, sizes) + 24 * rows * sizes.rows

    def summary(self, folder: Path, feature: str) -> FitSummary:
        """Return the temperature, for the table of the report."""
        chosen = json.loads((folder / f"{feature}.json").read_text())
        return FitSummary(f"similar responses, temperature {chosen:g}")


class FittedResemblance(Fitted):
    """Also predicts training rows from those of other images (`HasLeftOut`)."""

    def __init__(self, training: Training, folder: Path) -> None:
        ((_, self.responses),) = training.subjects.items()
        self.folder = folder

    def predict(
        self, subject: str, feature: str, betas: np.ndarray, *, seeds: Sequence[int] | None = None
    ) -> Iterator[Block]:
        """Yield weighted means of the training latents, block by block; nothing is random."""
        weights = self.weigh(feature, correlations(betas, self.responses.of(feature)))
        for columns, latents in self.responses.targets[feature].blocks():
            yield Block(columns, weights @ latents)

    def left_out_rows(self, subject: str, feature: str, most: int) -> np.ndarray:
        """Return rows evenly spaced."""
        n = len(self.responses.images)
        return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.intp))

    def predict_with_left_out(
        self,
        subject: str,
        feature: str,
        betas: np.ndarray,
        rows: np.ndarray,
        *,
        seeds: Sequence[int] | None = None,
    ) -> Iterator[Block]:
        """Yield what ``predict`` does, and the rows from those of other images."""
        known = self.responses.of(feature)
        similar = left_out(correlations(known[rows], known), self.responses, rows)
        weights = np.vstack(
            [self.weigh(feature, correlations(betas, known)), self.weigh(feature, similar)]
        )
        for columns, latents in self.responses.targets[feature].blocks():
            made = weights @ latents
            yield Block(columns, made[: len(betas)], left_out=made[len(betas) :])

    def weigh(self, feature: str, similar: np.ndarray) -> np.ndarray:
        """Return the weights of training rows, for similarities (n, n_rows)."""
        return softmax(similar / json.loads((self.folder / f"{feature}.json").read_text()))


def correlations(some: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the Pearson correlations of responses, float32 (n, n_rows); 0 of flat ones."""
    parts = []
    for responses in (some, known):
        centred = responses - responses.mean(axis=1, keepdims=True)
        length = np.linalg.norm(centred, axis=1, keepdims=True)
        parts.append(centred / np.where(length > 0, length, 1))
    return np.vstack([row @ parts[1].T for row in parts[0][:, None]])


def left_out(
    similar: np.ndarray, responses: Responses, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    """Return similarities of training rows with those of their own image put out of reach."""
    images = np.array(responses.images)
    return np.where(images[rows][:, None] == images, -np.inf, similar)


def softmax(values: np.ndarray) -> np.ndarray:
    """Return weights that add up to 1 in each row, float32."""
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
