"""How much memory what takes, and how it is fitted in.

Bytes of activations were counted at full size (512 x 512 pixels, 64 x 64 latents), operation by
operation, without attention matrices, which CUDA and CPU never hold: per row of a batch the
U-Net's peak is 28.2 arrays of its first width at full resolution (70.5 MiB in half precision),
and the autoencoder's is 6.0 of its first width at the picture's (384 MiB).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurodiffuse.errors import ConfigError

UNET_ARRAYS = 29
VAE_ARRAYS = 6.1
SLACK = 1.5
"""Of activations: what libraries take beside tensors (workspaces, fragments)."""

MOST = {"cpu": 1, "mps": 4, "cuda": 32}
"""Images at once when memory does not limit them.

On a CPU several at once are hardly faster, and one by one a picture has the same bytes whatever
else is painted.
"""

MIB = 2**20


@dataclass(frozen=True)
class Sizes:
    """Bytes of both networks' weights, and of what an image needs in each."""

    unet: int
    vae: int
    step: int
    picture: int

    @classmethod
    def of(cls, made: Made, *, size: int, itemsize: int, rows: int, whole: bool) -> Sizes:
        """Return the bytes at a picture size; ``rows`` is 2 with guidance.

        ``whole``: attention matrices are held as a whole (on a device without a fused kernel).
        """
        latent = (size // made.factor) ** 2
        step = UNET_ARRAYS * made.unet["block_out_channels"][0] * latent * itemsize
        if whole:
            step += 2 * made.heads * latent**2 * itemsize
        picture = VAE_ARRAYS * made.vae["block_out_channels"][0] * size**2 * itemsize
        return cls(
            unet=made.unet_values * itemsize,
            vae=made.vae_values * itemsize,
            step=int(SLACK * rows * step),
            picture=int(SLACK * picture),
        )


@dataclass(frozen=True)
class Made:
    """What the architecture says: configurations and numbers of weights."""

    unet: Mapping[str, Any]
    vae: Mapping[str, Any]
    unet_values: int
    vae_values: int

    @property
    def factor(self) -> int:
        """Pixels of the picture along the side of one latent."""
        return int(2 ** (len(self.vae["block_out_channels"]) - 1))

    @property
    def multiple(self) -> int:
        """What the picture's side must be a multiple of."""
        return int(self.factor * 2 ** (len(self.unet["block_out_channels"]) - 1))

    @property
    def heads(self) -> int:
        """Attention heads."""
        heads = self.unet["attention_head_dim"]  # so called for historical reasons
        return int(heads if isinstance(heads, int) else heads[0])


@dataclass(frozen=True)
class Plan:
    """Images at once; whether only the network at work is on the device; attention by heads."""

    batch: int
    offload: bool = False
    sliced: bool = False


def plan(sizes: Sizes, thin: Sizes, budget: int, most: int) -> Plan:
    """Return the first way to fit: all on the device, one network at a time, heads one by one.

    Parameters
    ----------
    sizes
        Bytes as things are; ``thin`` the same with attention head by head.
    budget
        Bytes to stay within.
    most
        Images at once at most.

    Raises
    ------
    ConfigError
        If nothing fits.
    """
    for part, sliced in ((sizes, False), (thin, True)):
        left = budget - part.unet - part.vae
        if left >= max(part.step, part.picture):
            return Plan(min(most, left // part.step), sliced=sliced)
        left = budget - part.unet
        if left >= part.step and budget - part.vae >= part.picture:
            return Plan(min(most, left // part.step), offload=True, sliced=sliced)
    needed = max(thin.unet + thin.step, thin.vae + thin.picture)
    raise ConfigError(
        f"memory: {budget / MIB:,.0f} MiB is not enough for one image, which needs "
        f"{needed / MIB:,.0f} MiB. Use half precision (dtype float16 on a GPU), or another device."
    )
