"""Which test images the page shows first: chosen by a rule that is printed, never by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from neurodiffuse.report.model import ScoreRow


@dataclass(frozen=True)
class Group:
    """A block of the grid: its title and the rows of the images in it.

    A block without a title continues the one before it.
    """

    title: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """The blocks of the grid, and the rule that chose them in words.

    ``rank`` is each image's place from 1 (best) to n, empty when nothing ranks them.
    """

    groups: tuple[Group, ...]
    rule: str
    rank: tuple[int, ...] = ()


def mean_rank(scores: Sequence[ScoreRow], n: int) -> np.ndarray | None:
    """Return the mean over metrics of each image's rank, 1 being best.

    Parameters
    ----------
    scores
        Metrics with one value an image; those without values are left out.
    n
        Number of images.

    Returns
    -------
    numpy.ndarray or None
        float (n,); ties share their mean rank and a missing value ranks last. None when no
        metric has one value for each image.
    """
    usable = ranking_metrics(scores, n)
    if not usable:
        return None
    ranks = [rankdata(_badness(score)) for score in usable]
    return np.mean(ranks, axis=0)


def ranking_metrics(scores: Sequence[ScoreRow], n: int) -> list[ScoreRow]:
    """Return the scores that have one value for each of the n images."""
    return [s for s in scores if s.values is not None and len(s.values) == n]


def _badness(score: ScoreRow) -> np.ndarray:
    values = np.asarray(score.values, dtype=float)
    return np.nan_to_num(-values if score.higher_is_better else values, nan=np.inf, posinf=np.inf)


def grid_rows(
    scores: Sequence[ScoreRow], n: int, *, each: int = 4, first: int = 12
) -> tuple[Choice, Choice | None]:
    """Choose the images of the grid: the best, the median and the worst, then the first ones.

    Parameters
    ----------
    scores
        The metrics that rank the images, of one stage.
    n
        Number of test images.
    each
        Images in each of the three blocks.
    first
        Images of the second grid, taken in the order of the test set.

    Returns
    -------
    tuple of (Choice, Choice or None)
        The ranked grid (all images when they fit, in the order of the test set when no metric
        ranks them), and the first images when there are more than the ranked grid shows.
    """
    order = _best_to_worst(scores, n)
    if order is None:
        return _in_order(n, min(first, n), each), None
    rank = [0] * n
    for place, row in enumerate(order):
        rank[row] = place + 1
    ranked_by = _ranked_by(scores, n)
    if n <= 3 * each:
        title = "The only test image" if n == 1 else f"All {n} test images, best to worst"
        rule = "There is one test image, so nothing was chosen." if n == 1 else f"{ranked_by}."
        return Choice(_blocks(title, order, each), rule, tuple(rank)), None
    middle = (n - each) // 2
    groups = (
        Group("Best", tuple(order[:each])),
        Group("Median", tuple(order[middle : middle + each])),
        Group("Worst", tuple(order[n - each :])),
    )
    rule = (
        f"{ranked_by}: the {each} at the top, the {each} in the middle and the {each} at the "
        f"bottom of {n}."
    )
    return Choice(groups, rule, tuple(rank)), _in_order(n, min(first, n), each)


def _best_to_worst(scores: Sequence[ScoreRow], n: int) -> list[int] | None:
    ranks = mean_rank(scores, n)
    return None if ranks is None else [int(i) for i in np.argsort(ranks, kind="stable")]


def _ranked_by(scores: Sequence[ScoreRow], n: int) -> str:
    names = [score.metric for score in ranking_metrics(scores, n)]
    if len(names) == 1:
        return f"Ranked by {names[0]}"
    return f"Ranked by the mean of their ranks in {', '.join(names[:-1])} and {names[-1]}"


def _in_order(n: int, shown: int, each: int) -> Choice:
    title = "The only test image" if n == 1 else f"The first {shown} test images"
    if shown == n > 1:
        title = f"All {n} test images"
    return Choice(_blocks(title, range(shown), each), "In the order of the test set, unranked.")


def _blocks(title: str, rows: Sequence[int], each: int) -> tuple[Group, ...]:
    starts = range(0, len(rows), each)
    return tuple(Group("" if i else title, tuple(rows[i : i + each])) for i in starts)
