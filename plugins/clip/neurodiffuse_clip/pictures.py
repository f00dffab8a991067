"""Pictures as CLIP reads them.

Whole levels from 0 to 255 go in and nothing else: newer image processors divide pictures of
floats by 255 although they are between 0 and 1 already, which turns grey into black.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from neurodiffuse.errors import DataError

MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
"""Of the published model's training images, on a scale from 0 to 1."""

GREY = 127
"""The level of the picture that stands for no condition.

The reference's is 0 between -1 and 1, that is 127.5, and is cut off to a whole level.
"""


def prepared(images: Sequence[np.ndarray], size: int, resize: int) -> np.ndarray:
    """Return float32 (n, 3, size, size) of uint8 (height, width, 3) pictures of any size.

    Parameters
    ----------
    size
        What the network reads: the shorter side is brought to it (PIL bicubic), the centre cut.
    resize
        Brain-Diffuser's way: first squash to ``resize`` x ``resize`` (PIL bilinear), then see
        `as_reference`; 0 leaves both out.

    Raises
    ------
    DataError
        If a picture is not uint8 (height, width, 3).
    """
    pixels = np.stack([_centre(_picture(image, resize), size) for image in images])
    values = (pixels.astype(np.float32) / np.float32(255) - MEAN) / SPREAD
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def as_reference(pixels: np.ndarray) -> np.ndarray:
    """Return levels after Brain-Diffuser's way through floats from -1 to 1 and back.

    Single precision and cutting off make 63 dark levels one lower.
    """
    values = pixels.astype(np.float32) / np.float32(255) * 2 - 1
    levels: np.ndarray = ((values + 1) / 2 * np.float32(255)).astype(np.uint8)
    return levels


def _picture(image: np.ndarray, resize: int) -> Image.Image:
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(
            f"clip: an image is {image.dtype} {image.shape}; uint8 (height, width, 3) with "
            "levels from 0 to 255 is needed."
        )
    picture = Image.fromarray(image)
    if not resize:
        return picture
    squashed = picture.resize((resize, resize), Image.Resampling.BILINEAR)
    return Image.fromarray(as_reference(np.asarray(squashed)))


def _centre(picture: Image.Image, size: int) -> np.ndarray:
    """Return uint8 (size, size, 3): the shorter side brought to ``size``, the centre cut out."""
    width, height = picture.size
    short = min(width, height)
    if short != size:
        wide, high = (max(size, int(size * side / short)) for side in (width, height))
        picture = picture.resize((wide, high), Image.Resampling.BICUBIC)
        width, height = wide, high
    left, top = (width - size) // 2, (height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))
