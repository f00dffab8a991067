"""Which training rows are left out together, and which of them that counts for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import DataError


@dataclass(frozen=True, eq=False)
class Fold:
    """Rows ``out``, ascending, that do not predict one another; of those ``counted`` are asked for.

    ``counted`` are places in ``out``.
    """

    out: np.ndarray
    counted: np.ndarray

    @property
    def rows(self) -> np.ndarray:
        """The rows that are asked for."""
        return np.asarray(self.out[self.counted])


def folds(labels: np.ndarray, images: np.ndarray | None = None) -> list[Fold]:
    """Return a fold for each label; every row is counted once.

    Parameters
    ----------
    labels
        One for each training row: rows of a label are left out together.
    images
        The image of each row, if some share one. A row is never predicted from others of its
        image, so that these are left out too, and count where their own label is.

    Raises
    ------
    DataError
        If leaving out a fold leaves nothing.
    """
    counted = _members(labels)
    if images is None:
        out = counted
    else:
        shared = np.unique(images, return_inverse=True)[1]
        same = _members(images)
        out = [np.sort(np.concatenate([same[k] for k in np.unique(shared[r])])) for r in counted]
    if any(len(rows) == len(labels) for rows in out):
        raise DataError("ridge: leaving out all training rows leaves nothing to predict from.")
    return [
        Fold(rows, np.searchsorted(rows, asked)) for rows, asked in zip(out, counted, strict=True)
    ]


def whole_folds(found: list[Fold], most: int) -> list[Fold]:
    """Return folds, evenly spaced, that ask for about ``most`` rows in all, and one at least."""
    total = sum(len(fold.counted) for fold in found)
    if total <= most:
        return found
    few = max(1, int(len(found) * most / total))
    return [found[k] for k in np.unique(np.linspace(0, len(found) - 1, few).round().astype(int))]


def batches(found: list[Fold], most: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows (n_folds, size) of folds of equal size, and whether each is counted.

    They are some ``most`` rows in all, more where a single fold is larger.
    """
    sizes = np.array([len(fold.out) for fold in found])
    for size in np.unique(sizes):
        same = [fold for fold in found if len(fold.out) == size]
        step = max(1, most // int(size))
        for start in range(0, len(same), step):
            part = same[start : start + step]
            counted = np.zeros((len(part), size), bool)
            for flags, fold in zip(counted, part, strict=True):
                flags[fold.counted] = True
            yield np.stack([fold.out for fold in part]), counted


def _members(labels: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each label, ascending."""
    order, numbers = np.argsort(labels, kind="stable"), np.unique(labels, return_inverse=True)[1]
    return np.split(order, np.cumsum(np.bincount(numbers))[:-1])
