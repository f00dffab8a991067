"""Make pictures easier to see, as the paper does for its figures; raw pictures are kept.

Ozcelik & VanRullen 2023 stretch and equalise colour histograms in Figs 9 and 11, "for
visualization purposes", without saying how; here is how.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from skimage import exposure

Display = Literal["none", "stretch", "equalise"]

TAILS = (2.0, 98.0)
"""Percentiles that become black and white."""


def shown(values: np.ndarray, display: Display) -> np.ndarray:
    """Return pictures for display, uint8 (n, height, width, 3).

    ``stretch`` maps the 2nd and the 98th percentile of each colour channel of each picture to 0
    and 255. ``equalise`` gives each channel of each picture a flat histogram
    (`skimage.exposure.equalize_hist`). A channel of one value is left as it is.
    """
    if display == "none":
        return values
    out = values.copy()
    for picture in out:
        for channel in range(3):
            plane = picture[..., channel]
            picture[..., channel] = _stretched(plane) if display == "stretch" else _equal(plane)
    return out


def _stretched(plane: np.ndarray) -> np.ndarray:
    low, high = np.percentile(plane, TAILS)
    if low == high:
        return plane
    return np.asarray(exposure.rescale_intensity(plane, (low, high), (0, 255)).astype(np.uint8))


def _equal(plane: np.ndarray) -> np.ndarray:
    if plane.min() == plane.max():
        return plane
    return np.asarray((exposure.equalize_hist(plane) * 255).round().astype(np.uint8))
