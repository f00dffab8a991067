"""The same operations on tensors of one device, numpy arrays in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from neurodiffuse.decoders.algebra import Multiply, Product
from neurodiffuse_torch import device_of, free_memory

SHARE = 0.8
"""Of the memory that is free: what blocks of targets are cut for."""

ROWS = 1024
"""Rows that are summed in float32 before they are summed in float64."""


class Tensors:
    """Operations on one device; `exactly` must be entered around them."""

    out_of_memory = torch.OutOfMemoryError

    def __init__(self, device: str) -> None:
        self.device = device_of(device)

    def free(self, memory: int | None) -> int:
        """Return the bytes that may be used: what is free, but no more than ``memory``."""
        free = free_memory(self.device)
        return free if memory is None else min(free, memory)

    @contextmanager
    def exactly(self) -> Iterator[None]:
        """Multiply float32 in float32, whatever else in this process may have set."""
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision("highest")
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_float32_matmul_precision(before)

    def gram(self, parts: Iterable[np.ndarray], size: int, dtype: Any, dual: bool) -> np.ndarray:
        """Return the sum of A A' or A' A."""
        kind = torch.from_numpy(np.empty(0, dtype)).dtype
        total = torch.zeros((size, size), dtype=kind, device=self.device)
        for part in parts:
            a = self._sent(part)
            total.addmm_(a, a.T) if dual else total.addmm_(a.T, a)
        return _fortran(total)

    def cholesky(self, matrix: np.ndarray) -> np.ndarray | None:
        """Return the lower factor, or None."""
        triangle, info = torch.linalg.cholesky_ex(self._sent(matrix.T))
        return None if int(info) else _fortran(triangle)

    def solve(self, triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return rows times the inverse of L L'."""
        upper = self._sent(triangle.T)  # L', as the memory of a Fortran array has it
        return self._in_halves(
            rows, lambda part: torch.cholesky_solve(self._sent(part).T, upper, upper=True).T
        )

    def eigenvectors(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues, ascending, and eigenvectors in columns."""
        values, vectors = torch.linalg.eigh(self._sent(matrix.T), UPLO="U")
        return values.cpu().numpy(), _fortran(vectors)

    def product(self, left: np.ndarray, memory: int | None) -> Product:
        """Return a function that multiplies targets with ``left``, which stays on the device."""
        return _Multiply(self, self._sent(left), memory)

    def multiplier(self, matrix: np.ndarray, memory: int | None) -> Multiply:
        """Return a function that multiplies with ``matrix``, which stays on the device."""
        kept = self._sent(matrix)
        each = sum(matrix.shape) * matrix.itemsize

        def multiply(columns: np.ndarray, turned: bool) -> np.ndarray:
            left, rows = kept.T if turned else kept, columns.T
            most = self.fitting(each, matrix.nbytes, memory)
            found = [
                self._in_halves(
                    rows[start : start + most], lambda part: (left @ self._sent(part.T)).T
                )
                for start in range(0, len(rows), most)
            ]
            return found[0].T if len(found) == 1 else np.concatenate(found).T

        return multiply

    def fitting(self, each: int, kept: int, memory: int | None) -> int:
        """Return how many columns of ``each`` bytes fit, ``kept`` bytes being there already."""
        room = SHARE * self.free(None)
        if memory is not None:
            room = min(room, memory - kept)
        return max(1, int(room // each))

    def _sent(self, array: np.ndarray) -> Tensor:
        return self.staged(array.shape, array.dtype, lambda values: np.copyto(values, array))

    def staged(
        self, shape: tuple[int, ...], dtype: Any, fill: Callable[[np.ndarray], None]
    ) -> Tensor:
        """Return a tensor on the device of what ``fill`` writes into an array.

        For CUDA it is in pinned memory, from where it is sent without another copy.
        """
        kind = torch.from_numpy(np.empty(0, dtype)).dtype
        host = torch.empty(shape, dtype=kind, pin_memory=self.device.type == "cuda")
        fill(host.numpy())
        return host.to(self.device)

    def _in_halves(self, rows: np.ndarray, compute: Callable[[np.ndarray], Tensor]) -> np.ndarray:
        """Return what is computed of rows, each half by itself where memory is short."""
        try:
            return compute(rows).cpu().numpy()
        except self.out_of_memory:
            if len(rows) < 2:
                raise
        self.let_go()
        middle = len(rows) // 2
        return np.concatenate([self._in_halves(p, compute) for p in (rows[:middle], rows[middle:])])

    def let_go(self) -> None:
        """Give back memory that torch keeps for itself."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


class _Multiply:
    """A `Product`: blocks of targets with rows that are on the device."""

    def __init__(self, tensors: Tensors, left: Tensor, memory: int | None) -> None:
        self._tensors, self._left = tensors, left
        self._memory, self._most = memory, 0

    def __call__(
        self, targets: np.ndarray, origin: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Multiply a block, as many columns at a time as fit."""
        width = targets.shape[1]
        out = np.empty((len(self._left), width), origin.dtype)
        total, square = np.empty(width), np.empty(width)
        start = 0
        self._most = self._most or self._fitting(targets, origin)
        while start < width:
            part = slice(start, min(start + self._most, width))
            try:
                out[:, part], total[part], square[part] = self._multiply(
                    targets[:, part], origin[part]
                )
            except self._tensors.out_of_memory:
                if part.stop - part.start < 2:
                    raise
                self._most = (part.stop - part.start) // 2
                self._tensors.let_go()
            else:
                start = part.stop
        return out, total, square

    def _fitting(self, targets: np.ndarray, origin: np.ndarray) -> int:
        """Return how many columns fit: as stored, shifted and squared, and their products."""
        m, n = self._left.shape
        each = n * (targets.dtype.itemsize + 2 * origin.dtype.itemsize)
        each += 2 * m * origin.dtype.itemsize
        return self._tensors.fitting(each, self._left.nbytes, self._memory)

    def _multiply(
        self, targets: np.ndarray, origin: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        stored = np.float16 if targets.dtype == np.float16 else origin.dtype

        def fill(values: np.ndarray) -> None:
            np.copyto(values, targets, casting="same_kind")

        sent = self._tensors.staged(targets.shape, stored, fill)
        shifted = sent.to(self._left.dtype)
        shifted -= torch.from_numpy(origin).to(self._left.device)
        out = (self._left @ shifted).cpu().numpy()
        total = _column_sums(shifted)
        return out, total, _column_sums(shifted.square_())


def _column_sums(values: Tensor) -> np.ndarray:
    """Return sums over rows, float64: not every device has it, so stretches are summed here."""
    sums = torch.stack([part.sum(dim=0) for part in values.split(ROWS)])
    return np.asarray(sums.cpu().numpy().sum(axis=0, dtype=np.float64))


def _fortran(matrix: Tensor) -> np.ndarray:
    """Return a matrix in Fortran order, as LAPACK reads it."""
    return matrix.T.contiguous().cpu().numpy().T
