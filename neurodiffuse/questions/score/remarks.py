"""What a reader must know of the pictures that were scored."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from neurodiffuse.metrics.plain import count_plain, made_in_words, seen_in_words
from neurodiffuse.metrics.sizes import Pictures, Size
from neurodiffuse.report.wording import few_images


def remarks(seen: Pictures, made: Pictures, *, seen_in: Path, made_in: Path) -> tuple[str, ...]:
    """Return what applies: sentences on sizes, pictures of one colour, copies and their number."""
    found = (
        several_sizes(seen, seen_in),
        several_sizes(made, made_in),
        other_ratios(seen, made),
        made_in_words(count_plain(seen, made), len(made), "reconstructions"),
        seen_in_words(seen),
        copies(seen, made),
        few_images(len(made), "pair"),
    )
    return tuple(text for text in found if text)


def several_sizes(pictures: Pictures, folder: Path) -> str:
    """Return a remark where the pictures of a folder do not all have one size, else nothing."""
    sizes = Counter(one.shape[:2] for one in pictures)
    if len(sizes) == 1:
        return ""
    (most, count), *_ = sizes.most_common()
    if 2 * count > len(pictures):
        return (
            f"{len(pictures) - count} of {len(pictures)} pictures in {folder} have another size "
            f"than the {_pixels(most)} of most; pictures were resized one by one."
        )
    least, largest = (pick(sizes, key=lambda s: s[0] * s[1]) for pick in (min, max))
    return (
        f"The {len(pictures)} pictures in {folder} have {len(sizes)} sizes, {_pixels(least)} to "
        f"{_pixels(largest)}; they were resized one by one."
    )


def other_ratios(seen: Pictures, made: Pictures) -> str:
    """Return a remark where reconstructions are of another shape than what was seen."""
    other = [
        (b.shape[:2], a.shape[:2])
        for a, b in zip(seen, made, strict=True)
        if not _same_ratio(a.shape[:2], b.shape[:2])
    ]
    if not other:
        return ""
    one, was = other[0]
    return (
        f"{len(other)} of {len(made)} reconstructions have another ratio of width to height than "
        f"what was seen ({_pixels(one)} of {_pixels(was)}): they were stretched to fit. If they "
        "were cropped, crop what was seen in the same way."
    )


def copies(seen: Pictures, made: Pictures) -> str:
    """Return a remark where reconstructions are what was seen, pixel by pixel."""
    same = sum(
        a.shape == b.shape and bool(np.array_equal(a, b)) for a, b in zip(seen, made, strict=True)
    )
    if not same:
        return ""
    return (
        f"{same} of {len(made)} reconstructions are pixel by pixel what was seen; check that "
        "--recon holds reconstructions."
    )


def _same_ratio(one: Size, other: Size) -> bool:
    """Return whether one is the other at another size, but for less than a pixel of rounding."""
    least, largest = sorted((one, other), key=lambda size: size[0] * size[1])
    scale = largest[0] / least[0], largest[1] / least[1]
    return abs(least[0] * scale[1] - largest[0]) < max(scale) and (
        abs(least[1] * scale[0] - largest[1]) < max(scale)
    )


def _pixels(size: Size) -> str:
    return f"{size[1]} x {size[0]} pixels"
