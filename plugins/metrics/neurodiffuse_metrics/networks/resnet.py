"""ResNet-50 (He et al. 2016, stride in the 3 x 3 convolution), with torchvision's names."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_metrics.networks.layers import FrozenNorm, pooled


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 and 1 x 1 convolutions beside a short cut."""

    def __init__(self, width: int, inner: int, stride: int) -> None:
        super().__init__()
        outer = 4 * inner
        self.conv1, self.bn1 = nn.Conv2d(width, inner, 1, bias=False), FrozenNorm(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride=stride, padding=1, bias=False)
        self.bn2 = FrozenNorm(inner)
        self.conv3, self.bn3 = nn.Conv2d(inner, outer, 1, bias=False), FrozenNorm(outer)
        self.downsample = nn.Sequential()
        if stride > 1 or width != outer:
            shortcut = nn.Conv2d(width, outer, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(shortcut, FrozenNorm(outer))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 4 inner, height / stride, width / stride)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        return functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class ResNet50(nn.Module):
    """The 2048 features before the classifier, averaged over the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = FrozenNorm(64)
        self.layer1 = _blocks(64, 64, 3, stride=1)
        self.layer2 = _blocks(256, 128, 4, stride=2)
        self.layer3 = _blocks(512, 256, 6, stride=2)
        self.layer4 = _blocks(1024, 512, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, 2048) of pictures (n, 3, height, width)."""
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        return pooled(self.layer4(self.layer3(self.layer2(self.layer1(x)))))


def _blocks(width: int, inner: int, count: int, stride: int) -> nn.Sequential:
    rest = (Bottleneck(4 * inner, inner, 1) for _ in range(count - 1))
    return nn.Sequential(Bottleneck(width, inner, stride), *rest)
