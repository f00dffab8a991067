"""Images to the first layers of latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurodiffuse.models import missing
from neurodiffuse.types import Download, Encoder, Latents, Shape, Stimuli
from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.models import IMAGENET64
from neurodiffuse_vdvae.pictures import normalised, squashed
from neurodiffuse_vdvae.running import Running, check_running

if TYPE_CHECKING:
    from torch import Tensor

STREAM = 1
"""Keeps the posterior's noise apart from that of other stages."""


class VdvaeEncoder(Encoder):
    """Encode images into the first layers of a very deep VAE.

    Images are squashed to 64 x 64 pixels. Only the encoder and the first ``layers`` of the
    decoder run. The noise of a posterior sample comes from ``seed`` and the image's own pixels:
    an image has the same latents in every batch, split and data set.

    Parameters
    ----------
    weights
        Checkpoint or folder of one's own; empty for the fetched ``vdvae-imagenet64``.
    layers
        How many layers, from the top down: 31 of 75 are 91,168 numbers, up to 32 x 32.
    posterior
        ``"sample"`` draws from the posterior as Brain-Diffuser does, ``"mean"`` takes its mean.
    seed
        Of the posterior's samples.
    batch
        Images at once; 0 is what fits into the memory.
    config
        The architecture: a published name, or a text (see `neurodiffuse_vdvae.architecture`).
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        Precision. The network is small, and posteriors are exponentials: single precision.
    memory
        Bytes to stay within; None is what is free.
    """

    def __init__(
        self,
        weights: str = "",
        layers: int = 31,
        posterior: Literal["sample", "mean"] = "sample",
        seed: int = 0,
        batch: int = 0,
        config: str = "imagenet64",
        device: str = "auto",
        dtype: str = "float32",
        memory: int | None = None,
    ) -> None:
        depth = len(architecture(config).decoder)
        if not 1 <= layers <= depth:
            raise ValueError(f"layers must be between 1 and {depth}, not {layers}")
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, not {seed}")
        check_running(batch, memory)
        self.weights = weights
        self.layers = layers
        self.posterior = posterior
        self.seed = seed
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

    def shapes(self) -> tuple[Shape, ...]:
        """Return (16, resolution, resolution) of each layer."""
        return self._made.shapes(self.layers)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return latents, float32 (n, 91168) of the first 31 layers."""
        import torch

        from neurodiffuse_torch import batches

        running = self._run()
        targets = sum(int(np.prod(shape)) for shape in self.shapes())
        values = np.empty((len(stimuli), targets), np.float32)
        with torch.inference_mode():
            for part in batches(len(stimuli), running.batch):
                pixels = np.stack([self._pixels(stimuli, i) for i in range(len(stimuli))[part]])
                latents = self._latents(running, pixels)
                values[part] = torch.cat([z.flatten(1) for z in latents], dim=1).cpu().numpy()
        return Latents(stimuli.ids, values, self.shapes())

    def _pixels(self, stimuli: Stimuli, i: int) -> np.ndarray:
        return squashed(stimuli.images[i], self._made.size, stimuli.ids[i])

    def _latents(self, running: Running, pixels: np.ndarray) -> list[Tensor]:
        """Return the layers' latents of pictures, uint8 (n, size, size, 3)."""
        import torch

        from neurodiffuse_torch import Noise, content_seed

        normal = None
        if self.posterior == "sample":
            noise = Noise([content_seed(p, self.seed) for p in pixels], stream=STREAM)

            def normal(shape: Any) -> Tensor:
                return noise.normal(shape, running.device)

        x = torch.from_numpy(normalised(pixels)).to(running.device, running.dtype)
        x = x.contiguous(memory_format=torch.channels_last)
        latents: list[Tensor] = running.network.encode(x, self.layers, normal)
        return latents

    def _run(self) -> Running:
        """Return the loaded network, loading it at first use."""
        if self._running is None:
            self._running = Running.start(
                self, self._made, lambda network: network.keep_for_encoding(self.layers)
            )
        return self._running
