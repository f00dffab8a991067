"""Inception v3 (Szegedy et al. 2016), with torchvision's names."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_metrics.networks.layers import FrozenNorm, pooled

Size = int | tuple[int, int]
Step = tuple[str, int, Size] | tuple[str, int, Size, int]
"""Name, channels, kernel and, unless it is 1, stride of a convolution."""


class Convolution(nn.Module):
    """Convolution, normalisation and ReLU."""

    def __init__(self, width: int, out: int, kernel: Size, stride: int = 1, pad: Size = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, kernel, stride, pad, bias=False)
        self.bn = FrozenNorm(out, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, out, height, width)."""
        return functional.relu(self.bn(self.conv(x)), inplace=True)


class Mixed(nn.Module):
    """Chains of convolutions beside a pooling, joined along the channels.

    Parameters
    ----------
    width
        Channels that come in.
    chains
        Each a sequence of steps; a step that is a list holds several that all follow the one
        before.
    pool
        Channels of the convolution after average pooling; 0 is max pooling with stride 2.
    """

    def __init__(
        self, width: int, chains: Sequence[Sequence[Step | list[Step]]], pool: int
    ) -> None:
        super().__init__()
        self.chains = [[_names(step) for step in chain] for chain in chains]
        for chain in chains:
            inner = width
            for step in chain:
                several = step if isinstance(step, list) else [step]
                for name, out, kernel, *stride in several:
                    self.add_module(name, _same(inner, out, kernel, *stride))
                    following = out
                inner = following
        self.branch_pool = Convolution(width, pool, 1) if pool else None

    def forward(self, x: Tensor) -> Tensor:
        """Return what all chains make of ``x``."""
        made: list[Tensor] = []
        for chain in self.chains:
            last = [x]
            for names in chain:
                last = [self.get_submodule(name)(last[0]) for name in names]
            made += last
        if self.branch_pool is None:
            return torch.cat([*made, functional.max_pool2d(x, 3, stride=2)], 1)
        return torch.cat(
            [*made, self.branch_pool(functional.avg_pool2d(x, 3, stride=1, padding=1))], 1
        )


class InceptionV3(nn.Module):
    """The 2048 features before the classifier, averaged over the picture.

    It takes pictures standardised for ImageNet, as torchvision's ``transform_input=True``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, pad=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = _five(192, 32)
        self.Mixed_5c = _five(256, 64)
        self.Mixed_5d = _five(288, 64)
        self.Mixed_6a = Mixed(288, ((("branch3x3", 384, 3, 2),), (*_double(), _reduced())), 0)
        self.Mixed_6b = _seven(128)
        self.Mixed_6c = _seven(160)
        self.Mixed_6d = _seven(160)
        self.Mixed_6e = _seven(192)
        self.Mixed_7a = _narrow()
        self.Mixed_7b = _wide(1280)
        self.Mixed_7c = _wide(2048)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 2048) of pictures (n, 3, height, width)."""
        spread = x.new_tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        mean = x.new_tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        x = x * (spread / 0.5) + (mean - 0.5) / 0.5
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = functional.max_pool2d(x, 3, stride=2)
        for name, block in self.named_children():
            if name.startswith("Mixed"):
                x = block(x)
        return pooled(x)


def _same(width: int, out: int, kernel: Size, stride: int = 1) -> Convolution:
    """Return a convolution that keeps the size, or one without padding if it has a stride."""
    high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
    pad = (high // 2, wide // 2) if stride == 1 else 0
    return Convolution(width, out, kernel, stride, pad)


def _names(step: Step | list[Step]) -> list[str]:
    return [one[0] for one in (step if isinstance(step, list) else [step])]


def _double() -> tuple[Step, Step]:
    return ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3)


def _reduced() -> Step:
    return ("branch3x3dbl_3", 96, 3, 2)


def _five(width: int, pool: int) -> Mixed:
    chains: list[list[Step | list[Step]]] = [
        [("branch1x1", 64, 1)],
        [("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)],
        [*_double(), ("branch3x3dbl_3", 96, 3)],
    ]
    return Mixed(width, chains, pool)


def _seven(inner: int) -> Mixed:
    row, column = (1, 7), (7, 1)
    chains: list[list[Step | list[Step]]] = [
        [("branch1x1", 192, 1)],
        [("branch7x7_1", inner, 1), ("branch7x7_2", inner, row), ("branch7x7_3", 192, column)],
        [
            ("branch7x7dbl_1", inner, 1),
            ("branch7x7dbl_2", inner, column),
            ("branch7x7dbl_3", inner, row),
            ("branch7x7dbl_4", inner, column),
            ("branch7x7dbl_5", 192, row),
        ],
    ]
    return Mixed(768, chains, 192)


def _narrow() -> Mixed:
    chains: list[list[Step | list[Step]]] = [
        [("branch3x3_1", 192, 1), ("branch3x3_2", 320, 3, 2)],
        [
            ("branch7x7x3_1", 192, 1),
            ("branch7x7x3_2", 192, (1, 7)),
            ("branch7x7x3_3", 192, (7, 1)),
            ("branch7x7x3_4", 192, 3, 2),
        ],
    ]
    return Mixed(768, chains, 0)


def _wide(width: int) -> Mixed:
    row, column = (1, 3), (3, 1)
    chains: list[list[Step | list[Step]]] = [
        [("branch1x1", 320, 1)],
        [("branch3x3_1", 384, 1), [("branch3x3_2a", 384, row), ("branch3x3_2b", 384, column)]],
        [
            ("branch3x3dbl_1", 448, 1),
            ("branch3x3dbl_2", 384, 3),
            [("branch3x3dbl_3a", 384, row), ("branch3x3dbl_3b", 384, column)],
        ],
    ]
    return Mixed(width, chains, 192)
