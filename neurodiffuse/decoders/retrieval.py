"""Mix predicted latents with those of the training images that they are most like."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.files import read_json, write_json
from neurodiffuse.metrics.running import RunningCorrelation
from neurodiffuse.types import HeldOut, Refiner, Targets

CANDIDATES = (1, 3, 10, 30, 100)
"""Numbers of neighbours that are tried where none is named."""

FOLDS = 5
"""Parts of the held-out rows in which the number of neighbours is tried on the others' weight."""


class RetrievalMix(Refiner):
    """A share of the mean latents of the nearest training images, the rest as predicted.

    The share, and unless it is given the number of images, are those with the least squared error
    in held-out predictions, where an image never retrieves itself. If retrieval does not help, the
    share is 0 and nothing changes.

    Parameters
    ----------
    k
        Number of training images; 0: the best of 1, 3, 10, 30 and 100.

    Raises
    ------
    ValueError
        If ``k`` is negative.

    Notes
    -----
    Near is what correlates over all targets, each less its mean over the training images. With
    predictions p, retrieved means r and true latents y the share is
    w = Σ (y - p)(r - p) / Σ (r - p)², from 0 to 1, over all held-out rows and targets.
    """

    def __init__(self, k: int = 0) -> None:
        if k < 0:
            raise ValueError(f"k: {k} is no number of images")
        self.k = k

    def fit(self, held_out: HeldOut, folder: Path) -> None:
        """Choose the number of images and their share, and write both as ``retrieval.json``."""
        rows = len(held_out.own)
        order = _nearest(held_out.bank, held_out.predicted, held_out.own)
        most = order.shape[1]
        kinds = [self.k] if self.k else [k for k in CANDIDATES if k <= most] or [most]
        kinds = [min(k, most) for k in kinds]
        # for each held-out row: Σ (y - p)(r - p) and Σ (r - p)² over the targets, and Σ (y - p)²
        along, square, error = np.zeros((len(kinds), rows)), np.zeros((len(kinds), rows)), 0.0
        for (_, bank), (_, predicted), (_, true) in zip(
            held_out.bank.blocks(), held_out.predicted.blocks(), held_out.true.blocks(), strict=True
        ):
            gap = true - predicted
            error += float(np.einsum("ij,ij->", gap, gap, dtype=np.float64))
            for n, k in enumerate(kinds):
                step = _means(bank, order[:, :k]) - predicted
                along[n] += np.einsum("ij,ij->i", gap, step, dtype=np.float64)
                square[n] += np.einsum("ij,ij->i", step, step, dtype=np.float64)
        gains = [_gain(along[n], square[n]) for n in range(len(kinds))]
        best = int(np.argmax(gains))
        share = _share(along[best].sum(), square[best].sum())
        about: dict[str, Any] = {
            "k": kinds[best],
            "share": share if gains[best] > 0 else 0.0,
            "held_out_rows": rows,
            "less_squared_error": max(gains[best], 0.0) / error if error else 0.0,
        }
        write_json(folder / "retrieval.json", about)

    def refine(
        self, held_out: HeldOut, folder: Path, predicted: Targets, *, seeds: Sequence[int]
    ) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield ``(1 - share) predicted + share retrieved``."""
        about = read_json(folder / "retrieval.json")
        share, k = np.float32(about["share"]), about["k"]
        if not share:
            yield from predicted.blocks()
            return
        order = _nearest(held_out.bank, predicted, None)[:, :k]
        for (_, bank), (columns, values) in zip(
            held_out.bank.blocks(), predicted.blocks(), strict=True
        ):
            yield columns, values + share * (_means(bank, order) - values)

    def words(self) -> str:
        """Return what it does, in words."""
        how = f"{self.k}" if self.k else "the best number of"
        return (
            f"mixed with the mean latents of {how} nearest training images, in the share that "
            "predicts held-out training latents best"
        )


def _nearest(bank: Targets, predicted: Targets, own: np.ndarray | None) -> np.ndarray:
    """Return the rows of the bank by their nearness to each prediction, nearest first.

    (n_rows, n), n the most of `CANDIDATES`; ``own`` are rows that a prediction must not find.
    """
    running = RunningCorrelation()
    for (_, known), (_, values) in zip(bank.blocks(), predicted.blocks(), strict=True):
        mean = known.mean(axis=0, dtype=np.float64).astype(np.float32)
        running.add(known - mean, values - mean)
    table = running.table().T
    if own is not None:
        table[np.arange(len(own)), own] = -np.inf
    possible = table.shape[1] - (own is not None)
    return np.argsort(-table, axis=1, kind="stable")[:, : max(1, min(max(CANDIDATES), possible))]


def _means(bank: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the mean of some rows of the bank for each prediction, (n_rows, width)."""
    out = np.zeros((len(rows), bank.shape[1]), np.float32)
    for column in rows.T:  # one neighbour of each at a time: no (rows, k, width) in memory
        out += bank[column]
    return out / np.float32(rows.shape[1])


def _share(along: float, square: float) -> float:
    return float(np.clip(along / square, 0.0, 1.0)) if square > 0 else 0.0


def _gain(along: np.ndarray, square: np.ndarray) -> float:
    """Return by how much the squared error falls, in folds whose share the others have learned."""
    fold = np.arange(len(along)) % min(FOLDS, len(along))
    gain = 0.0
    for k in range(int(fold.max(initial=0)) + 1):
        rest, mine = fold != k, fold == k
        share = _share(along[rest].sum(), square[rest].sum())
        gain += float((2 * share * along[mine] - share**2 * square[mine]).sum())
    return gain
