"""The large operations of ridge, and BLAS, which does them unless a device is there.

Another `Algebra` is handed to `gram`, and what is derived from that matrix uses it too; the
product with targets takes it with its rows (`neurodiffuse.decoders.ridge.placed`). Whoever hands
in none gets BLAS.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
from scipy import linalg
from scipy.linalg import blas, lapack

from neurodiffuse.decoders.tiles import room, shifted_product

Product = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]
"""Takes targets Y (n, width), of any real type, and an origin (width,), in the type of ``left``.
Returns ``left @ (Y - origin)`` (m, width) in that type, and the sums over rows of Y - origin and of
its squares, float64 (width,)."""

Multiply = Callable[[np.ndarray, bool], np.ndarray]
"""Takes columns in the type of a matrix (m, k) and returns the matrix times them, of (k, width),
or, where the second argument is True, its transpose times them, of (m, width)."""


class Algebra(ABC):
    """What ridge computes with. Arrays in and out are numpy's, float32 or float64.

    Results are as precise as the type: no TF32, no half precision. If the constructor of a class
    that a plugin registers names ``device`` or ``memory``, it is given the command line's.
    """

    device: str = "cpu"

    def there(self) -> bool:
        """Return whether this is to be used on this machine, in place of BLAS.

        Raises
        ------
        NeurodiffuseError
            If a device was asked for by name and cannot be used, in one line.
        """
        return True

    def plan(self, size: int, n: int, m: int) -> str:
        """Say in a phrase where ridge is computed and what of the device it needs.

        Parameters
        ----------
        size
            Rows of the Gram matrix.
        n, m
            Training rows, and rows that predict.

        Raises
        ------
        NeurodiffuseError
            If it does not fit.
        """
        return f"on {self.device}"

    @abstractmethod
    def gram(self, parts: Iterable[np.ndarray], size: int, dtype: Any, *, dual: bool) -> np.ndarray:
        """Return the sum over parts A of A A' (``dual``; A is (size, any)) or of A' A.

        (size, size) in Fortran order; only its lower triangle is used.
        """

    @abstractmethod
    def cholesky(self, matrix: np.ndarray) -> np.ndarray | None:
        """Return the lower factor of a symmetric matrix, None if it is not positive definite.

        Fortran order; what is above the diagonal is not used. The matrix, in Fortran order, may
        be written over.
        """

    @abstractmethod
    def solve(self, triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return ``rows`` (m, k) times the inverse of L L', of the lower factor L (k, k)."""

    @abstractmethod
    def eigenvectors(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues, ascending, and eigenvectors in columns of a symmetric matrix.

        The matrix, in Fortran order, may be written over.
        """

    @abstractmethod
    def product(self, left: np.ndarray) -> Product:
        """Return a function that multiplies targets with ``left`` (m, n), kept on the device."""

    def multiplier(self, matrix: np.ndarray) -> Multiply:
        """Return a function that multiplies with ``matrix`` (m, k), kept on the device.

        Unlike `product` it shifts and sums nothing; BLAS does it as it does any product.
        """
        return partial(_multiply, matrix)


class Blas(Algebra):
    """BLAS and LAPACK of this machine's processor, by measurement the fastest routine of each.

    ``syrk`` does half the work of a general product; ``potrf`` is several times faster than
    `numpy.linalg.cholesky`, ``syevd`` three times faster than the default driver.
    """

    def gram(self, parts: Iterable[np.ndarray], size: int, dtype: Any, *, dual: bool) -> np.ndarray:
        """Return the sum of A A' or A' A."""
        syrk = blas.get_blas_funcs("syrk", dtype=np.dtype(dtype))
        matrix = np.zeros((size, size), dtype, order="F")
        for part in parts:
            # The transpose of a C-ordered part is what Fortran reads without copying.
            matrix = syrk(1.0, part.T, beta=1.0, c=matrix, trans=int(dual), lower=1, overwrite_c=1)
        return matrix

    def cholesky(self, matrix: np.ndarray) -> np.ndarray | None:
        """Return the lower factor, or None."""
        potrf = lapack.get_lapack_funcs("potrf", dtype=matrix.dtype)
        triangle, info = potrf(matrix, lower=1, clean=0, overwrite_a=1)
        return triangle if info == 0 else None

    def solve(self, triangle: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return rows times the inverse of L L'."""
        potrs = lapack.get_lapack_funcs("potrs", dtype=triangle.dtype)
        solution, _ = potrs(triangle, rows.T, lower=1)
        return np.asarray(solution.T)

    def eigenvectors(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return eigenvalues and eigenvectors."""
        values, vectors = linalg.eigh(matrix, driver="evd", overwrite_a=True, check_finite=False)
        return values, vectors

    def product(self, left: np.ndarray) -> Product:
        """Return a function whose results have the same bits on any number of threads."""
        return partial(shifted_product, left, space=room())


def _multiply(matrix: np.ndarray, columns: np.ndarray, turned: bool) -> np.ndarray:
    return np.asarray((matrix.T if turned else matrix) @ columns)


BLAS = Blas()
"""What is used unless something else is handed in."""
