"""Pearson correlation of images or features: row with row, and every row with every row."""

from __future__ import annotations

import numpy as np

from neurodiffuse.blas import one_thread_each
from neurodiffuse.errors import DataError

BLOCK = 4_000_000
"""How many float64 values of each side are held at a time (32 MB)."""

ROWS = 256
"""Rows of a table that one thread computes at a time."""

CONSTANT = 1e-12
"""A vector whose standard deviation is below this part of its mean counts as constant."""


def pixel_correlation(seen: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return the Pearson correlation of each pair over all its values, float64 (n,).

    Parameters
    ----------
    seen, made
        (n, …), of the same shape; any real type. They are read one pair at a time and not
        modified.

    Raises
    ------
    DataError
        The shapes differ or there is no pair.

    Notes
    -----
    PixCorr of Ozcelik & VanRullen 2023: all height × width × 3 values of a picture are one
    vector. Scaling (0-255 or 0-1) does not matter. Undefined correlations are 0.
    """
    a, b = _rows(seen, made)
    out = np.zeros(len(a))
    for i in range(len(a)):
        x, y = a[i].astype(np.float64), b[i].astype(np.float64)
        with np.errstate(invalid="ignore"):  # rows that are not finite are settled by _scale
            mean_x, mean_y = x.mean(), y.mean()
            x -= mean_x
            y -= mean_y
            # einsum, because the bits of a BLAS product depend on the number of threads
            of_x, of_y, of_both = (np.einsum("i,i", *pair) for pair in ((x, x), (y, y), (x, y)))
            scale = norms(of_x, mean_x, x.size) * norms(of_y, mean_y, y.size)
            out[i] = of_both / scale if np.isfinite(scale) else 0.0
    return np.clip(out, -1.0, 1.0)


def correlation_distance(seen: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return 1 minus the Pearson correlation of each pair, float64 (n,); lower is better.

    As ``scipy.spatial.distance.correlation``, except that undefined correlations give 1.
    """
    return 1.0 - pixel_correlation(seen, made)


def correlation_table(seen: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return the correlation of every seen row with every made row, float64 (n_seen, n_made).

    ``table[i, j]`` belongs to seen i and made j: the upper right quarter of
    ``numpy.corrcoef(seen, made)``, without the other three.

    Parameters
    ----------
    seen, made
        (n, …), the rows of the same shape; any real type, memory-mapped if you like. They are
        not modified.

    Raises
    ------
    DataError
        The rows' shapes differ or there is no row.

    Notes
    -----
    The products are summed over blocks of features in float64, so that beside the table no
    more than 2 × 32 MB are in use whatever the number of features, and equal rows give equal
    correlations to about 1e-15. Undefined correlations are 0.
    """
    a, b = _rows(seen, made, same_number=False)
    products = np.zeros((len(a), len(b)))
    squares_a, squares_b = np.zeros(len(a)), np.zeros(len(b))
    width = max(1, BLOCK // max(len(a), len(b)))

    def add(rows: slice) -> None:
        with np.errstate(invalid="ignore"):
            products[rows] += x[rows] @ y.T

    with one_thread_each() as each, np.errstate(invalid="ignore"):
        mean_a = a.mean(axis=1, dtype=np.float64)
        mean_b = b.mean(axis=1, dtype=np.float64)
        for start in range(0, a.shape[1], width):
            x = a[:, start : start + width] - mean_a[:, None]
            y = b[:, start : start + width] - mean_b[:, None]
            each(add, [slice(row, row + ROWS) for row in range(0, len(a), ROWS)])
            squares_a += np.einsum("ij,ij->i", x, x)
            squares_b += np.einsum("ij,ij->i", y, y)
        products /= norms(squares_a, mean_a, a.shape[1])[:, None]
        products /= norms(squares_b, mean_b, b.shape[1])
    np.nan_to_num(products, copy=False, nan=0.0)
    return np.clip(products, -1.0, 1.0, out=products)


def norms(squares: np.ndarray, mean: np.ndarray, size: int) -> np.ndarray:
    """Return the norm of centred vectors; infinite where they are constant or not finite."""
    norm = np.sqrt(squares)
    constant = norm <= CONSTANT * np.abs(mean) * np.sqrt(size)
    return np.where(constant | ~np.isfinite(norm), np.inf, norm)


def _rows(
    seen: np.ndarray, made: np.ndarray, *, same_number: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return both as (n, d) without a copy, after checking that they fit."""
    first = 0 if same_number else 1
    if seen.ndim < 2 or made.ndim < 2 or seen.shape[first:] != made.shape[first:]:
        raise DataError(
            f"scores: what was seen has shape {seen.shape}, what was made {made.shape}; "
            "they must have the same shape (n, …)."
        )
    if len(seen) == 0 or len(made) == 0 or seen[0].size == 0:
        raise DataError("scores: there is nothing to compare.")
    return seen.reshape(len(seen), -1), made.reshape(len(made), -1)
