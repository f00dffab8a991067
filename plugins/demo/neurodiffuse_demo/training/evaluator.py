"""Train the independent evaluator on scenes of its own, made worse in many ways."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from neurodiffuse.simulate.scenes import CATEGORIES
from neurodiffuse_demo.nets.evaluator import Evaluator
from neurodiffuse_demo.training.loop import Course, device
from neurodiffuse_demo.training.scenes import Scenes
from neurodiffuse_demo.training.vae import pixels


def course(scenes: Scenes, *, steps: int, batch: int = 64, rate: float = 3e-3) -> Course:
    """Return the course: which categories are in the picture."""
    torch.manual_seed(4)
    model = Evaluator(len(CATEGORIES)).to(device())
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.02)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([14, step])
        rows = np.sort(rng.integers(len(scenes), size=batch))
        scores = model(worse(pixels(scenes.images[rows]), rng))
        present = torch.from_numpy(scenes.present[rows]).to(device())
        right = ((scores > 0) == present).float().mean().item()
        return functional.binary_cross_entropy_with_logits(scores, present.float()), {
            "right": right
        }

    return Course("evaluator", model, loss, (optimiser,), steps, average=0.99)


def worse(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images with other colours, blur, noise and a shift, each by chance."""
    n = len(x)
    draw = lambda *shape: torch.from_numpy(rng.uniform(-1, 1, shape)).float().to(x.device)  # noqa: E731
    x = x * (1 + 0.3 * draw(n, 3, 1, 1)) + 0.25 * draw(n, 3, 1, 1)
    if rng.random() < 0.5:
        small = functional.avg_pool2d(x, int(rng.integers(2, 4)))
        x = functional.interpolate(small, size=x.shape[-2:], mode="bilinear", align_corners=False)
    x = torch.roll(x, (int(rng.integers(-5, 6)), int(rng.integers(-5, 6))), (2, 3))
    noise = torch.from_numpy(rng.standard_normal(x.shape)).float().to(x.device)
    return x + noise * 0.35 * draw(n, 1, 1, 1).abs()
