"""Ridge's large operations by torch. Importing this module imports no torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodiffuse.decoders.algebra import BLAS, Algebra, Multiply, Product
from neurodiffuse.errors import PluginError, RunError

if TYPE_CHECKING:
    from neurodiffuse_torch_ridge.tensors import Tensors

DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")
"""What a Linux machine has that has a driver for GPUs: NVIDIA, AMD, Windows' Linux."""

PART = 1024
"""Columns of betas that are on the device at a time, while the Gram matrix is formed."""


class TorchAlgebra(Algebra):
    """Gram matrix, factors, solutions and products with targets on a GPU.

    Arrays come and go; only rows that predict, and eigenvectors while penalties are chosen, stay
    there while targets stream. On MPS, which has
    no float64 and not all of LAPACK, the Gram matrix and products in float32 are computed there
    and everything else by BLAS.

    Parameters
    ----------
    device
        ``auto`` (a GPU if there is one), ``cuda``, ``cuda:1``, ``mps`` or ``cpu``.
    memory
        Bytes of the device to stay within; None is what is free.
    """

    def __init__(self, device: str = "auto", memory: int | None = None) -> None:
        self.device = device
        self.memory = memory

    def there(self) -> bool:
        """Return whether there is a GPU, without importing torch where no driver is.

        Raises
        ------
        ConfigError
            If a device of another name or one that is absent was asked for.
        PluginError
            If torch cannot be imported.
        """
        if self.device == "auto" and not _driver():
            return False
        return self._tensors.device.type != "cpu"

    def plan(self, size: int, n: int, m: int) -> str:
        """Say the device, what a Gram matrix of ``size`` rows needs on it, and what is free.

        Raises
        ------
        RunError
            If matrix and factor do not fit.
        """
        needed, free = self._needed(size, m, n), self._tensors.free(self.memory)
        name = self._tensors.device
        if needed > free:
            raise RunError(
                f"--device {name}: ridge needs {_words(needed)} on it and {_words(free)} are "
                "free. Free the device, decode from fewer voxels or images, or give --device cpu."
            )
        return f"on {name}, float32 without TF32: {_words(needed)} of {_words(free)} free"

    def gram(self, parts: Iterable[np.ndarray], size: int, dtype: Any, *, dual: bool) -> np.ndarray:
        """Return the sum of A A' or A' A, part by part."""
        if self._only_float32 and np.dtype(dtype) != np.float32:
            return BLAS.gram(parts, size, dtype, dual=dual)
        return self._told("the Gram matrix", lambda: self._tensors.gram(parts, size, dtype, dual))

    def cholesky(self, matrix: np.ndarray) -> np.ndarray | None:
        """Return the lower factor, or None."""
        if self._only_float32:
            return BLAS.cholesky(matrix)
        return self._told("a factor", lambda: self._tensors.cholesky(matrix))

    def solve(self, triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return rows times the inverse of L L'; half of them at a time where memory is short."""
        if self._only_float32:
            return BLAS.solve(triangle, rows)
        return self._told("a factor", lambda: self._tensors.solve(triangle, rows))

    def eigenvectors(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues and eigenvectors."""
        if self._only_float32:
            return BLAS.eigenvectors(matrix)
        return self._told("eigenvectors", lambda: self._tensors.eigenvectors(matrix))

    def product(self, left: np.ndarray) -> Product:
        """Return a function that multiplies; fewer columns at a time where memory is short."""
        if self._only_float32 and left.dtype != np.float32:
            return BLAS.product(left)
        multiply = self._told("rows that predict", lambda: self._tensors.product(left, self.memory))

        def told(targets: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, ...]:
            return self._told("targets", lambda: multiply(targets, origin))

        return told  # type: ignore[return-value]

    def multiplier(self, matrix: np.ndarray) -> Multiply:
        """Return a function that multiplies; fewer columns at a time where memory is short."""
        if self._only_float32 and matrix.dtype != np.float32:
            return BLAS.multiplier(matrix)
        multiply = self._told("eigenvectors", lambda: self._tensors.multiplier(matrix, self.memory))

        def told(columns: np.ndarray, turned: bool) -> np.ndarray:
            return np.asarray(self._told("targets", lambda: multiply(columns, turned)))

        return told

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings alone, which another process can use."""
        return {"device": self.device, "memory": self.memory}

    @property
    def _only_float32(self) -> bool:
        return self._tensors.device.type == "mps"

    @cached_property
    def _tensors(self) -> Tensors:
        try:
            from neurodiffuse_torch_ridge.tensors import Tensors
        except (ImportError, OSError) as error:  # a library of torch may be what is missing
            raise PluginError(
                f"--device {self.device}: torch cannot be imported ({error}). Install it again "
                "(pip install 'torch>=2.6'), or give --device cpu."
            ) from error
        return Tensors(self.device)

    def _needed(self, size: int, m: int, n: int) -> int:
        """Return bytes: Gram matrix, factor and a copy, the largest part, rows that predict."""
        return 4 * (3 * size * size + max(size, n) * PART + m * n)

    def _told(self, what: str, compute: Callable[[], Any]) -> Any:
        """Return what is computed; memory that is short is one line."""
        tensors = self._tensors
        try:
            with tensors.exactly():
                return compute()
        except tensors.out_of_memory as error:
            raise RunError(
                f"--device {tensors.device}: memory is short for {what}. Free the device, decode "
                "from fewer voxels or images, or give --device cpu."
            ) from error


def _driver() -> bool:
    return sys.platform != "linux" or any(Path(path).exists() for path in DRIVERS)


def _words(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
