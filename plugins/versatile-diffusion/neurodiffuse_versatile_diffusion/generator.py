"""Vision and text latents to pictures, from the first guess or from noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.models import missing
from neurodiffuse.types import Download, Generator, Images, Latents
from neurodiffuse_clip.models import LARGE as CLIP
from neurodiffuse_versatile_diffusion.models import VERSATILE_DIFFUSION
from neurodiffuse_versatile_diffusion.places import find

if TYPE_CHECKING:
    from torch import Tensor

    from neurodiffuse_versatile_diffusion.denoise import Conditions
    from neurodiffuse_versatile_diffusion.network import Part
    from neurodiffuse_versatile_diffusion.running import Running
    from neurodiffuse_versatile_diffusion.schedule import Schedule

POSTERIOR, START = 3, 4
"""Streams of an image's seed: the autoencoder's sample, and the noise denoising starts from."""


class VersatileDiffusion(Generator):
    """Paint pictures under vision and text latents at once, image to image.

    Parameters
    ----------
    weights
        Own weights: a folder of shi-labs/versatile-diffusion, an original
        ``vd-four-flow….pth`` (``kl-f8.pth`` beside it) or its folder, or a compact file; empty
        for the fetched ``versatile-diffusion``.
    clip
        Own weights of CLIP, which tells what an empty caption and a grey picture are; empty for
        the fetched ones.
    strength
        How much of the first guess is forgotten: 0 keeps its picture, 1 begins from noise.
    steps
        Steps of the whole way from noise, at most 500; a share ``strength`` of them is taken. For
        ``ddim`` a divisor of 1000, else the way begins at a lower level of noise.
    guidance
        Classifier-free guidance: 1 is none and half the work.
    mix
        Share of the vision latents; the text latents have the rest. At 0 and 1, and where one
        kind is not given, the other is heard alone.
    scheduler
        ``"ddim"`` as published; ``"dpm++"`` and ``"unipc"`` are of higher order: 20 steps do.
    noise_convention
        How noisy the first guess is made, see `schedule.Schedule`: ``"reference"`` as
        Brain-Diffuser's code has it, ``"diffusers"`` one level less.
    size
        Width and height of the picture in pixels, a multiple of 64.
    batch
        Images at once; 0 is what fits into the memory.
    compile
        Compile the U-Net with torch.compile, which takes minutes at first use.
    device
        ``auto``, ``cpu``, ``cuda``, ``cuda:1`` or ``mps``.
    dtype
        Precision of the networks: ``auto`` is float32 on a CPU, float16 on a GPU.
    memory
        Bytes to stay within; None is most of what is free.
    """

    def __init__(
        self,
        weights: str = "",
        clip: str = "",
        strength: float = 0.75,
        steps: int = 50,
        guidance: float = 7.5,
        mix: float = 0.6,
        scheduler: Literal["ddim", "dpm++", "unipc"] = "ddim",
        noise_convention: Literal["reference", "diffusers"] = "reference",
        size: int = 512,
        batch: int = 0,
        compile: bool = False,
        device: str = "auto",
        dtype: str = "auto",
        memory: int | None = None,
    ) -> None:
        for name, value, low, high in (
            ("strength", strength, 0, 1),
            ("mix", mix, 0, 1),
            ("steps", steps, 1, 500),
            ("guidance", guidance, 0, 100),
            ("size", size, 8, 4096),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} must be between {low} and {high}, not {value}")
        if batch < 0:
            raise ValueError(f"batch must be 0 (what fits) or more, not {batch}")
        if memory is not None and memory < 1:
            raise ValueError(f"memory is in bytes and must be 1 or more, not {memory}")
        self.weights = weights
        self.clip = clip
        self.strength = strength
        self.steps = steps
        self.guidance = guidance
        self.mix = mix
        self.scheduler = scheduler
        self.noise_convention = noise_convention
        self.size = size
        self.batch = batch
        self.compile = compile
        self.device = device
        self.dtype = dtype
        self.memory = memory
        self._running: Running | None = None
        self._nothing: dict[str, Tensor] = {}

    def downloads(self) -> tuple[Download, ...]:
        """Return the weights that are not there yet."""
        try:
            find(self.weights)
            lacking: tuple[Download, ...] = ()
        except MissingDataError:
            if self.weights:
                raise
            lacking = missing(VERSATILE_DIFFUSION)
        return lacking if self.clip or self.guidance == 1 else lacking + missing(CLIP)

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row of ``latents["vision"]`` and ``latents["text"]``.

        One of them may be missing. Without ``init`` all steps are taken, from noise.

        Raises
        ------
        DataError
            If latents are not finite or not as wide as the network hears.
        """
        import torch

        from neurodiffuse_torch import batches

        schedule = self._schedule(init)
        heard = self._heard(latents)
        with torch.inference_mode():
            nothing = self._empty(heard, latents) if schedule.taken and self.guidance != 1 else {}
            running, made = self._run(), []
            for part in batches(len(seeds), running.plan.batch):
                given = self._conditions(heard, latents, nothing, part, running)
                start = init.values[part] if init is not None else None
                z = self._start(running, schedule, start, seeds[part])
                made.append(self._paint(running, schedule, given, z))
        return Images(next(iter(latents.values())).ids, np.concatenate(made))

    def _schedule(self, init: Images | None) -> Schedule:
        from neurodiffuse_versatile_diffusion.schedule import Schedule

        strength = 1.0 if init is None else self.strength
        return Schedule(self.scheduler, self.steps, strength, self.noise_convention)

    def _heard(self, latents: Mapping[str, Latents]) -> dict[str, float]:
        """Return the weight of each kind of latents that is heard, vision first."""
        mix = 1.0 if "text" not in latents else 0.0 if "vision" not in latents else self.mix
        weights = {"vision": mix, "text": 1 - mix}
        return {name: weight for name, weight in weights.items() if weight}

    def _start(
        self,
        running: Running,
        schedule: Schedule,
        init: np.ndarray | None,
        seeds: Sequence[int],
    ) -> Tensor:
        """Return the latents where denoising starts, float32 (n, 4, h, w)."""
        import torch

        from neurodiffuse_torch import noise
        from neurodiffuse_versatile_diffusion.pictures import network_input

        side = self.size // running.made.factor
        shape = (running.made.vae["latent_channels"], side, side)
        begin = noise(shape, seeds, running.device, stream=START)
        if init is None or self.strength == 1:
            return begin
        sample = noise(shape, seeds, stream=POSTERIOR)
        rows = [
            running.encoded(network_input(picture, self.size), sample[i : i + 1])
            for i, picture in enumerate(init)
        ]
        return schedule.noised(torch.cat(rows), begin)

    def _paint(
        self, running: Running, schedule: Schedule, given: Conditions, z: Tensor
    ) -> np.ndarray:
        """Return pictures, uint8 (n, size, size, 3)."""
        from neurodiffuse_versatile_diffusion.denoise import denoise
        from neurodiffuse_versatile_diffusion.pictures import painted

        if schedule.taken:
            with running.at_work("unet") as unet:
                z = denoise(unet, z, given, schedule, self.guidance)
        return painted(running.decoded(z))

    def _conditions(
        self,
        heard: Mapping[str, float],
        latents: Mapping[str, Latents],
        nothing: Mapping[str, Tensor],
        rows: slice,
        running: Running,
    ) -> Conditions:
        """Return the tokens of some images side by side, and whose they are."""
        import torch

        from neurodiffuse_versatile_diffusion.denoise import Conditions

        tokens = [
            torch.from_numpy(self._tokens(name, latents[name], rows, running)) for name in heard
        ]
        empty = torch.cat([nothing[name] for name in heard], dim=1) if nothing else None
        return Conditions(
            torch.cat(tokens, dim=1).to(running.device, running.dtype),
            _parts(heard, [t.shape[1] for t in tokens]),
            None if empty is None else empty.to(running.device, running.dtype),
        )

    def _tokens(self, name: str, rows: Latents, part: slice, running: Running) -> np.ndarray:
        """Return latents as tokens, float32 (n, tokens, width)."""
        width = running.made.unet["cross_attention_dim"]
        if len(rows.shapes) != 1 or rows.shapes[0][1:] != (width,):
            raise DataError(
                f"versatile-diffusion: the latents {name!r} are {rows.shapes}; tokens of width "
                f"{width} are needed, such as ((257, {width}),)."
            )
        values = np.ascontiguousarray(rows.values[part], np.float32)
        if not (finite := np.isfinite(values).all(1)).all():
            image = rows.ids[part][int(np.argmin(finite))]
            raise DataError(f"versatile-diffusion: the latents {name!r} of {image} are not finite.")
        return values.reshape(-1, *rows.shapes[0])

    def _empty(
        self, heard: Mapping[str, float], latents: Mapping[str, Latents]
    ) -> dict[str, Tensor]:
        """Return the tokens of an empty caption and a grey picture, computed once."""
        from neurodiffuse_versatile_diffusion.unconditional import empty_tokens

        for name in heard:
            if name not in self._nothing:
                self._nothing[name] = empty_tokens(name, self.clip, self.device)
            expected, found = latents[name].shapes[0], tuple(self._nothing[name].shape[1:])
            if found != expected:
                raise DataError(
                    f"versatile-diffusion: CLIP makes {name} tokens of shape {found}, the latents "
                    f"{name!r} have {expected}. Give the CLIP that encoded them (option clip)."
                )
        return self._nothing

    def _run(self) -> Running:
        """Return the loaded networks, loading them at first use."""
        if self._running is None:
            from neurodiffuse_versatile_diffusion.running import Running

            self._running = Running.start(self)
        return self._running


def _parts(heard: Mapping[str, float], lengths: Sequence[int]) -> tuple[Part, ...]:
    from neurodiffuse_versatile_diffusion.network import Part

    parts: list[Any] = []
    start = 0
    for (name, weight), length in zip(heard.items(), lengths, strict=True):
        parts.append(Part(name, start, start + length, weight))
        start += length
    return tuple(parts)
