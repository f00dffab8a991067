"""The optimiser of the denoiser's matrices: momentum whose singular values are made equal."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def orthogonal(stack: Tensor) -> Tensor:
    """Return matrices (k, m, n) with all singular values near one, by Newton-Schulz iteration.

    In single precision and many matrices at once: half precision is slow on processors.
    """
    turned = stack.shape[1] > stack.shape[2]
    x = stack.transpose(1, 2) if turned else stack
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if turned else x


class Muon(torch.optim.Optimizer):
    """Muon (Jordan et al. 2024) for matrices, with updates as large as AdamW's."""

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        decay: float = 0.01,
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every matrix."""
        for group in self.param_groups:
            shapes: dict[torch.Size, list[nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    shapes.setdefault(matrix.shape, []).append(matrix)
            for shape, alike in shapes.items():
                size = 0.2 * max(shape) ** 0.5
                steps = orthogonal(torch.stack([self._moved(m, group["momentum"]) for m in alike]))
                for matrix, update in zip(alike, steps, strict=True):
                    matrix.mul_(1 - group["lr"] * group["decay"])
                    matrix.add_(update, alpha=-group["lr"] * size)

    def _moved(self, matrix: nn.Parameter, momentum: float) -> Tensor:
        state = self.state[matrix]
        if "mean" not in state:
            state["mean"] = torch.zeros_like(matrix)
        assert matrix.grad is not None
        state["mean"].lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(state["mean"], momentum)
