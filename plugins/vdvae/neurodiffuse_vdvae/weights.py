"""From a checkpoint to a network that is ready to use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from neurodiffuse.models import locate
from neurodiffuse_torch import load_strictly, read_checkpoint, without_prefix
from neurodiffuse_vdvae.architecture import Architecture
from neurodiffuse_vdvae.models import IMAGENET64
from neurodiffuse_vdvae.network import Vdvae


def load(
    made: Architecture,
    weights: str,
    device: torch.device,
    dtype: torch.dtype,
    keep: Callable[[Vdvae], None] = lambda network: None,
) -> Vdvae:
    """Return the network with its weights, less what ``keep`` lets it forget.

    Parameters
    ----------
    weights
        The user's own checkpoint or folder; empty for fetched weights.
    keep
        Called once every tensor is known to be in its place and before any is moved: what is
        forgotten here takes no memory.

    Raises
    ------
    MissingDataError
        If the file is not there.
    DataError
        If it is damaged or of another architecture.
    """
    path = checkpoint(weights)
    with torch.device("meta"):
        network = Vdvae(made)
    load_strictly(network, without_prefix(read_checkpoint(path), "module."), path)
    keep(network)
    # Convolutions are faster on channels that lie together, on CPUs and GPUs alike.
    network.to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def checkpoint(weights: str) -> Path:
    """Return the file that ``weights`` or the cache of fetched weights has."""
    place = locate(IMAGENET64, weights)
    return place if place.is_file() else place / IMAGENET64.files[0].path
