"""Top-k retrieval: whether a made picture finds its own seen one among n."""

from __future__ import annotations

import numpy as np
from scipy.stats import hypergeom

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.metrics.identification import TIE, ordered


def retrieval_table(
    table: np.ndarray, top: int = 1, among: int = 0, tie: float = TIE
) -> np.ndarray:
    """Return how likely made j finds seen i among the best ``top``, float64 (n, n).

    Parameters
    ----------
    table
        (n, n), ``table[i, j]`` the correlation of seen i with made j.
    top
        How many of the best count.
    among
        Number of candidates: the own one and others drawn at random without repetition; 0 is all.
    tie
        Correlations that differ by less are equal; the own one is then as likely in any place
        among its equals.

    Raises
    ------
    ConfigError
        There are not so many images, or more count than there are candidates.

    Notes
    -----
    No draw is made: of n - 1 others, m of which are ahead, a set of ``among`` - 1 holds fewer than
    ``top`` of these m with the hypergeometric probability. So this is the mean over all sets of
    candidates, and with ties over the m that are possible. Chance is top / among.
    """
    n = len(table)
    among = among or n
    if among > n:
        raise ConfigError(f"among: {among} candidates, and there are {n} test images.")
    if not 1 <= top <= among:
        raise ConfigError(f"top: {top} of {among} candidates; give 1 to {among}.")
    worse, ties = ordered(table, tie)
    found = hypergeom.cdf(top - 1, n - 1, np.arange(n), among - 1)
    ahead = n - 1 - worse - ties
    out = np.asarray(found[ahead], dtype=np.float64)
    for i, j in np.argwhere(ties > 0):
        out[i, j] = found[ahead[i, j] : n - worse[i, j]].mean()
    return out


def check_retrieval(top: int, among: int) -> None:
    """Raise `ConfigError` unless ``top`` of ``among`` (0: all) can be asked for."""
    whole = all(isinstance(v, int) and not isinstance(v, bool) for v in (top, among))
    if not whole or top < 1 or among < 0 or among == 1 or (among and top >= among):
        raise ConfigError(
            f"top {top!r} among {among!r}: give whole numbers, top 1 or more and fewer than "
            "among; among 0 is all."
        )


def retrieval(table: np.ndarray, top: int = 1, among: int = 0, tie: float = TIE) -> np.ndarray:
    """Return how likely each made picture finds its own among the best ``top``, float64 (n,).

    See `retrieval_table`.
    """
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise DataError(f"retrieval: the table has shape {table.shape}, not (n, n).")
    return retrieval_table(table, top, among, tie).diagonal().copy()
