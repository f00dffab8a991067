"""Pictures into the network and out of it."""

from __future__ import annotations

import numpy as np
from PIL import Image

from neurodiffuse.errors import DataError

SHIFT, SCALE = -115.92961967, 1 / 69.37404
"""Mean and spread of ImageNet at 64 x 64, as the published weights were trained."""


def squashed(image: np.ndarray, size: int, name: str) -> np.ndarray:
    """Return a picture at ``size`` x ``size`` pixels, uint8 (PIL bilinear, antialiased).

    Raises
    ------
    DataError
        If it is not uint8 (height, width, 3).
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"vdvae: image {name} is {image.dtype} {image.shape}; uint8 (height, width, 3) is "
            "needed."
        )
    small = Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(small)


def normalised(pixels: np.ndarray) -> np.ndarray:
    """Return float32 (n, 3, size, size) as the network was trained, of uint8 (n, size, size, 3)."""
    values = (pixels.astype(np.float32) + np.float32(SHIFT)) * np.float32(SCALE)
    return values.transpose(0, 3, 1, 2)
