"""Decoders that are not ridge: one that keeps its promises, and ones that break one each."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurodiffuse.types import Block, Decoder, Fitted, Training


class Nearest(Decoder):
    """The mean latents of the ``k`` training rows whose responses are nearest; not linear.

    ``fault`` breaks a promise; ``killed`` ends the process in the middle of the first fit.
    """

    def __init__(self, k: int = 3, fault: str = "", width: int = 0) -> None:
        self.k, self.fault, self.width = k, fault, width

    def fit(self, training: Training, folder: Path) -> None:
        mark = folder / "checkpoint"
        begun = mark.exists()
        mark.write_text("resumed" if begun else "begun")
        if self.fault == "killed" and not begun:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fault == "elsewhere":
            (folder.parent / "stray.txt").write_text("out of place")
        jitter = np.random.default_rng().normal() if self.fault == "random" else 0.0
        ((_, responses),) = training.subjects.items()
        for feature in training.features:
            np.save(folder / f"{feature}.npy", responses.of(feature) + np.float32(jitter))

    def open(self, training: Training, folder: Path) -> FittedNearest:
        return FittedNearest(self, training, folder)


class FittedNearest(Fitted):
    def __init__(self, decoder: Nearest, training: Training, folder: Path) -> None:
        self.decoder, self.folder = decoder, folder
        ((_, self.responses),) = training.subjects.items()

    def predict(
        self, subject: str, feature: str, betas: np.ndarray, *, seeds: Sequence[int] | None = None
    ) -> Iterator[Block]:
        known, fault = np.load(self.folder / f"{feature}.npy"), self.decoder.fault
        far = ((betas[:, None, :].astype(float) - known[None]) ** 2).sum(-1)
        rows = np.argsort(far, axis=1, kind="stable")[:, : self.decoder.k]
        values = self.responses.targets[feature].values()[rows].mean(1).astype(np.float32)
        if fault == "together":
            values += np.float32(len(betas))
        if fault == "seeds" and seeds is not None:
            values += np.array(seeds, np.float32)[:, None] % 7
        size = values.shape[1]
        width = self.decoder.width or size
        for start in range(0, size, width):
            columns = slice(start, min(start + width, size))
            block = Block(columns, values[:, columns])
            if fault == "infinite":
                block.deviation[0, 0] = np.nan
            if fault == "short" and columns.stop == size:
                continue
            if fault == "shape":
                block = replace(block, deviation=block.deviation[1:])
            if fault == "twice" and start:
                yield block
            yield block


class Curved(Decoder):
    """Targets as tanh of a least-squares fit: not linear, with a Jacobian that is known."""

    def fit(self, training: Training, folder: Path) -> None:
        ((_, responses),) = training.subjects.items()
        for feature in training.features:
            y = responses.targets[feature].values()
            np.save(folder / f"{feature}.npy", np.linalg.lstsq(responses.of(feature), y)[0])

    def open(self, training: Training, folder: Path) -> FittedCurved:
        return FittedCurved(folder)


class FittedCurved(Fitted):
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def predict(
        self, subject: str, feature: str, betas: np.ndarray, *, seeds: Sequence[int] | None = None
    ) -> list[Block]:
        values = np.tanh(betas @ np.load(self.folder / f"{feature}.npy")).astype(np.float32)
        return [Block(slice(0, values.shape[1]), values)]

    def sensitivity(
        self, subject: str, feature: str, columns: slice, betas: np.ndarray
    ) -> np.ndarray:
        weights = np.load(self.folder / f"{feature}.npy")
        slope = (1 - np.tanh(betas @ weights) ** 2).mean(axis=0)
        return (weights * slope)[:, columns].astype(np.float32)
