"""Make tokens and latents as uncertain as ridge regression from noisy voxels makes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from neurodiffuse_demo.training.loop import device

KEPT = 256
"""Principal components in which values are made uncertain."""

CLEAN = 0.12
"""Share of pictures whose tokens stay as they are."""

USUAL = (0.25, 0.65)
"""Severities around those of ridge maps from simulated voxels whose noise is 0.4 to 0.8."""


class Ridge:
    """Blur values the way a ridge regression from noisy voxels blurs them.

    In the principal components of the training values, with variances v_j,

        c_j -> a_j c_j + sqrt(a_j (1 - a_j) v_j) e_j,   a_j = s_j v_j / (v_j + tau),

    which is how the prediction of a component relates to its true value when a share a_j of its
    variance is explained. The shares s_j differ between components, since some large ones are
    hardly in the voxels. Then each column's spread is restored, mostly in full, as rescaling does.
    """

    def __init__(self, values: Tensor) -> None:
        flat = values.flatten(1)
        self.shape = values.shape[1:]
        self.mean = flat.mean(0)
        _, lengths, basis = torch.linalg.svd(flat[:4000] - self.mean, full_matrices=False)
        kept = min(KEPT, len(lengths))
        self.variances = (lengths[:kept] ** 2 / min(len(flat), 4000)).to(device())
        self.basis = basis[:kept].to(device())
        self.mean = self.mean.to(device())
        self.spread = flat.std(0).to(device())

    def blur(self, values: Tensor, severity: Tensor, rng: torch.Generator) -> Tensor:
        """Return values blurred by 0 (all components left) to 1 (three left), one a picture."""
        n, kept = len(values), len(self.variances)
        draw: dict[str, Any] = {"generator": rng, "device": values.device}
        index = kept * (3 / kept) ** severity - 1
        least, spread = 0.4 + 0.6 * torch.rand(n, 1, **draw), torch.rand(n, kept, **draw)
        share = (least + (1 - least) * spread) * self.variances
        a = share / (self.variances + self.variances[index.long().clamp(0, kept - 1)][:, None])
        c = (values.flatten(1) - self.mean) @ self.basis.T
        noise = torch.randn(c.shape, **draw)
        blurred = a * c + (a * (1 - a) * self.variances).sqrt() * noise
        left = ((a * self.variances) @ self.basis**2).sqrt().clamp(min=1e-6)
        gain = (self.spread / left).clamp(max=5) ** (1 - torch.rand(n, 1, **draw) ** 2)
        gain = gain * (0.9 + 0.25 * torch.rand(n, 1, **draw))
        return (self.mean + gain * (blurred @ self.basis)).unflatten(1, self.shape)


def blurred(
    given: Mapping[str, Tensor], ridges: Mapping[str, Ridge], rng: torch.Generator
) -> dict[str, Tensor]:
    """Return tokens and latents of a batch as a decoder would give them, equally uncertain.

    Four pictures in five are blurred about as much as they are at the noise of usual simulated
    voxels, one in five anything from hardly to very much.
    """
    n = len(given["vision"])
    draw: dict[str, Any] = {"generator": rng, "device": device()}
    lot, wide = torch.rand(n, **draw), torch.rand(n, **draw)
    low, high = USUAL
    severity = torch.where(lot < 0.8, low + (high - low) * wide, wide)
    clean = (torch.rand(n, **draw) < CLEAN)[:, None, None]
    out = {}
    for name, values in given.items():
        jitter = (severity + 0.07 * torch.randn(n, **draw)).clamp(0, 1)
        out[name] = torch.where(clean, values, ridges[name].blur(values, jitter, rng))
    return out
