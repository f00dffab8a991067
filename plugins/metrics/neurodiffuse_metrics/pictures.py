"""Pictures as a network wants them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from neurodiffuse_metrics.dialects import Scale, View


def batch(pictures: np.ndarray, view: View, scale: Scale) -> Tensor:
    """Return uint8 pictures (n, height, width, 3) as float32 (n, 3, side, side).

    ``scale`` is mean and standard deviation of red, green and blue, of values in 0-1.
    """
    shown = torch.stack([_shown(picture, view) for picture in pictures])
    mean, spread = (torch.tensor(values).view(3, 1, 1) for values in scale)
    return (shown - mean) / spread


def _shown(picture: np.ndarray, view: View) -> Tensor:
    if not view.first:
        return _values(_resized(picture, view))
    x = _values(picture)[None]
    for side in (view.first, view.side):
        if x.shape[-2:] != (side, side):
            size = (side, side)
            x = functional.interpolate(
                x, size, mode="bilinear", align_corners=False, antialias=False
            )
    return x[0]


def _resized(picture: np.ndarray, view: View) -> np.ndarray:
    image = Image.fromarray(np.ascontiguousarray(picture))
    filter_ = Image.Resampling[view.filter.upper()]
    if not view.crop:
        return np.asarray(image.resize((view.side, view.side), filter_))
    width, height = image.size
    short = min(width, height)
    size = (int(view.side * width / short), int(view.side * height / short))
    left, top = (round((length - view.side) / 2) for length in size)
    box = (left, top, left + view.side, top + view.side)
    return np.asarray(image.resize(size, filter_).crop(box))


def _values(picture: np.ndarray) -> Tensor:
    """Return uint8 (height, width, 3) as float32 (3, height, width) in 0-1."""
    return torch.from_numpy(np.moveaxis(picture, -1, 0).astype(np.float32) / 255)
