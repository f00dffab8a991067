"""Pictures inside the page: uint8 arrays as PNG data URIs of bounded size."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

TINY = 128
"""Pictures up to this side are shown pixel by pixel, as they were made."""

LARGE, THUMBNAIL = 256, 96
"""Longest side of a picture in the grid and on the contact sheet."""

CONTACT_SHEET_MOST = 200
"""Images on a contact sheet: 200 thumbnails of three stages stay below about 15 MB."""


@dataclass(frozen=True)
class Picture:
    """A picture in the page: its address, its size in pixels, whether to show its pixels."""

    uri: str
    width: int
    height: int
    pixelated: bool


def png_uri(png: bytes) -> str:
    """Return a PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def picture(values: np.ndarray, side: int) -> Picture:
    """Return an image for the page, made smaller when its longest side exceeds ``side``.

    Parameters
    ----------
    values
        uint8 (height, width, 3), (height, width, 1) or (height, width).
    side
        Longest side in pixels; smaller pictures keep every pixel.
    """
    array = np.asarray(values)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    image = Image.fromarray(np.ascontiguousarray(array, dtype=np.uint8)).convert("RGB")
    tiny = max(image.size) <= TINY
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, format="PNG")
    return Picture(png_uri(file.getvalue()), image.width, image.height, tiny)
