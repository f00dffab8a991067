"""The size at which pictures are scored: one of a recipe, whatever sizes the pictures have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from neurodiffuse.options import parameters

Size = tuple[int, int]
"""Height and width of a picture in pixels."""

Pictures = Sequence[np.ndarray] | np.ndarray
"""Pictures, uint8 (height, width, 3), of any sizes; or one array of all."""

SQUARE = 425
"""Side of pictures of many sizes for metrics that resize in a way of their own."""


def has_own_size(cls: type, options: Mapping[str, Any]) -> bool:
    """Return whether a metric with these options says itself at what size it compares.

    Its option ``dialect`` names one, or its option ``size`` is above 0; networks have a dialect.
    """
    known = parameters(cls)
    given = {name: options.get(name, known[name].default) for name in known}
    size = given.get("size", 0)
    return bool(given.get("dialect")) or (isinstance(size, int) and size > 0)


def at_size(pictures: Pictures, size: Size) -> np.ndarray:
    """Return pictures as one array, uint8 (n, height, width, 3), each resized by itself.

    Pillow's bicubic filter, antialiased when shrinking; what has the size is left as it is.
    """
    height, width = size
    if isinstance(pictures, np.ndarray) and pictures.shape[1:3] == size:
        return pictures
    out = np.empty((len(pictures), height, width, 3), np.uint8)
    for k in range(len(pictures)):
        picture = np.ascontiguousarray(pictures[k])
        if picture.shape[:2] != size:
            image = Image.fromarray(picture).resize((width, height), Image.Resampling.BICUBIC)
            picture = np.asarray(image)
        out[k] = picture
    return out


def stacked(pictures: Pictures) -> Pictures:
    """Return pictures as one array where all have one size, else as they are."""
    if isinstance(pictures, np.ndarray):
        return pictures
    first = pictures[0].shape
    values = np.empty((len(pictures), *first), np.uint8)
    for k in range(len(pictures)):
        if pictures[k].shape != first:
            return pictures
        values[k] = pictures[k]
    return values


def unresized(pictures: Pictures, own: int = 0) -> np.ndarray:
    """Return pictures for a metric that resizes them in its own way, as one array.

    As they are, where all have one size. Else each is brought by itself to the metric's ``own``
    side; where that is unknown, to the size of more than half of them, which keep theirs, or to
    a square of `SQUARE` pixels.
    """
    pictures = stacked(pictures)
    if isinstance(pictures, np.ndarray):
        return pictures
    if own:
        return at_size(pictures, (own, own))
    sizes = Counter(pictures[k].shape[:2] for k in range(len(pictures)))
    (most, count), *_ = sizes.most_common()
    return at_size(pictures, most if 2 * count > len(pictures) else (SQUARE, SQUARE))


def own_side(metric: object) -> int:
    """Return the side to which a metric itself resizes pictures; 0 where it does not say."""
    size = getattr(metric, "size", 0)
    return size if isinstance(size, int) else 0


def in_words(size: Size) -> str:
    """Return ``425 px`` of a square, else ``48 × 64 px``, height by width."""
    height, width = size
    return f"{height} px" if height == width else f"{height} × {width} px"
