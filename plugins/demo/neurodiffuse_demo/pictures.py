"""Pictures as the networks take them, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from neurodiffuse_demo.shapes import SIDE

if TYPE_CHECKING:
    from torch import Tensor


def network_input(image: np.ndarray) -> Tensor:
    """Return a picture, uint8 (height, width, 3), as float (1, 3, 64, 64) in -1..1.

    Other sizes are squashed to 64 by 64 with Pillow's bicubic filter.
    """
    import torch

    if image.shape[:2] != (SIDE, SIDE):
        small = Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        image = np.asarray(small)
    channels_first = np.ascontiguousarray(np.moveaxis(image, -1, 0))
    return torch.from_numpy(channels_first)[None].float() / 127.5 - 1


def picture(x: Tensor) -> np.ndarray:
    """Return one network output (1, 3, 64, 64) as uint8 (64, 64, 3)."""
    scaled = ((x[0].clamp(-1, 1) + 1) * 127.5).round()
    return np.moveaxis(scaled.numpy().astype(np.uint8), 0, -1)
