"""Pictures of one colour: what tells nothing of an image, and correlates with nothing if grey."""

from __future__ import annotations

import numpy as np

from neurodiffuse.metrics.sizes import Pictures

UNDEFINED = (
    "The correlation with one grey is undefined: PixCorr counts it as 0, two-way identification as "
    "ties (a half)."
)


def is_plain(picture: np.ndarray) -> bool:
    """Return whether all pixels of a picture, (height, width, 3), have one colour."""
    return bool((picture == picture[:1, :1]).all())


def count_plain(seen: Pictures, made: Pictures) -> int:
    """Return how many of the pictures made are of one colour where what was seen is not."""
    pairs = zip(seen, made, strict=True)
    return sum(is_plain(after) and not is_plain(before) for before, after in pairs)


def made_in_words(plain: int, of: int, what: str) -> str:
    """Return what it means that so many pictures made are of one colour; empty for none."""
    if not plain:
        return ""
    are = "is" if plain == 1 else "are"
    return f"{plain} of {of} {what} {are} of one colour, unlike what was seen. {UNDEFINED}"


def seen_in_words(seen: Pictures) -> str:
    """Return how many of the pictures seen are of one grey; empty for none."""
    grey = sum(bool((picture == picture.flat[0]).all()) for picture in seen)
    return f"{grey} of {len(seen)} pictures seen are of one grey. {UNDEFINED}" if grey else ""
