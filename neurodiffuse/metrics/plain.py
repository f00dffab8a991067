"""Pictures of one colour: what correlates with nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


def is_plain(picture: np.ndarray) -> bool:
    """Return whether all pixels of a picture, (height, width, 3), have one colour."""
    return bool((picture == picture[:1, :1]).all())


def count_plain(pictures: Iterable[np.ndarray]) -> int:
    """Return how many pictures are of one colour."""
    return sum(is_plain(picture) for picture in pictures)


def plain_in_words(pictures: Sequence[np.ndarray] | np.ndarray, what: str) -> str:
    """Return how many of the pictures, called ``what``, are of one colour; empty for none."""
    return in_words(count_plain(pictures), len(pictures), what)


def in_words(plain: int, of: int, what: str) -> str:
    """Return what it means that so many pictures are of one colour; empty for none."""
    if not plain:
        return ""
    return (
        f"{plain} of {of} {what} {'is' if plain == 1 else 'are'} of one colour. The correlation "
        "with a constant is undefined: PixCorr counts it as 0, two-way identification as a tie (a "
        "half)."
    )
