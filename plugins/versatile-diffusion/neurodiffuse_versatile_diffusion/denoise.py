"""The loop: from noisy latents to those of a picture, under its conditions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from neurodiffuse_versatile_diffusion.network import Part, predict_noise
from neurodiffuse_versatile_diffusion.schedule import Schedule


@dataclass(frozen=True)
class Conditions:
    """What a picture shall be like, and which tokens say nothing.

    ``tokens`` (n, tokens, width) are the conditions of each image side by side, ``parts`` tells
    which tokens are whose and how they are mixed. ``nothing`` (1, tokens, width) is the same of
    an empty caption and a grey picture; None where it is not needed.
    """

    tokens: Tensor
    parts: tuple[Part, ...]
    nothing: Tensor | None = None


def denoise(unet: Any, z: Tensor, given: Conditions, schedule: Schedule, guidance: float) -> Tensor:
    """Return the latents that a schedule's steps lead to, float32 (n, 4, h, w).

    Classifier-free guidance: ``nothing + guidance (given - nothing)``, both in one call of the
    network. Guidance 1 is the condition alone and half the work. The latents and the steps are
    in float32 whatever the network's precision.
    """
    n, tokens = len(z), given.tokens
    guided = guidance != 1
    if guided:
        if given.nothing is None:
            raise ValueError("guidance other than 1 needs the tokens that say nothing")
        tokens = torch.cat([given.nothing.expand(n, -1, -1), tokens])
    for step in schedule.walk():
        time = torch.tensor(step.time, device=z.device)
        if guided:
            empty, full = predict_noise(unet, torch.cat([z, z]), time, tokens, given.parts).chunk(2)
            noise = empty + guidance * (full - empty)
        else:
            noise = predict_noise(unet, z, time, tokens, given.parts)
        z = step(noise, z)
    return z
