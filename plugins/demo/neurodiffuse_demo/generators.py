"""The two stages: a first guess from the autoencoder, then the denoiser under its tokens.

Every image is painted on its own from its own seed: it depends on no other one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurodiffuse.types import Generator, Images, Latents
from neurodiffuse_demo import shapes
from neurodiffuse_demo.inference import inference
from neurodiffuse_demo.pictures import network_input, picture

if TYPE_CHECKING:
    from torch import Tensor


TEMPERATURE = 0.3
"""Spread at which the autoencoder's lower layers are sampled."""

LOWER = tuple((c, r, r) for r, c in shapes.LAYERS[shapes.REGRESSED :])


class VaeGenerator(Generator):
    """Decode the autoencoder's upper layers, those not given sampled from their prior.

    Parameters
    ----------
    temperature
        Spread of what is sampled: 0 takes the prior's mean, 1 its full spread.
    """

    def __init__(self, temperature: float = TEMPERATURE) -> None:
        if not 0 <= temperature <= 1:
            raise ValueError(f"temperature must be between 0 and 1, not {temperature}")
        self.temperature = temperature
        self._network: Any = None

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row of ``latents["vae"]``; ``init`` is not used."""
        import torch

        from neurodiffuse_demo.weights import network

        self._network = self._network or network("vae")[0]
        rows = latents["vae"]
        blocks = [np.ascontiguousarray(block) for block in rows.blocks()]
        made = []
        with inference():
            for i, seed in enumerate(seeds):
                upper = [torch.from_numpy(block[i : i + 1]) for block in blocks]
                sizes = [(c, r, r) for r, c in shapes.LAYERS[len(upper) :]]
                noise = _normal(seed, 1, sizes)
                made.append(picture(self._network.decode(upper, noise, self.temperature)))
        return Images(rows.ids, np.stack(made))


class DiffusionGenerator(Generator):
    """Denoise the autoencoder's latents under vision and text tokens, and paint them.

    Parameters
    ----------
    strength
        How much of the stage before is forgotten: 0 keeps its picture, 1 begins from noise.
    steps
        Steps of a whole way from noise to picture; a share ``strength`` of them is taken.
    guidance
        Classifier-free guidance: 1 is none, more follows the tokens more closely.
    mix
        Weight of the vision tokens; the text tokens have the rest. Where one kind is left out,
        the other has all.
    start
        ``"first-guess"`` begins from the picture of the stage that ``init`` names, ``"noise"``
        from noise alone.
    """

    def __init__(
        self,
        strength: float = 0.75,
        steps: int = 10,
        guidance: float = 4.0,
        mix: float = 0.6,
        start: Literal["first-guess", "noise"] = "first-guess",
    ) -> None:
        for name, value in (("strength", strength), ("mix", mix)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be between 0 and 1, not {value}")
        if not 1 <= steps <= 1000:
            raise ValueError(f"steps must be between 1 and 1000, not {steps}")
        if not 0 <= guidance <= 50:
            raise ValueError(f"guidance must be between 0 and 50, not {guidance}")
        self.strength = strength
        self.steps = steps
        self.guidance = guidance
        self.mix = mix
        self.start = start
        self._denoiser: Any = None
        self._vae: Any = None

    def generate(
        self, latents: Mapping[str, Latents], *, init: Images | None, seeds: Sequence[int]
    ) -> Images:
        """Return one picture for each row of ``latents["vision"]`` and ``latents["text"]``.

        One of them may be missing. Without ``init`` all steps are taken, from noise.
        """
        import torch

        from neurodiffuse_demo.nets.vae import pack, unpack
        from neurodiffuse_demo.weights import network

        if self.start == "noise" or self.strength == 1:
            init = None
        elif init is not None and self.strength == 0:
            return init
        self._denoiser = self._denoiser or network("denoiser")[0]
        self._vae = self._vae or network("vae")[0]
        vision, text, mix = self._tokens(latents)
        made = []
        with inference():
            for i, seed in enumerate(seeds):
                noise = _normal(seed, 2, [shapes.NOISE, *LOWER])
                z = self._denoiser.sample(
                    torch.from_numpy(np.ascontiguousarray(vision[i : i + 1])),
                    torch.from_numpy(np.ascontiguousarray(text[i : i + 1])),
                    noise[0],
                    start=None if init is None else pack(self._seen(init.values[i])),
                    strength=self.strength,
                    steps=self.steps,
                    guidance=self.guidance,
                    mix=mix,
                )
                made.append(picture(self._vae.decode(unpack(z), noise[1:], TEMPERATURE)))
        return Images(next(iter(latents.values())).ids, np.stack(made))

    def _tokens(self, latents: Mapping[str, Latents]) -> tuple[np.ndarray, np.ndarray, float]:
        """Return vision tokens, text tokens and the weight of the first.

        Those that are missing are zeros of no weight.
        """
        n = len(next(iter(latents.values())).ids)
        tokens = [
            latents[name].blocks()[0] if name in latents else np.zeros((n, *shape), np.float32)
            for name, shape in (("vision", shapes.VISION), ("text", shapes.TEXT))
        ]
        mix = 1.0 if "text" not in latents else 0.0 if "vision" not in latents else self.mix
        return tokens[0], tokens[1], mix

    def _seen(self, image: np.ndarray) -> list[Tensor]:
        """Return the latents of a picture."""
        means: list[Tensor] = self._vae.latents(network_input(image))
        return means


def _normal(seed: int, stage: int, sizes: Sequence[tuple[int, ...]]) -> list[Tensor]:
    """Return standard normal values (1, *size) for each size, from an image's own seed."""
    import torch

    rng = np.random.default_rng([stage, seed])
    return [torch.from_numpy(rng.standard_normal((1, *s), dtype=np.float32)) for s in sizes]
