"""Train the hierarchical autoencoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurodiffuse_demo.nets.vae import Vae
from neurodiffuse_demo.shapes import LAYERS, REGRESSED
from neurodiffuse_demo.training.loop import Course, device
from neurodiffuse_demo.training.scenes import Scenes

SCALE = 0.09
"""Scale of the logistic likelihood of a pixel in -1..1."""

WEIGHTS = {1: 0.5, 4: 0.5, 8: 0.7, 16: 3.0}
"""Weight of the divergence by resolution: dear where it is not regressed."""


def pixels(images: np.ndarray) -> Tensor:
    """Return uint8 (n, 64, 64, 3) as float (n, 3, 64, 64) in -1..1."""
    array = np.ascontiguousarray(np.moveaxis(images, -1, 1))
    return torch.from_numpy(array).to(device()).float() / 127.5 - 1


def course(scenes: Scenes, *, steps: int, batch: int = 32, rate: float = 1.5e-3) -> Course:
    """Return the course: every second batch decodes the lower layers from the prior."""
    torch.manual_seed(1)
    model = Vae().to(device())
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.95), weight_decay=0.01)
    weights = [WEIGHTS[resolution] for resolution, _ in LAYERS]

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([11, step])
        x = pixels(scenes.images[np.sort(rng.integers(len(scenes), size=batch))])
        truncate = step % 2 == 0
        made, divergences = model(x, truncate=truncate, t=float(rng.uniform(0, 0.7)))
        gap = (x - made) / SCALE
        likely = (gap + 2 * functional.softplus(-gap)).sum(dim=(1, 2, 3))
        kl = torch.stack([w * d for w, d in zip(weights, divergences, strict=False)]).sum(0)
        share = min(1.0, 0.1 + step / 400)
        with torch.no_grad():
            nats = torch.stack(divergences[:REGRESSED]).sum(0).mean().item()
            error = functional.mse_loss(made, x).item()
        kind = "truncated" if truncate else "whole"
        return (likely + share * kl).mean() / x[0].numel(), {
            f"2mse-{kind}": 2 * error,
            "nats": nats,
        }

    return Course("vae", model, loss, (optimiser,), steps)
