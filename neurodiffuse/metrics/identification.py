"""Two-way identification, and what chance would make of a table of scores."""

from __future__ import annotations

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.metrics.correlation import correlation_table

TIE = 1e-10
"""Correlations that differ by less are equal: their sums are rounded."""


def two_way_identification(table: np.ndarray, tie: float = TIE) -> np.ndarray:
    """Return how often each made image finds its own seen image among two, float64 (n,).

    For made image j the share of the other n-1 seen images that correlate less with it than
    its own does, a tie counting half::

        score[j] = (#{i : table[i, j] < table[j, j]} + #{i ≠ j : equal} / 2) / (n - 1)

    So a decoder that tells nothing apart has the 0.5 of chance. Made images are the columns; the
    same along rows is another number.

    Parameters
    ----------
    table
        (n, n), ``table[i, j]`` the correlation of seen i with made j (`correlation_table`).
    tie
        Correlations that differ by less are equal: their sums are rounded.

    Raises
    ------
    DataError
        The table is not square, or n is 1: there is no other image.

    References
    ----------
    Ozcelik & VanRullen 2023, section "Evaluation"; the published code's ``pairwise_corr``, and
    MindEye's ``two_way_identification``, compare strictly: there a tie is lost. Without ties the
    numbers are the same.
    """
    _check(table)
    own = np.diagonal(table)
    less = (table < own - tie).sum(axis=0)
    ties = (table <= own + tie).sum(axis=0) - less - 1  # without the own one
    return np.asarray((less + ties / 2) / (len(table) - 1), dtype=np.float64)


def identification_table(table: np.ndarray, tie: float = TIE) -> np.ndarray:
    """Return the score of made image j if seen image i were its own, float64 (n, n).

    The diagonal is `two_way_identification`; every shuffling of the pairs picks one entry in
    each column. ``tie`` as in `two_way_identification`.
    """
    worse, ties = ordered(table, tie)
    return (worse + ties / 2) / (len(table) - 1)


def ordered(table: np.ndarray, tie: float = TIE) -> tuple[np.ndarray, np.ndarray]:
    """Return how many others in its column are less than entry (i, j), and as much, (n, n)."""
    _check(table)
    worse, ties = np.empty(table.shape, int), np.empty(table.shape, int)
    for j in range(len(table)):
        column, ascending = table[:, j], np.sort(table[:, j])
        worse[:, j] = np.searchsorted(ascending, column - tie, side="left")
        ties[:, j] = np.searchsorted(ascending, column + tie, side="right") - worse[:, j] - 1
    return worse, ties


def identification_from_features(seen: np.ndarray, made: np.ndarray) -> np.ndarray:
    """Return two-way identification on features (n, …) of both, float64 (n,).

    A constant or non-finite feature vector of a made image correlates 0 with everything: all
    ties, score 0.5.
    """
    return two_way_identification(correlation_table(seen, made))


def permuted_means(table: np.ndarray, permutations: int, rng: np.random.Generator) -> np.ndarray:
    """Return the mean score under random re-pairings, float64 (permutations,).

    ``table[i, j]`` is the score of made j if seen i were its own; a permutation s gives
    ``mean_j table[s(j), j]``.
    """
    columns = np.arange(len(table))
    draws = (table[rng.permutation(len(table)), columns].mean() for _ in range(permutations))
    return np.fromiter(draws, dtype=np.float64, count=permutations)


def _check(table: np.ndarray) -> None:
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise DataError(f"identification: the table has shape {table.shape}, not (n, n).")
    if len(table) < 2:
        raise DataError(
            f"identification: {len(table)} test image; it takes two or more to be told apart. "
            "Add test images or leave this metric out."
        )
