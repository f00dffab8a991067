"""Pictures inside the page: uint8 arrays as data URIs of bounded size."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

TINY = 128
"""Pictures up to this side are shown pixel by pixel, as they were made."""

LARGE, THUMBNAIL = 256, 96
"""Longest side of a picture in the grid and on the contact sheet."""

CONTACT_SHEET_MOST = 200
"""Images on a contact sheet: 200 thumbnails of four rows are about 4 MB of photographs."""


@dataclass(frozen=True)
class Picture:
    """A picture in the page: its address, its size in pixels, whether to show its pixels."""

    uri: str
    width: int
    height: int
    pixelated: bool


def data_uri(file: bytes, kind: str = "png") -> str:
    """Return an image file as a data URI."""
    return f"data:image/{kind};base64," + base64.b64encode(file).decode("ascii")


def png(figure: Any) -> bytes:
    """Return a matplotlib figure as PNG, the same bytes for the same figure."""
    file = io.BytesIO()
    figure.savefig(
        file, format="png", metadata={"Software": None}, facecolor=figure.get_facecolor()
    )
    return file.getvalue()


def picture(values: np.ndarray, side: int) -> Picture:
    """Return an image for the page, made smaller when its longest side exceeds ``side``.

    A picture that fits keeps every value (PNG). One that was made smaller has lost its pixels
    already and is stored as JPEG, a fifth of the size.

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
    file = io.BytesIO()
    if max(image.size) > side:
        image.thumbnail((side, side), Image.Resampling.LANCZOS)
        # no optimize: Pillow then reserves too little for noise and fails
        image.save(file, format="JPEG", quality=90, subsampling=0)
        return Picture(data_uri(file.getvalue(), "jpeg"), image.width, image.height, False)
    image.save(file, format="PNG")
    return Picture(data_uri(file.getvalue()), image.width, image.height, tiny)
