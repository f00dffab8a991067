"""EfficientNet-B1 (Tan & Le 2019), with torchvision's names."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_metrics.networks.layers import FrozenNorm, pooled

STAGES = (
    # expansion, kernel, stride, channels, blocks: B0's blocks times 1.1, rounded up
    (1, 3, 1, 16, 2),
    (6, 3, 2, 24, 3),
    (6, 5, 2, 40, 3),
    (6, 3, 2, 80, 4),
    (6, 5, 1, 112, 4),
    (6, 5, 2, 192, 5),
    (6, 3, 1, 320, 2),
)


class SqueezeExcitation(nn.Module):
    """Weights channels by what the whole picture holds."""

    def __init__(self, width: int, squeezed: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(width, squeezed, 1), nn.Conv2d(squeezed, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` times one weight in 0-1 for each channel."""
        weights = self.fc2(functional.silu(self.fc1(x.mean(dim=(2, 3), keepdim=True))))
        return x * torch.sigmoid(weights)


class InvertedBottleneck(nn.Module):
    """Widens, filters each channel alone, weights channels and narrows again."""

    def __init__(self, width: int, out: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = width * expansion
        widen = [_convolution(width, inner, 1)] if expansion > 1 else []
        self.block = nn.Sequential(
            *widen,
            _convolution(inner, inner, kernel, stride, groups=inner),
            SqueezeExcitation(inner, width // 4),
            _convolution(inner, out, 1, active=False),
        )
        self.residual = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, out, height / stride, width / stride)."""
        return x + self.block(x) if self.residual else self.block(x)


class EfficientNetB1(nn.Module):
    """The 1280 features before the classifier, averaged over the picture."""

    def __init__(self) -> None:
        super().__init__()
        stages, width = [_convolution(3, 32, 3, 2)], 32
        for expansion, kernel, stride, out, count in STAGES:
            first = InvertedBottleneck(width, out, expansion, kernel, stride)
            rest = (InvertedBottleneck(out, out, expansion, kernel, 1) for _ in range(count - 1))
            stages.append(nn.Sequential(first, *rest))
            width = out
        self.features = nn.Sequential(*stages, _convolution(width, 1280, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 1280) of pictures (n, 3, height, width)."""
        return pooled(self.features(x))


def _convolution(
    width: int, out: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool = True
) -> nn.Sequential:
    convolution = nn.Conv2d(
        width, out, kernel, stride, padding=kernel // 2, groups=groups, bias=False
    )
    parts = [convolution, FrozenNorm(out)]
    return nn.Sequential(*parts, nn.SiLU(inplace=True)) if active else nn.Sequential(*parts)
