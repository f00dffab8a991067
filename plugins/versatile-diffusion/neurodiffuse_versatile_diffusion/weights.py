"""What is needed of published weights, whatever their layout."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurodiffuse.errors import DataError
from neurodiffuse_torch import read_checkpoint
from neurodiffuse_versatile_diffusion import newer, original
from neurodiffuse_versatile_diffusion.models import (
    IMAGE_UNET,
    TEXT_UNET,
    UNET_CONFIG,
    VAE,
    VAE_CONFIG,
)
from neurodiffuse_versatile_diffusion.network import branched
from neurodiffuse_versatile_diffusion.places import Source


@dataclass(frozen=True)
class Needed:
    """What the generator needs of published weights, in half precision.

    ``tensors`` have the names of `network.make_unet` and `network.make_vae` behind ``unet.`` and
    ``vae.``; ``unet`` and ``vae`` are the arguments of those.
    """

    unet: dict[str, Any]
    vae: dict[str, Any]
    tensors: dict[str, Tensor]


def read(source: Source) -> Needed:
    """Return what is needed of published weights.

    Raises
    ------
    DataError
        If a file is damaged or not what it should be.
    """
    if source.layout == "hub":
        return read_hub(source.folder)
    if source.layout == "original":
        return read_original(*source.files)
    raise DataError(f"{source.folder}: no compact weights of Versatile Diffusion.")


def read_hub(folder: Path) -> Needed:
    """Return what is needed of a folder in the layout of shi-labs/versatile-diffusion."""
    unet = _config(folder / UNET_CONFIG, needed="cross_attention_dim")
    vae = _config(folder / VAE_CONFIG, needed="latent_channels")
    vision = read_checkpoint(folder / IMAGE_UNET)
    text = read_checkpoint(folder / TEXT_UNET)
    texts = {name: tensor for name, tensor in text.items() if ".attentions." in name}
    if not texts:
        raise DataError(f"{folder / TEXT_UNET}: no tensor is an attention block's.")
    decoder = read_checkpoint(folder / VAE)
    today = original.modern_names(decoder)
    named = {today[name]: original.modern(name, tensor) for name, tensor in decoder.items()}
    return _needed(unet, vae, vision, texts, named)


def read_original(checkpoint: Path, kl: Path) -> Needed:
    """Return what is needed of an original checkpoint, older or newer, and its autoencoder."""
    tensors = read_checkpoint(checkpoint)
    try:
        if newer.is_newer(tensors):
            tensors = newer.as_older(tensors)
        vision, text = original.unet_tensors(tensors)
    except DataError as error:
        raise DataError(f"{checkpoint}: {error}") from error
    try:
        vae = original.vae_tensors(read_checkpoint(kl))
    except DataError as error:
        raise DataError(f"{kl}: {error}") from error
    configs = original.unet_config(vision), original.vae_config(vae)
    return _needed(*configs, vision, text, vae)


def _needed(
    unet: dict[str, Any],
    vae: dict[str, Any],
    vision: Mapping[str, Tensor],
    text: Mapping[str, Tensor],
    decoder: Mapping[str, Tensor],
) -> Needed:
    """Return tensors under the names of our networks, in half precision."""
    tensors = {}
    for name, tensor in vision.items():
        ours = branched(name, "vision") if ".attentions." in name else name
        tensors[f"unet.{ours}"] = _half(name, tensor)
    for name, tensor in text.items():
        tensors[f"unet.{branched(name, 'text')}"] = _half(name, tensor)
    for name, tensor in decoder.items():
        tensors[f"vae.{name}"] = _half(name, tensor)
    return Needed(unet, vae, tensors)


def _half(name: str, tensor: Tensor) -> Tensor:
    half = tensor.to(torch.float16).contiguous()
    if not torch.isfinite(half).all():
        raise DataError(f"{name}: values that are not finite, or too large for half precision.")
    return half


def _config(path: Path, needed: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not a configuration ({error}).") from error
    if not isinstance(content, dict) or needed not in content:
        raise DataError(f"{path}: not a network's configuration, it has no {needed!r}.")
    return content
