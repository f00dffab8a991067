"""Loaded networks and how they run on this machine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse_torch import device_of, dtype_of, free_memory, load_strictly
from neurodiffuse_torch.memory import SHARE
from neurodiffuse_versatile_diffusion import compact, places
from neurodiffuse_versatile_diffusion.network import SCALE, make_unet, make_vae
from neurodiffuse_versatile_diffusion.plan import MOST, Made, Plan, Sizes, plan


class Options(Protocol):
    """The generator's options that the networks depend on."""

    weights: str
    guidance: float
    size: int
    batch: int
    compile: bool
    device: str
    dtype: str
    memory: int | None


@dataclass
class Running:
    """Both networks, where they run and how many images they take at once."""

    unet: Any
    vae: Any
    made: Made
    device: torch.device
    dtype: torch.dtype
    plan: Plan

    @classmethod
    def start(cls, options: Options) -> Running:
        """Load the weights and choose how to fit into the memory.

        Raises
        ------
        ConfigError
            If device, precision, picture size or memory cannot be.
        MissingDataError, DataError
            If weights are not there or not what they should be.
        """
        device = device_of(options.device)
        dtype = dtype_of(options.dtype, device)
        source = places.find(options.weights)
        needed = compact.obtain(source)
        where = str(source.folder)
        unet, vae = make_unet(needed.unet), make_vae(needed.vae)
        made = Made(unet.config, vae.config, _values(unet), _values(vae))
        if options.size % made.multiple:
            raise ConfigError(
                f"size: {options.size} pixels are no multiple of {made.multiple}, as this "
                "network needs."
            )
        chosen = _plan(made, options, device, dtype)
        home = torch.device("cpu") if chosen.offload else device
        for network, prefix in ((unet, "unet."), (vae, "vae.")):
            load_strictly(network, _taken(needed.tensors, prefix, home, dtype), where)
            network.eval().requires_grad_(False)
        if chosen.sliced:
            unet.set_attention_slice("max")
        if options.compile:
            unet.compile()
        return cls(unet, vae, made, device, dtype, chosen)

    @contextlib.contextmanager
    def at_work(self, name: Literal["unet", "vae"]) -> Iterator[Any]:
        """Give a network on its device; back to the CPU afterwards where memory asks for it."""
        network: nn.Module = getattr(self, name)
        if self.plan.offload:
            network.to(self.device)
        try:
            yield network
        finally:
            if self.plan.offload:
                network.to("cpu")

    def encoded(self, picture: Tensor, noise: Tensor) -> Tensor:
        """Return a sample of a picture's latents, float32 (1, 4, h, w).

        ``picture`` (1, 3, height, width) is in -1 … 1; ``noise`` has the shape of the latents.
        """
        with self.at_work("vae") as vae:
            found = vae.encode(picture.to(self.device, self.dtype)).latent_dist
        mean, spread = found.mean.float(), found.std.float()
        return SCALE * (mean + spread * noise.to(self.device))

    def decoded(self, z: Tensor) -> Tensor:
        """Return pictures of latents (n, 4, h, w) as float32 (n, 3, height, width).

        One by one, which takes least memory. Where half precision overflows, an image is
        decoded in single precision.
        """
        with self.at_work("vae") as vae:
            return torch.cat([self._decoded(vae, row[None] / SCALE) for row in z])

    def _decoded(self, vae: Any, z: Tensor) -> Tensor:
        picture = vae.decode(z.to(self.dtype)).sample.float()
        if self.dtype != torch.float32 and not torch.isfinite(picture).all():
            nn.Module.to(vae, torch.float32)
            picture = vae.decode(z.float()).sample
            nn.Module.to(vae, self.dtype)
        if not torch.isfinite(picture).all():
            raise DataError(
                f"versatile-diffusion: a picture is not finite in {self.dtype}; the weights are "
                "damaged, or the precision is too low. Try dtype bfloat16 or float32."
            )
        return picture


def _plan(made: Made, options: Options, device: torch.device, dtype: torch.dtype) -> Plan:
    rows = 1 if options.guidance == 1 else 2
    whole = device.type == "mps"
    sizes, thin = (
        Sizes.of(made, size=options.size, itemsize=dtype.itemsize, rows=rows, whole=held)
        for held in (whole, False)
    )
    budget = int(SHARE * free_memory(device)) if options.memory is None else options.memory
    return plan(sizes, thin, budget, options.batch or MOST[device.type])


def _taken(
    tensors: dict[str, Tensor], prefix: str, device: torch.device, dtype: torch.dtype
) -> dict[str, Tensor]:
    """Take a network's tensors out of a table, each let go once it is on the device."""
    names = [name for name in tensors if name.startswith(prefix)]
    return {name.removeprefix(prefix): tensors.pop(name).to(device, dtype) for name in names}


def _values(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())
