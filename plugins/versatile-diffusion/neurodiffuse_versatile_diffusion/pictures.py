"""Pictures as the autoencoder takes them and gives them."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def network_input(picture: np.ndarray, size: int) -> Tensor:
    """Return a picture, uint8 (height, width, 3), as float32 (1, 3, size, size) in -1 … 1.

    Enlarged by PIL's bicubic filter, as the reference does.
    """
    large = Image.fromarray(np.ascontiguousarray(picture))
    if large.size != (size, size):
        large = large.resize((size, size), Image.Resampling.BICUBIC)
    values = torch.from_numpy(np.array(large, np.float32))
    return (values / 127.5 - 1).permute(2, 0, 1)[None].contiguous()


def painted(values: Tensor) -> np.ndarray:
    """Return what the autoencoder made, (n, 3, h, w) about -1 … 1, as uint8 (n, h, w, 3).

    Cut off, not rounded, as the reference does.
    """
    shown = ((values.float() + 1) / 2).clamp(0, 1).mul(255).to(torch.uint8)
    return shown.permute(0, 2, 3, 1).cpu().numpy()
