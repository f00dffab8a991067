"""From mixtures of logistics to pixels.

Salimans et al. 2017, PixelCNN++, arXiv:1701.05517, section 2: the means of green and blue depend
on the values of the channels before them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Uniform = Callable[[Sequence[int]], Tensor]
"""Returns values (n_images, *shape) between 0 and 1."""

EDGE = 1e-5
"""Noise is kept this far from 0 and 1, whose logarithms are infinite."""

SHARPEST = -7.0
"""The least log scale."""


@dataclass(frozen=True)
class Mixture:
    """Parameters of each pixel's mixture; k components are on the last axis.

    ``logits`` (n, height, width, k); ``means``, ``log_scales``, ``coefficients``
    (n, height, width, 3, k).
    """

    logits: Tensor
    means: Tensor
    log_scales: Tensor
    coefficients: Tensor

    @classmethod
    def of(cls, output: Tensor) -> Mixture:
        """Take apart what the network returns, (n, height, width, 10 k)."""
        k = output.shape[-1] // 10
        logits, others = output.float().split([k, 9 * k], dim=-1)
        means, log_scales, coefficients = others.unflatten(-1, (3, 3 * k)).split(k, dim=-1)
        return cls(logits, means, log_scales.clamp(min=SHARPEST), coefficients.tanh())

    def sample(self, uniform: Uniform) -> Tensor:
        """Return a picture drawn from the mixtures, uint8 (n, height, width, 3).

        A component is drawn by its logits (Gumbel), then each channel from its logistic.
        Values are cut off to whole levels, as in the published network.
        """
        gumbel = -torch.log(-torch.log(_inside(uniform(self.logits.shape[1:]))))
        chosen = (
            (self.logits + gumbel).argmax(-1)[..., None, None].expand(*self.means.shape[:-1], 1)
        )
        means, log_scales, coefficients = (
            part.gather(-1, chosen).squeeze(-1)
            for part in (self.means, self.log_scales, self.coefficients)
        )
        u = _inside(uniform(means.shape[1:]))
        values = means + torch.exp(log_scales) * (torch.log(u) - torch.log(1 - u))
        return levels(_channels(values, coefficients))

    def mean(self) -> Tensor:
        """Return the weighted mean of the components' centres, uint8 (n, height, width, 3)."""
        weights = self.logits.softmax(-1)[..., None, :]
        centres = _channels(self.means.transpose(-1, -2), self.coefficients.transpose(-1, -2))
        return levels((weights * centres.transpose(-1, -2)).sum(-1) + 1 / 255)


def levels(values: Tensor) -> Tensor:
    """Return uint8 of values from -1 to 1, cut off to whole levels."""
    return ((values + 1) * 127.5).clamp(0, 255).to(torch.uint8)


def _channels(values: Tensor, coefficients: Tensor) -> Tensor:
    """Add to green and blue (last axis) what the channels before them tell, within -1 and 1."""
    red = values[..., 0].clamp(-1, 1)
    green = (values[..., 1] + coefficients[..., 0] * red).clamp(-1, 1)
    blue = values[..., 2] + coefficients[..., 1] * red + coefficients[..., 2] * green
    return torch.stack([red, green, blue.clamp(-1, 1)], dim=-1)


def _inside(values: Tensor) -> Tensor:
    return values * (1 - 2 * EDGE) + EDGE
