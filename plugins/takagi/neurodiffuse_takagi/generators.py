"""From predicted z and c to pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurodiffuse import models
from neurodiffuse.types import Download, Generator, Images, Latents
from neurodiffuse_takagi.components import load, tokenizer, words_to_tokens
from neurodiffuse_takagi.models import STABLE_DIFFUSION

if TYPE_CHECKING:
    from torch import Tensor

STREAM = 22
"""Keeps this generator's noise apart from that of other stages."""

MOST = {"cpu": 2, "mps": 4, "cuda": 16}
"""Images at once when memory does not limit them."""


class LatentGenerator(Generator):
    """Paint the picture that a latent of the autoencoder stands for.

    Parameters
    ----------
    weights
        Folder of one's own in the hub's layout; empty for the fetched ``stable-diffusion-v1-4``.
    size
        Width and height of the picture (bicubic); 0 keeps eight pixels for each place of z.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        ``auto`` is single precision on a CPU, half on a GPU.
    memory
        Bytes to stay within; None is what is free.
    """

    def __init__(
        self,
        weights: str = "",
        size: int = 512,
        device: str = "auto",
        dtype: str = "auto",
        memory: int | None = None,
    ) -> None:
        if size < 0 or size > 2048:
            raise ValueError(f"size must be between 0 and 2048 pixels, not {size}")
        self.weights = weights
        self.size = size
        self.device = device
        self.dtype = dtype
        self.memory = memory
        self._vae: Any = None

    def downloads(self) -> tuple[Download, ...]:
        """Return the files that are not there yet."""
        return models.missing(STABLE_DIFFUSION, self.weights)

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row of ``z``; nothing is random here."""
        import torch

        from neurodiffuse_takagi.autoencoder import decoded
        from neurodiffuse_torch import batch_size, batches, device_of, dtype_of, resized

        device = device_of(self.device)
        dtype = dtype_of(self.dtype, device)
        if self._vae is None:
            self._vae = load("vae", self.weights, device, dtype)
        (z,) = latents["z"].blocks()
        side = 8 * z.shape[2]
        each = 4 * 128 * side**2 * dtype.itemsize
        at_once = batch_size(each, device, memory=self.memory, most=MOST[device.type])
        made = [
            resized(
                decoded(self._vae, torch.from_numpy(np.ascontiguousarray(z[part]))),
                self.size,
            )
            for part in batches(len(z), at_once)
        ]
        return Images(latents["z"].ids, np.concatenate(made))


class DiffusionGenerator(Generator):
    """Paint under the tokens of a caption, beginning from a picture or from noise.

    Parameters
    ----------
    weights
        Folder of one's own in the hub's layout; empty for the fetched ``stable-diffusion-v1-4``.
    strength
        How much of the stage before is forgotten; 1 begins from noise alone.
    steps
        Steps of the whole way from noise (DDIM, eta 0); a share ``strength`` of them is taken,
        ``int(strength * steps)`` as in the published script: 28 of 50 at 0.58.
    guidance
        Classifier-free guidance; 1 is none.
    size
        Pixels along a side that the first guess is brought to, and of a picture made from noise.
    noise_convention
        ``"reference"`` makes the first guess as noisy as the level before the first one that is
        denoised, as the published sampler does; ``"diffusers"`` as that one itself.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        ``auto`` is single precision on a CPU, half on a GPU.
    memory
        Bytes to stay within; None is what is free.
    """

    def __init__(
        self,
        weights: str = "",
        strength: float = 0.8,
        steps: int = 50,
        guidance: float = 5.0,
        size: int = 512,
        noise_convention: Literal["reference", "diffusers"] = "reference",
        device: str = "auto",
        dtype: str = "auto",
        memory: int | None = None,
    ) -> None:
        if not 0 < strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, not {strength}")
        if not 1 <= steps <= 1000:
            raise ValueError(f"steps must be between 1 and 1000, not {steps}")
        if int(strength * steps) < 1:
            raise ValueError(f"strength {strength} of {steps} steps is not a whole step")
        if not 8 <= size <= 1024:
            raise ValueError(f"size must be between 8 and 1024 pixels, not {size}")
        self.weights = weights
        self.strength = strength
        self.steps = steps
        self.guidance = guidance
        self.size = size
        self.noise_convention = noise_convention
        self.device = device
        self.dtype = dtype
        self.memory = memory
        self._unet: Any = None
        self._vae: Any = None
        self._nothing: Any = None

    def downloads(self) -> tuple[Download, ...]:
        """Return the files that are not there yet."""
        return models.missing(STABLE_DIFFUSION, self.weights)

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each seed.

        Without a first guess it begins from noise and takes all steps; without ``c`` nothing
        guides it but what an empty caption says.
        """
        import torch

        from neurodiffuse_takagi.autoencoder import decoded
        from neurodiffuse_torch import batch_size, batches

        self._load()
        ids = latents["c"].ids if "c" in latents else _ids(init, len(seeds))
        c = latents["c"].blocks()[0] if "c" in latents else None
        dtype = self._unet.dtype
        each = 2 * 40 * 320 * (self.size // 8) ** 2 * dtype.itemsize
        device = self._unet.device
        at_once = batch_size(each, device, memory=self.memory, most=MOST[device.type])
        made = []
        for part in batches(len(seeds), at_once):
            own = list(seeds)[part]
            tokens = self._nothing.expand(len(own), -1, -1)
            if c is not None:
                tokens = torch.from_numpy(np.ascontiguousarray(c[part])).to(device, dtype)
            first = None if init is None else init.values[part]
            made.append(decoded(self._vae, self._denoised(tokens, first, own)))
        return Images(ids, np.concatenate(made))

    def _denoised(self, tokens: Tensor, first: np.ndarray | None, seeds: Sequence[int]) -> Tensor:
        """Return the latents that DDIM leads to, float32."""
        import torch

        schedule = _schedule(self.steps)
        strength = 1.0 if first is None else self.strength
        times = schedule.timesteps[self.steps - int(strength * self.steps) :]
        z = self._start(schedule, len(times), first, seeds)
        n = len(tokens)
        if self.guidance != 1:
            tokens = torch.cat([self._nothing.expand(n, -1, -1), tokens])
        with torch.inference_mode():
            for time in times:
                seen = torch.cat([z, z]) if self.guidance != 1 else z
                found = self._unet(seen.to(tokens.dtype), time.to(z.device), tokens)[0].float()
                if self.guidance != 1:
                    empty, full = found.chunk(2)
                    found = empty + self.guidance * (full - empty)
                z = schedule.step(found, time, z, eta=0.0, return_dict=False)[0]
        return z

    def _start(
        self, schedule: Any, taken: int, first: np.ndarray | None, seeds: Sequence[int]
    ) -> Tensor:
        """Return the latents to begin from, float32 (n, 4, size / 8, size / 8)."""
        from PIL import Image

        from neurodiffuse_takagi.autoencoder import encoded
        from neurodiffuse_torch import Noise, resized

        device = self._unet.device
        factor = 2 ** (len(self._vae.config.block_out_channels) - 1)
        side = self.size // factor
        shape = (self._vae.config.latent_channels, side, side)
        noise = Noise(seeds, stream=STREAM)
        posterior, drawn = noise.normal(shape, device), noise.normal(shape, device)
        if first is None or taken == self.steps:
            return drawn
        # published: the picture goes through this filter whatever its size
        picture = resized(first, self.size, Image.Resampling.LANCZOS)
        z = encoded(self._vae, picture, posterior)
        begin = self.steps - taken
        level = begin - 1 if self.noise_convention == "reference" else begin
        kept = float(schedule.alphas_cumprod[int(schedule.timesteps[level])])
        return kept**0.5 * z + (1 - kept) ** 0.5 * drawn

    def _load(self) -> None:
        if self._unet is not None:
            return
        from neurodiffuse_torch import device_of, dtype_of

        device = device_of(self.device)
        dtype = dtype_of(self.dtype, device)
        text = load("text_encoder", self.weights, device, dtype_of("float32", device))
        self._nothing = words_to_tokens([""], text, tokenizer(self.weights)).to(dtype)
        self._vae = load("vae", self.weights, device, dtype)
        self._unet = load("unet", self.weights, device, dtype)


def _ids(init: Images | None, n: int) -> tuple[str, ...]:
    """Return the images' ids where there are no latents to tell them."""
    return init.ids if init is not None else tuple(str(k) for k in range(n))


def _schedule(steps: int) -> Any:
    """Return the noise levels that Stable Diffusion 1 was trained on, visited as published.

    The DDIM steps of the published sampler are 1, 21 … 981 of 50; diffusers' ``leading`` spacing
    with an offset of 1 gives the same.
    """
    from diffusers import DDIMScheduler

    schedule: Any = DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="leading",
    )
    schedule.set_timesteps(steps)
    return schedule
