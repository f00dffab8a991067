"""Where weights are and in which layout, and what of them is needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.models import folder_of, locate
from neurodiffuse_torch import read_checkpoint
from neurodiffuse_versatile_diffusion import original
from neurodiffuse_versatile_diffusion.models import (
    IMAGE_UNET,
    TEXT_UNET,
    UNET_CONFIG,
    VAE,
    VAE_CONFIG,
    VERSATILE_DIFFUSION,
)
from neurodiffuse_versatile_diffusion.network import branched

COMPACT = "neurodiffuse-compact-fp16.safetensors"
"""Name of the file with all that is needed, in half precision."""

FOUR_FLOW = "vd-four-flow*.pth"
KL = "kl-f8.pth"


@dataclass(frozen=True)
class Needed:
    """What the generator needs of published weights, in half precision.

    ``tensors`` have the names of `network.make_unet` and `network.make_vae` behind ``unet.`` and
    ``vae.``; ``unet`` and ``vae`` are the arguments of those.
    """

    unet: dict[str, Any]
    vae: dict[str, Any]
    tensors: dict[str, Tensor]


@dataclass(frozen=True)
class Source:
    """Weights on this machine.

    ``folder`` is where a compact file may lie; ``files`` are what it is made of (none where the
    compact file is all there is), ``read`` makes it.
    """

    folder: Path
    files: tuple[Path, ...] = ()
    read: Callable[[], Needed] | None = None


def find(given: str = "") -> Source:
    """Return the weights that a user gave, or the fetched ones.

    ``given`` is a folder in the layout of the hub (``image_unet/``, ``text_unet/``, ``vae/``),
    a folder with the original ``vd-four-flow….pth`` and ``kl-f8.pth``, the former file itself,
    or a compact file.

    Raises
    ------
    MissingDataError
        If a file lacks; it is named.
    """
    if not given:
        return _fetched()
    place = Path(given).expanduser()
    if place.is_file() and place.suffix == ".safetensors":
        return Source(place)
    if place.is_file():
        return _original(place)
    if not place.is_dir():
        raise MissingDataError(
            f"weights {VERSATILE_DIFFUSION.name!r}: {place} does not exist. Give a folder of "
            "shi-labs/versatile-diffusion, the original .pth file, or nothing to use fetched "
            f"weights (neurodiffuse models fetch {VERSATILE_DIFFUSION.name})."
        )
    if (place / IMAGE_UNET).parent.is_dir():
        return _hub(locate(VERSATILE_DIFFUSION, place))
    if checkpoints := sorted(place.rglob(FOUR_FLOW)):
        return _original(_chosen(checkpoints))
    if (place / COMPACT).is_file():
        return Source(place)
    raise MissingDataError(
        f"weights {VERSATILE_DIFFUSION.name!r}: {place} has neither {IMAGE_UNET} nor "
        f"{FOUR_FLOW} nor {COMPACT}."
    )


def _fetched() -> Source:
    """Return the fetched weights, or the compact file where the others were deleted."""
    folder = folder_of(VERSATILE_DIFFUSION)
    try:
        return _hub(locate(VERSATILE_DIFFUSION))
    except MissingDataError:
        if (folder / COMPACT).is_file():
            return Source(folder)
        raise


def _hub(folder: Path) -> Source:
    files = tuple(folder / file.path for file in VERSATILE_DIFFUSION.files)
    return Source(folder, files, lambda: read_hub(folder))


def _original(checkpoint: Path) -> Source:
    kl = checkpoint.with_name(KL)
    if not kl.is_file():
        raise MissingDataError(
            f"weights {VERSATILE_DIFFUSION.name!r}: {kl} is not there; the autoencoder belongs "
            f"beside {checkpoint.name}."
        )
    return Source(checkpoint.parent, (checkpoint, kl), lambda: read_original(checkpoint, kl))


def _chosen(checkpoints: list[Path]) -> Path:
    """Return the one checkpoint, or of several the one that Brain-Diffuser used."""
    published = [path for path in checkpoints if path.stem.endswith("fp16-deprecated")]
    if len(checkpoints) == 1 or len(published) == 1:
        return (published or checkpoints)[0]
    raise DataError(
        f"weights {VERSATILE_DIFFUSION.name!r}: {len(checkpoints)} files {FOUR_FLOW} under "
        f"{checkpoints[0].parent}; give the one to use."
    )


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
    """Return what is needed of the original checkpoint and its autoencoder."""
    try:
        vision, text = original.unet_tensors(read_checkpoint(checkpoint))
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
