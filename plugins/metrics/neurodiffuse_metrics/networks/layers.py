"""Parts that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FrozenNorm(nn.Module):
    """Batch normalisation with stored moments: (x - mean) / sqrt(variance + eps) * weight + bias.

    ``nn.BatchNorm2d`` also counts batches, which some published files hold and others do not.
    """

    def __init__(self, width: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        for name in ("weight", "bias", "running_mean", "running_var"):
            self.register_buffer(name, torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width, height, width) normalised channel by channel."""
        moments = (self.get_buffer("running_mean"), self.get_buffer("running_var"))
        scale = (self.get_buffer("weight"), self.get_buffer("bias"))
        return functional.batch_norm(x, *moments, *scale, training=False, eps=self.eps)


def pooled(x: Tensor) -> Tensor:
    """Return each channel's mean over the picture, (n, channels)."""
    return x.mean(dim=(2, 3))
