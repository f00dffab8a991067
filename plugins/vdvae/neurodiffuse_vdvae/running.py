"""A loaded network and how it runs on this machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from neurodiffuse_vdvae.architecture import Architecture

if TYPE_CHECKING:
    import torch

    from neurodiffuse_vdvae.network import Vdvae

PICTURES = 10
"""Pictures of full width and size that are in memory at once while one image is computed."""

MOST = {"cpu": 8, "mps": 32, "cuda": 64}
"""Images at once when memory does not limit them: more are no faster."""


class Options(Protocol):
    """The options that both roles have."""

    weights: str
    batch: int
    device: str
    dtype: str
    memory: int | None


@dataclass(frozen=True)
class Running:
    """A network on its device, and how many images it takes at once."""

    network: Any
    device: torch.device
    dtype: torch.dtype
    batch: int

    @classmethod
    def start(cls, options: Options, made: Architecture, keep: Callable[[Vdvae], None]) -> Running:
        """Load the weights and choose the batch size."""
        from neurodiffuse_torch import batch_size, device_of, dtype_of
        from neurodiffuse_vdvae.weights import load

        device = device_of(options.device)
        dtype = dtype_of(options.dtype, device)
        network = load(made, options.weights, device, dtype, keep)
        each = PICTURES * made.width * made.size**2 * dtype.itemsize
        weights = sum(p.numel() * p.element_size() for p in network.parameters())
        fitting = batch_size(
            each,
            device,
            memory=options.memory,
            fixed=0 if options.memory is None else weights,
            most=options.batch or MOST[device.type],
        )
        return cls(network, device, dtype, fitting)


def check_running(batch: int, memory: int | None) -> None:
    """Refuse a batch size or a memory budget that cannot be."""
    if batch < 0:
        raise ValueError(f"batch must be 0 (what fits) or more, not {batch}")
    if memory is not None and memory < 1:
        raise ValueError(f"memory is in bytes and must be 1 or more, not {memory}")
