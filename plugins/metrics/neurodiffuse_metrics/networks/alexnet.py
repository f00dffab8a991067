"""AlexNet (Krizhevsky 2014), with torchvision's names."""

from __future__ import annotations

from torch import Tensor, nn

LAYERS = ("features.4", "features.5", "features.11", "features.12", "classifier.5")
"""Where features are read: after ReLU or pooling of convolutions 2 and 5, after ReLU of 7."""


class AlexNet(nn.Module):
    """Features of one layer, flattened.

    Parameters
    ----------
    layer
        One of `LAYERS`; later layers are not computed.
    """

    def __init__(self, layer: str) -> None:
        super().__init__()
        self.part, _, number = layer.partition(".")
        self.end = int(number) + 1
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, 1000),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, features) of pictures (n, 3, height, width)."""
        if self.part == "features":
            return self.features[: self.end](x).flatten(1)
        return self.classifier[: self.end](self.avgpool(self.features(x)).flatten(1))
