"""The first layers of latents to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.models import missing
from neurodiffuse.types import Download, Generator, Images, Latents
from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.models import IMAGENET64
from neurodiffuse_vdvae.running import Running, check_running

if TYPE_CHECKING:
    from torch import Tensor

STREAM = 2
"""Keeps this noise apart from that of other stages."""


class VdvaeGenerator(Generator):
    """Paint the picture of the given layers, the others drawn from their prior.

    Parameters
    ----------
    weights
        Checkpoint or folder of one's own; empty for the fetched ``vdvae-imagenet64``.
    temperature
        Spread of the layers that are not given: 1 as the prior has it (Brain-Diffuser), 0 its
        mean.
    output
        ``"sample"`` draws every pixel from its mixture of logistics (Brain-Diffuser),
        ``"mean"`` takes the mixture's mean: less grain.
    size
        Width and height of the picture in pixels (bicubic); 0 keeps the network's 64.
    batch
        Images at once; 0 is what fits into the memory.
    config
        The architecture: a published name, or a text (see `neurodiffuse_vdvae.architecture`).
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        Precision. The network is small: single precision.
    memory
        Bytes to stay within; None is what is free.
    """

    def __init__(
        self,
        weights: str = "",
        temperature: float = 1.0,
        output: Literal["sample", "mean"] = "sample",
        size: int = 512,
        batch: int = 0,
        config: str = "imagenet64",
        device: str = "auto",
        dtype: str = "float32",
        memory: int | None = None,
    ) -> None:
        if not 0 <= temperature <= 2:
            raise ValueError(f"temperature must be between 0 and 2, not {temperature}")
        if not 0 <= size <= 4096:
            raise ValueError(f"size must be between 0 and 4096 pixels, not {size}")
        check_running(batch, memory)
        self.weights = weights
        self.temperature = temperature
        self.output = output
        self.size = size
        self.batch = batch
        self.config = config
        self.device = device
        self.dtype = dtype
        self.memory = memory
        self._made = architecture(config)
        self._running: Running | None = None

    def downloads(self) -> tuple[Download, ...]:
        """Return the checkpoint, if it is not there yet."""
        return missing(IMAGENET64, self.weights)

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row of ``latents["vdvae"]``; ``init`` is not used.

        Raises
        ------
        DataError
            If the latents are not the first layers of this network.
        """
        import torch

        from neurodiffuse_torch import batches, resized

        rows = latents["vdvae"]
        self._check(rows)
        running, blocks, made = self._run(), rows.blocks(), []
        with torch.inference_mode():
            for part in batches(len(rows.ids), running.batch):
                given = [self._tensor(block[part], running) for block in blocks]
                made.append(self._paint(running, given, seeds[part]).cpu().numpy())
        return Images(rows.ids, resized(np.concatenate(made), self.size))

    def _paint(self, running: Running, given: list[Tensor], seeds: Sequence[int]) -> Tensor:
        """Return pictures at the network's size, uint8 (n, size, size, 3)."""
        from neurodiffuse_torch import Noise
        from neurodiffuse_vdvae.mixture import Mixture

        noise, device = Noise(seeds, stream=STREAM), running.device
        mixture = Mixture.of(
            running.network.decode(
                given, lambda shape: noise.normal(shape, device), self.temperature
            )
        )
        if self.output == "mean":
            return mixture.mean()
        return mixture.sample(lambda shape: noise.uniform(shape, device))

    def _check(self, rows: Latents) -> None:
        layers = len(rows.shapes)
        expected = self._made.shapes(layers)
        if not layers or tuple(rows.shapes) != expected:
            first = rows.shapes[0] if layers else None
            raise DataError(
                f"vdvae: {layers} latents that begin with {first} are not the first layers of "
                f"the architecture {self.config!r}, which begin with {expected[:1]}. Encode with "
                "the encoder 'vdvae' and the same config."
            )

    def _tensor(self, block: np.ndarray, running: Running) -> Any:
        import torch

        values = torch.from_numpy(np.ascontiguousarray(block, np.float32))
        return values.to(running.device)

    def _run(self) -> Running:
        """Return the loaded network, loading it at first use."""
        if self._running is None:
            self._running = Running.start(
                self, self._made, lambda network: network.keep_for_decoding()
            )
        return self._running
