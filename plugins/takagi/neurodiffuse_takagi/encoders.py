"""What is predicted from the brain: z, the picture's latent, and c, its captions' tokens."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from neurodiffuse import models
from neurodiffuse.types import Download, Encoder, Latents, Shape, Stimuli
from neurodiffuse_takagi.components import configuration, load, tokenizer, words_to_tokens
from neurodiffuse_takagi.models import STABLE_DIFFUSION

STREAM = 21
"""Keeps the posterior's noise apart from that of other stages."""

TEXTS = 64
"""Captions at once."""

MOST = 16
"""Pictures at once."""


class LatentEncoder(Encoder):
    """Encode images into the latent of Stable Diffusion's autoencoder.

    Parameters
    ----------
    weights
        Folder of one's own in the hub's layout; empty for the fetched ``stable-diffusion-v1-4``.
    size
        Images are squashed to ``size`` × ``size`` pixels (Lanczos) first; 320 in the paper.
    posterior
        ``"sample"`` draws from the posterior, as published; ``"mean"`` takes its mean.
    seed
        Of the samples; an image's noise comes from it and the image's own pixels.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    memory
        Bytes to stay within; None is what is free.
    """

    def __init__(
        self,
        weights: str = "",
        size: int = 320,
        posterior: Literal["sample", "mean"] = "sample",
        seed: int = 0,
        device: str = "auto",
        memory: int | None = None,
    ) -> None:
        if size < 8 or size > 1024:
            raise ValueError(f"size must be between 8 and 1024 pixels, not {size}")
        if seed < 0:
            raise ValueError(f"seed must be 0 or more, not {seed}")
        self.weights = weights
        self.size = size
        self.posterior = posterior
        self.seed = seed
        self.device = device
        self.memory = memory
        self._vae: Any = None

    def downloads(self) -> tuple[Download, ...]:
        """Return the files that are not there yet."""
        return models.missing(STABLE_DIFFUSION, self.weights)

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((4, size / 8, size / 8),)``."""
        made = configuration(self.weights, "vae")
        side = self.size // 2 ** (len(made["block_out_channels"]) - 1)
        return ((int(made["latent_channels"]), side, side),)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return latents, float32 (n, 4 · side · side)."""
        from PIL import Image

        from neurodiffuse_takagi.autoencoder import encoded
        from neurodiffuse_torch import (
            batch_size,
            batches,
            content_seed,
            device_of,
            dtype_of,
            noise,
            resized,
        )

        device = device_of(self.device)
        if self._vae is None:
            self._vae = load("vae", self.weights, device, dtype_of("float32", device))
        (shape,) = self.shapes()
        each = 4 * 4 * 128 * self.size**2  # four maps of the widest layer, single precision
        at_once = batch_size(each, device, memory=self.memory, most=MOST)
        values = np.empty((len(stimuli), int(np.prod(shape))), np.float32)
        for part in batches(len(stimuli), at_once):
            images = [stimuli.images[k][None] for k in range(len(stimuli))[part]]
            pictures = np.concatenate(
                [resized(image, self.size, Image.Resampling.LANCZOS) for image in images]
            )
            drawn = None
            if self.posterior == "sample":
                seeds = [content_seed(picture, self.seed) for picture in pictures]
                drawn = noise(shape, seeds, device, stream=STREAM)
            values[part] = encoded(self._vae, pictures, drawn).flatten(1).cpu().numpy()
        return Latents(stimuli.ids, values, self.shapes())


class TextEncoder(Encoder):
    """Encode captions into the tokens that condition Stable Diffusion, averaged over captions.

    Parameters
    ----------
    weights
        Folder of one's own in the hub's layout; empty for the fetched ``stable-diffusion-v1-4``.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    """

    def __init__(self, weights: str = "", device: str = "auto") -> None:
        self.weights = weights
        self.device = device
        self._network: Any = None
        self._tokenizer: Any = None

    def downloads(self) -> tuple[Download, ...]:
        """Return the files that are not there yet."""
        return models.missing(STABLE_DIFFUSION, self.weights)

    def shapes(self) -> tuple[Shape, ...]:
        """Return ``((77, 768),)``."""
        made = configuration(self.weights, "text_encoder")
        return ((int(made["max_position_embeddings"]), int(made["hidden_size"])),)

    def encode(self, stimuli: Stimuli) -> Latents:
        """Return tokens, float32 (n, 77 · 768), the mean over each image's non-empty captions."""
        from neurodiffuse_torch import device_of, dtype_of

        if self._network is None:
            device = device_of(self.device)
            network = load("text_encoder", self.weights, device, dtype_of("float32", device))
            self._network, self._tokenizer = network, tokenizer(self.weights)
        said = [[text for text in captions if text.strip()] for captions in stimuli.captions]
        texts = list(dict.fromkeys(text for captions in said for text in captions))
        rows: dict[str, np.ndarray] = {}
        for start in range(0, len(texts), TEXTS):
            part = texts[start : start + TEXTS]
            found = words_to_tokens(part, self._network, self._tokenizer)
            rows.update(zip(part, found.flatten(1).cpu().numpy(), strict=True))
        values = [np.mean([rows[text] for text in captions], axis=0) for captions in said]
        return Latents(stimuli.ids, np.array(values, np.float32), self.shapes())
