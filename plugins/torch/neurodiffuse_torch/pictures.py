"""Pictures, uint8 (n, height, width, 3): resized, and the seed that belongs to one."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image


def content_seed(picture: np.ndarray, seed: int) -> int:
    """Return the seed of a picture: a seed and its pixels, hashed to 63 bits."""
    said = f"{seed}/".encode() + np.ascontiguousarray(picture).tobytes()
    return int.from_bytes(hashlib.sha256(said).digest()[:8], "big") >> 1


def resized(
    pictures: np.ndarray, size: int, filter_: Image.Resampling = Image.Resampling.BICUBIC
) -> np.ndarray:
    """Return pictures at ``size`` x ``size`` pixels, by PIL; 0 leaves them as they are."""
    if size == 0 or pictures.shape[1:3] == (size, size):
        return pictures
    parts = [Image.fromarray(picture).resize((size, size), filter_) for picture in pictures]
    return np.stack([np.asarray(part) for part in parts])
