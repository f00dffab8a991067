"""Predict targets block by block: the targets are read once and never all in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from neurodiffuse.decoders.algebra import BLAS, Algebra, Product
from neurodiffuse.decoders.columns import CONSTANT, few_rows
from neurodiffuse.decoders.tiles import take_off
from neurodiffuse.errors import DataError
from neurodiffuse.types import Block, Moments

Blocks = Iterable[tuple[slice, np.ndarray]]
"""``(columns, targets (n, width))`` for each block of target columns, any real type."""


@dataclass(frozen=True, eq=False)
class Hats:
    """Hat matrices of several penalties, and which of them predicts each target.

    ``matrices`` are (m, n) each; ``choice`` intp (t,) are indices into them.
    """

    matrices: tuple[np.ndarray, ...]
    choice: np.ndarray


Multiplied = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""left @ (Y - mean) (m, width), and of Y mean and sd (ddof 0), float64, and constancy, (width,)."""


class Multiplier:
    """Multiplies blocks of targets with ``left`` (m, n), which is sent to the device once.

    One pass: targets are shifted by their first row, which costs no precision however far their
    mean is from 0, and what the shift leaves over is taken off at the end.
    """

    def __init__(self, left: np.ndarray, algebra: Algebra) -> None:
        self.rows, self._n = left.shape
        self.dtype = np.result_type(left.dtype, np.float32)
        left = np.asarray(left, self.dtype)
        self._sums = left.sum(axis=1, dtype=np.float64)
        self._algebra, self._left = algebra, left
        self._product: Product | None = None

    def __call__(self, targets: np.ndarray) -> Multiplied:
        """Multiply one block, (n, width) of any real type.

        Raises
        ------
        DataError
            If there is nothing to multiply or the rows do not agree.
        """
        n, width = targets.shape
        if 0 in (self.rows, self._n, n, width):
            raise DataError(
                f"ridge: {(self.rows, self._n)} rows to predict with for {targets.shape} targets; "
                "none is empty."
            )
        if self._n != n:
            raise DataError(
                f"ridge: targets of {n} rows for betas of {self._n} images; they must agree."
            )
        self._product = self._product or self._algebra.product(self._left)
        first = np.asarray(targets[0], self.dtype)
        out, total, square = self._product(targets, first)
        take_off(out, self._sums.astype(self.dtype), (total / n).astype(self.dtype))
        mean = first + total / n
        sd = np.sqrt(np.maximum(square / n - (total / n) ** 2, 0.0))
        constant = sd <= CONSTANT * np.abs(mean)
        return out, mean, np.where(constant, 0.0, sd), constant


class Placed:
    """Rows that predict, where they are multiplied with targets: on a device they stay there."""

    def __init__(self, rows: np.ndarray | Hats, algebra: Algebra) -> None:
        self.choice = rows.choice if isinstance(rows, Hats) else None
        matrices = rows.matrices if isinstance(rows, Hats) else (rows,)
        self._products = tuple(Multiplier(matrix, algebra) for matrix in matrices)

    def times(self, columns: slice, targets: np.ndarray) -> Multiplied:
        """Return what `Multiplier` does of a block, each target's with its own matrix."""
        if self.choice is None:
            return self._products[0](targets)
        choice, width = self.choice[columns], targets.shape[1]
        out = np.empty((self._products[0].rows, width), self._products[0].dtype)
        mean, sd, constant = np.empty(width), np.empty(width), np.empty(width, bool)
        for k in np.unique(choice):
            mine = np.flatnonzero(choice == k)
            multiply = self._products[k]
            part = multiply(np.take(targets, mine, axis=1))  # ten times faster than an index
            out[:, mine], mean[mine], sd[mine], constant[mine] = part
        return out, mean, sd, constant


def placed(rows: np.ndarray | Hats, algebra: Algebra) -> Placed:
    """Return rows for `predict_blocks`, to be multiplied with an `Algebra`; they are sent once."""
    return Placed(rows, algebra)


@dataclass(frozen=True, eq=False)
class Predicted:
    """Predictions of one block of targets.

    ``deviation`` (m, width) is prediction less ``mean``, kept apart because float32 could not
    hold a small one on top of a large mean; ``mean`` and ``sd`` (ddof 0) are those of the
    training targets, float64 (width,); ``constant`` bool (width,) marks targets without
    variance, predicted by their mean exactly.
    """

    columns: slice
    deviation: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    constant: np.ndarray

    @cached_property
    def values(self) -> np.ndarray:
        """The predictions (m, width)."""
        out = np.empty_like(self.deviation)
        for part in few_rows(len(out)):
            out[part] = self.deviation[part] + self.mean
        return out

    def block(self, patterns: int, *, intercept: bool = True) -> Block:
        """Return the first rows as predictions of patterns, the others as left-out rows."""
        return Block(
            self.columns,
            self.deviation[:patterns],
            self.mean if intercept else np.zeros_like(self.mean),
            self.deviation[patterns:] if len(self.deviation) > patterns else None,
            Moments(self.mean, self.sd, self.constant),
        )


def above(rows: np.ndarray | Hats, others: np.ndarray | Hats) -> np.ndarray | Hats:
    """Return rows and, below them, others that predict the same targets."""
    if isinstance(rows, Hats) and isinstance(others, Hats):
        pairs = zip(rows.matrices, others.matrices, strict=True)
        return Hats(tuple(np.vstack(pair) for pair in pairs), rows.choice)
    if isinstance(rows, Hats) or isinstance(others, Hats):
        raise DataError("ridge: rows of one penalty do not fit those of several.")
    return np.vstack([rows, others])


def predict_blocks(hat: np.ndarray | Hats | Placed, blocks: Blocks) -> Iterator[Predicted]:
    """Yield the predictions of each block of targets.

    Parameters
    ----------
    hat
        (m, n): rows of `hat` and `leave_out_hat`, stacked as one likes; each predicts with one
        row of the result, ``hat @ (Y - mean) + mean``. Targets of different penalties: `Hats`.
        On another device: `placed`.
    blocks
        The training targets; float16 is multiplied as float32.

    Raises
    ------
    DataError
        If a block has not n rows.
    """
    rows = hat if isinstance(hat, Placed) else Placed(hat, BLAS)
    for columns, targets in blocks:
        deviation, mean, sd, constant = rows.times(columns, targets)
        deviation[:, constant] = 0.0
        yield Predicted(columns, deviation, mean, sd, constant)
