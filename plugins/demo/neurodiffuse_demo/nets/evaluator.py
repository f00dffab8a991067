"""The independent evaluator: a plain convolutional network that never guided anything."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

FEATURES = 128


class Evaluator(nn.Module):
    """Images (n, 3, 64, 64) in -1..1 to a score for each category."""

    def __init__(self, categories: int) -> None:
        super().__init__()
        widths = (3, 24, 48, 96, FEATURES)
        layers: list[nn.Module] = []
        for given, wide in pairwise(widths):
            layers += [
                nn.Conv2d(given, wide, 3, padding=1, bias=False),
                nn.BatchNorm2d(wide),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
        self.trunk = nn.Sequential(*layers)
        self.score = nn.Linear(FEATURES, categories)

    def features(self, x: Tensor) -> Tensor:
        """Return (n, 128): the strongest response of each channel anywhere."""
        return self.trunk(x).amax(dim=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return a score for each category, above 0 where it is likely present."""
        return self.score(self.features(x))
