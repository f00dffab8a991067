"""The metrics. The constructors only store; networks are loaded when the first picture is seen."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.metrics import (
    TableMetric,
    check_retrieval,
    identification_table,
    permuted_means,
    retrieval_table,
)
from neurodiffuse.metrics.pictures import check_pair
from neurodiffuse.models import missing
from neurodiffuse.types import Download, Images, Model
from neurodiffuse_metrics import dialects, models
from neurodiffuse_metrics.dialects import Dialect, OnlyTakagi, TwoDialects, View

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor, nn

EXACT = {"enabled": True, "benchmark": False, "deterministic": True, "allow_tf32": False}
"""How convolutions run on a GPU: in full single precision, the same way each time."""

BATCH = 32
"""Pictures that a network is shown at a time, if memory allows."""


class NetworkMetric(TableMetric):
    """A metric on the correlation of a network's features.

    A subclass says which network by `network`, where it looks by `views`, and in `value` what a
    table of correlations is worth. ``each`` is the memory in bytes that one picture takes on the
    way through.
    """

    views: ClassVar[Mapping[str, View]]
    scale: ClassVar[dialects.Scale] = dialects.IMAGENET
    each: ClassVar[int]

    def __init__(self, dialect: str, weights: str, device: str, memory: int | None) -> None:
        super().__init__()
        if dialect not in self.views:
            raise ConfigError(
                f"dialect: {type(self).__name__} has no dialect {dialect!r}. "
                f"Possible: {', '.join(self.views)}."
            )
        self.dialect, self.weights = dialect, weights
        self.device, self.memory = device, memory
        self._loaded: Any = None
        self._kept: tuple[np.ndarray, Sequence[Images], np.ndarray] | None = None

    @property
    @abstractmethod
    def model(self) -> Model:
        """The published weights."""

    @abstractmethod
    def network(self) -> tuple[Callable[[Mapping[str, Tensor], Path], nn.Module], tuple[str, ...]]:
        """Return what builds the network for its tensors, and further names that it leaves out."""

    @abstractmethod
    def value(self, correlations: np.ndarray) -> np.ndarray:
        """Return the value of made j if seen i were its own, of their correlations (n, n)."""

    @property
    def view(self) -> View:
        """What the network sees in this dialect."""
        return self.views[self.dialect]

    def downloads(self) -> tuple[Download, ...]:
        """Return the weights if they are not here yet."""
        return missing(self.model, self.weights)

    def measured(self, seen: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the value of made j if seen i were its own."""
        return self.value(self.correlations(seen, made))

    def correlations(self, seen: np.ndarray, made: np.ndarray) -> np.ndarray:
        """Return the correlation of the features of seen i and made j, float64 (n, n).

        The features of what was seen are kept on disk; those of what was made pass by in batches.
        """
        from neurodiffuse_metrics import correlation, shelf, weights

        for what, pictures in (("seen", seen), ("made", made)):
            if pictures.ndim != 4 or pictures.shape[-1] != 3 or pictures.dtype != np.uint8:
                raise DataError(
                    f"scores: what was {what} is {pictures.dtype} of shape {pictures.shape}; "
                    "expected uint8 (n, height, width, 3)."
                )
        path = weights.file_of(self.model, self.weights)
        state = path.stat()
        about = (type(self).__name__, self.view, str(path), state.st_size, state.st_mtime_ns)
        known = shelf.kept(shelf.key(seen, *about), len(seen), lambda: self._units(seen))
        return correlation.table(known, self._units(made))

    def features(self, pictures: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the network's features of uint8 pictures, float32 (some, d), in order."""
        import torch

        from neurodiffuse_metrics.pictures import batch
        from neurodiffuse_torch import batch_size, batches

        network, device, held = self._ready()
        size = batch_size(self.each, device, memory=self.memory, fixed=held, most=BATCH)
        for part in batches(len(pictures), size):
            with torch.inference_mode(), torch.backends.cudnn.flags(**EXACT):
                x = batch(pictures[part], self.view, self.scale).to(device)
                found = network(x).float().cpu().numpy()
            yield found

    def _units(self, pictures: np.ndarray) -> Iterator[np.ndarray]:
        from neurodiffuse_metrics.correlation import unit_rows

        return (unit_rows(rows) for rows in self.features(pictures))

    def _ready(self) -> tuple[Any, Any, int]:
        """Return the network on its device, and the bytes of its weights."""
        from neurodiffuse_metrics import weights
        from neurodiffuse_torch import device_of

        if self._loaded is None:
            device = device_of(self.device)
            build, unused = self.network()
            path = weights.file_of(self.model, self.weights)
            network = weights.loaded(path, build, weights.UNUSED + unused).to(device)
            held = sum(tensor.nbytes for tensor in network.state_dict().values())
            self._loaded = (network, device, held)
        return self._loaded  # type: ignore[no-any-return]


class IdentificationMetric(NetworkMetric):
    """Two-way identification by the correlation of a network's features; chance is 0.5."""

    chance: float | None = 0.5
    bounds = (0.0, 1.0)

    def value(self, correlations: np.ndarray) -> np.ndarray:
        """Return the share of other pictures that correlate less; ties count half.

        For a made picture the other seen ones (columns); in the Takagi dialect for a seen
        picture the other made ones (rows).
        """
        from neurodiffuse_metrics.correlation import TIE

        if self.view.along == "made":
            return identification_table(correlations.T, TIE).T
        return identification_table(correlations, TIE)

    def compare_samples(self, seen: Images, samples: Sequence[Images]) -> np.ndarray:
        """Return the value of each seen picture and all that was made of it.

        In the Takagi dialect correlations are averaged over the samples, and seen pictures are
        identified by that; in others the values of the samples are averaged.
        """
        return self._sample_table(seen, samples).diagonal().copy()

    def null_samples(
        self, seen: Images, samples: Sequence[Images], rng: np.random.Generator
    ) -> np.ndarray:
        """Return the mean values of shuffled pairs."""
        return permuted_means(self._sample_table(seen, samples), self.permutations, rng)

    def _sample_table(self, seen: Images, samples: Sequence[Images]) -> np.ndarray:
        """Return the value of all that was made of j if seen i were its own; the last is kept."""
        if not (self._kept and self._kept[0] is seen.values and self._kept[1] is samples):
            first = self.dialect == "takagi"
            total = np.zeros((len(seen.ids), len(seen.ids)))
            for made in samples:
                check_pair(seen, made)
                found = self.correlations(seen.values, made.values)
                total += found if first else self.value(found)
            mean = total / len(samples)
            self._kept = (seen.values, samples, self.value(mean) if first else mean)
        return self._kept[2]


class DistanceMetric(NetworkMetric):
    """1 minus the correlation of a network's features; lower is better."""

    higher_is_better = False
    bounds = (0.0, 2.0)

    def value(self, correlations: np.ndarray) -> np.ndarray:
        """Return the distances."""
        return 1.0 - correlations


class AlexNetMetric(IdentificationMetric):
    """Identification by a layer of AlexNet."""

    each = 12 * 2**20

    @property
    def model(self) -> Model:
        """AlexNet of torchvision."""
        return models.ALEXNET

    def network(self) -> Any:
        """Return AlexNet up to the dialect's layer."""
        from neurodiffuse_metrics.networks.alexnet import AlexNet

        return (lambda _tensors, _path: AlexNet(self.view.layer)), ()


class AlexNet2(AlexNetMetric):
    """Two-way identification by AlexNet's second convolution.

    Parameters
    ----------
    dialect
        Whose evaluation: ``"brain-diffuser"``, ``"mindeye"`` or ``"takagi"``.
    weights
        A file or folder of one's own in place of the fetched weights.
    device
        Where the network runs: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    memory
        Bytes to stay within; None is what there is.
    """

    views = dialects.ALEXNET_2

    def __init__(
        self,
        dialect: Dialect = "brain-diffuser",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)


class AlexNet5(AlexNetMetric):
    """Two-way identification by AlexNet's fifth convolution; options as of `AlexNet2`."""

    views = dialects.ALEXNET_5

    def __init__(
        self,
        dialect: Dialect = "brain-diffuser",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)


class AlexNet7(AlexNetMetric):
    """Two-way identification by AlexNet's seventh layer, of the Takagi dialect only."""

    views = dialects.ALEXNET_7

    def __init__(
        self,
        dialect: OnlyTakagi = "takagi",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)


class Inception(IdentificationMetric):
    """Two-way identification by Inception v3's last features; options as of `AlexNet2`."""

    views = dialects.INCEPTION
    each = 40 * 2**20

    def __init__(
        self,
        dialect: Dialect = "brain-diffuser",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)

    @property
    def model(self) -> Model:
        """Inception v3 of torchvision."""
        return models.INCEPTION

    def network(self) -> Any:
        """Return Inception without its classifiers."""
        from neurodiffuse_metrics.networks.inception import InceptionV3

        return (lambda _tensors, _path: InceptionV3()), ()


class Clip(IdentificationMetric):
    """Two-way identification, or retrieval, by CLIP's image embedding.

    Parameters
    ----------
    dialect, weights, device, memory
        As of `AlexNet2`.
    top, among
        ``top`` above 0 asks for retrieval in place of two-way identification: how likely the own
        picture is among the best ``top`` of ``among`` candidates (0: all), see
        `neurodiffuse.metrics.retrieval_table`.
    """

    views = dialects.CLIP
    scale = dialects.OPENAI
    each = 40 * 2**20

    def __init__(
        self,
        dialect: Dialect = "brain-diffuser",
        weights: str = "",
        top: int = 0,
        among: int = 0,
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)
        if top or among:
            check_retrieval(top, among)
            self.chance, self.share = top / among if among else None, True
        self.top, self.among = top, among

    def value(self, correlations: np.ndarray) -> np.ndarray:
        """Return two-way identification, or the probability of retrieval."""
        from neurodiffuse_metrics.correlation import TIE

        if not self.top:
            return super().value(correlations)
        if self.view.along == "made":
            return retrieval_table(correlations.T, self.top, self.among, TIE).T
        return retrieval_table(correlations, self.top, self.among, TIE)

    @property
    def model(self) -> Model:
        """CLIP ViT-L/14 of OpenAI."""
        return models.CLIP

    def network(self) -> Any:
        """Return the picture tower, sized as the weights are."""
        from neurodiffuse_metrics.networks.clip import sized_for

        return (lambda tensors, path: sized_for(tensors, path, self.view.side)), ()


class EffNetB1(DistanceMetric):
    """Correlation distance of EfficientNet-B1's last features; options as of `AlexNet2`.

    The dialects use different weights: torchvision's first (``brain-diffuser``) and second
    (``mindeye``) training.
    """

    views = dialects.EFFNET_B1
    each = 60 * 2**20

    def __init__(
        self,
        dialect: TwoDialects = "brain-diffuser",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)

    @property
    def model(self) -> Model:
        """EfficientNet-B1 of torchvision, of the dialect's training."""
        return models.EFFNET_V2 if self.dialect == "mindeye" else models.EFFNET_V1

    def network(self) -> Any:
        """Return EfficientNet without its classifier."""
        from neurodiffuse_metrics.networks.efficientnet import EfficientNetB1

        return (lambda _tensors, _path: EfficientNetB1()), ("classifier.",)


class Swav(DistanceMetric):
    """Correlation distance of SwAV's ResNet-50 features; options as of `AlexNet2`."""

    views = dialects.SWAV
    each = 60 * 2**20

    def __init__(
        self,
        dialect: TwoDialects = "brain-diffuser",
        weights: str = "",
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        super().__init__(dialect, weights, device, memory)

    @property
    def model(self) -> Model:
        """ResNet-50 trained by SwAV."""
        return models.SWAV

    def network(self) -> Any:
        """Return ResNet-50 without its heads."""
        from neurodiffuse_metrics.networks.resnet import ResNet50

        return (lambda _tensors, _path: ResNet50()), ()
