"""Stable Diffusion's autoencoder: pictures to latents of about unit variance, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

SCALE = 0.18215
"""What latents are multiplied with (v1-inference.yaml, ``scale_factor``)."""


def encoded(vae: Any, pictures: np.ndarray, noise: Tensor | None) -> Tensor:
    """Return latents, float32 (n, 4, h, w), of pictures, uint8 (n, height, width, 3).

    With ``noise``, standard normal of the latents' shape, they are a sample of the posterior,
    else its mean.
    """
    x = torch.from_numpy(pictures).to(vae.device).permute(0, 3, 1, 2)
    x = (x.to(vae.dtype) / 127.5 - 1).contiguous()
    with torch.inference_mode():
        found = vae.encode(x).latent_dist
        z = found.mean.float()
        if noise is not None:
            z = z + found.std.float() * noise.to(z.device)
    return SCALE * z


def decoded(vae: Any, z: Tensor) -> np.ndarray:
    """Return pictures, uint8 (n, height, width, 3), of latents; cut, not rounded, as published."""
    with torch.inference_mode():
        x = vae.decode((z / SCALE).to(vae.device, vae.dtype)).sample.float()
    values = (255 * ((x + 1) / 2).clamp(0, 1)).permute(0, 2, 3, 1)
    return values.cpu().numpy().astype(np.uint8)
