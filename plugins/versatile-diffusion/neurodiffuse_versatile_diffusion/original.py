"""The original checkpoints' names for what diffusers calls otherwise.

Facts of the mapping: the reference's classes (SHI-Labs/Versatile-Diffusion, lib/model_zoo) and
diffusers' scripts/convert_versatile_diffusion_to_diffusers.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor

from neurodiffuse.errors import DataError

Names = dict[str, str]
Config = dict[str, Any]

NETWORK = "model.diffusion_model."
IMAGE, TEXT = NETWORK + "unet_image.", NETWORK + "unet_text."
HEADS = 8
"""Attention heads of every level; the one number that the tensors do not tell."""

_RESNET = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_ENDS = {
    "input_blocks.0.0": "conv_in",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
    "middle_block.0": "mid_block.resnets.0",
    "middle_block.1": "mid_block.attentions.0",
    "middle_block.2": "mid_block.resnets.1",
}
_TIME = {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2"}


def unet_tensors(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the image U-Net and the attention layers of the text U-Net, in diffusers' names.

    Raises
    ------
    DataError
        If these are not a four-flow checkpoint's tensors.
    """
    image = _under(IMAGE, tensors)
    text = _under(TEXT, tensors)
    if "input_blocks.0.0.weight" not in image or not text:
        raise DataError(
            f"no tensors {IMAGE}input_blocks.0.0.weight and {TEXT}…: not a checkpoint of "
            "Versatile Diffusion (vd-four-flow-v1-0…)."
        )
    places = _places(image)
    vision = {_renamed(name, places): tensor for name, tensor in image.items()}
    for name, tensor in _under(NETWORK, tensors).items():
        if name.startswith("time_embed."):
            vision[_prefixed(name, _TIME)] = tensor
    attentions = {old: new for old, new in places.items() if ".attentions." in new}
    texts = {
        _prefixed(name, attentions): tensor
        for name, tensor in text.items()
        if _prefix(name, attentions)
    }
    return vision, texts


def unet_config(tensors: Mapping[str, Tensor]) -> Config:
    """Return the arguments of diffusers' UNet2DConditionModel that fit its tensors."""
    levels = _count(tensors, r"down_blocks\.(\d+)\.")
    layers = _count(tensors, r"down_blocks\.0\.resnets\.(\d+)\.")
    width = [tensors[f"down_blocks.{k}.resnets.0.conv1.weight"].shape[0] for k in range(levels)]
    crossed = [f"down_blocks.{k}.attentions.0.norm.weight" in tensors for k in range(levels)]
    query = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
    return {
        "in_channels": tensors["conv_in.weight"].shape[1],
        "out_channels": tensors["conv_out.weight"].shape[0],
        "block_out_channels": width,
        "layers_per_block": layers,
        "cross_attention_dim": tensors[query].shape[1],
        "attention_head_dim": HEADS,
        "down_block_types": ["CrossAttnDownBlock2D" if c else "DownBlock2D" for c in crossed],
        "up_block_types": ["CrossAttnUpBlock2D" if c else "UpBlock2D" for c in crossed[::-1]],
    }


def vae_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the autoencoder (kl-f8.pth) in diffusers' names; what only training needs is left.

    Raises
    ------
    DataError
        If these are not the autoencoder's tensors.
    """
    names = [name for name in tensors if not name.startswith("loss.")]
    levels = _count(names, r"decoder\.up\.(\d+)\.")
    if not levels or "encoder.conv_in.weight" not in tensors:
        raise DataError("no tensors encoder.conv_in.weight and decoder.up.…: not kl-f8.pth.")
    renamed = {_vae_name(name, levels): tensors[name] for name in names}
    return {name: modern(name, tensor) for name, tensor in renamed.items()}


def vae_config(tensors: Mapping[str, Tensor]) -> Config:
    """Return the arguments of diffusers' AutoencoderKL that fit its tensors."""
    levels = _count(tensors, r"encoder\.down_blocks\.(\d+)\.")
    first = [f"encoder.down_blocks.{k}.resnets.0.conv1.weight" for k in range(levels)]
    return {
        "in_channels": tensors["encoder.conv_in.weight"].shape[1],
        "out_channels": tensors["decoder.conv_out.weight"].shape[0],
        "latent_channels": tensors["decoder.conv_in.weight"].shape[1],
        "block_out_channels": [tensors[name].shape[0] for name in first],
        "layers_per_block": _count(tensors, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def modern_names(names: Iterable[str]) -> Names:
    """Return today's names for those that diffusers gave the autoencoder's attention in 2022."""
    out = {}
    for name in names:
        *place, layer, kind = name.split(".")
        old = "attentions" in place and layer in _ATTENTION
        out[name] = ".".join([*place, _ATTENTION[layer] if old else layer, kind])
    return out


def modern(name: str, tensor: Tensor) -> Tensor:
    """Return a tensor in today's shape: attention's 1 x 1 kernels have become matrices."""
    if ".attentions." in name and tensor.ndim == 4:
        return tensor[:, :, 0, 0]
    return tensor


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _places(names: Iterable[str]) -> Names:
    """Return, for each part of the image U-Net, where diffusers has it."""
    known = set(names)
    places, level, layer = dict(_ENDS), 0, 0
    for i in range(1, _count(known, r"input_blocks\.(\d+)\.")):
        if f"input_blocks.{i}.0.op.weight" in known:
            places[f"input_blocks.{i}.0.op"] = f"down_blocks.{level}.downsamplers.0.conv"
            level, layer = level + 1, 0
            continue
        places[f"input_blocks.{i}.0"] = f"down_blocks.{level}.resnets.{layer}"
        places[f"input_blocks.{i}.1"] = f"down_blocks.{level}.attentions.{layer}"
        layer += 1
    outputs = _count(known, r"output_blocks\.(\d+)\.")
    for i in range(outputs):
        level, layer = divmod(i, outputs // (level_count(known)))
        places[f"output_blocks.{i}.0"] = f"up_blocks.{level}.resnets.{layer}"
        for k in (1, 2):  # attention or upsampling, or both in this order
            if f"output_blocks.{i}.{k}.conv.weight" in known:
                places[f"output_blocks.{i}.{k}.conv"] = f"up_blocks.{level}.upsamplers.0.conv"
            elif k == 1:
                places[f"output_blocks.{i}.1"] = f"up_blocks.{level}.attentions.{layer}"
    return places


def level_count(names: Iterable[str]) -> int:
    """Return how many resolutions the U-Net has: one more than it has downsamplers."""
    return 1 + sum(name.endswith(".0.op.weight") for name in names)


def _renamed(name: str, places: Names) -> str:
    place = _prefix(name, places)
    if not place:
        raise DataError(f"{IMAGE}{name}: no part of a U-Net that is known.")
    rest = name.removeprefix(place + ".")
    if ".resnets." in places[place]:
        rest = _prefixed(rest, _RESNET)
    return f"{places[place]}.{rest}"


def _prefix(name: str, table: Names) -> str:
    """Return the first words of a name, with dots, that the table has; empty if none."""
    words = name.split(".")
    for n in range(len(words) - 1, 0, -1):
        if (start := ".".join(words[:n])) in table:
            return start
    return ""


def _prefixed(name: str, table: Names) -> str:
    """Return the name with its first words in the table's."""
    start = _prefix(name, table)
    if not start:
        raise DataError(f"{name}: no part of a U-Net that is known.")
    return table[start] + name.removeprefix(start)


def _vae_name(name: str, levels: int) -> str:
    """Return diffusers' name; the original counts the decoder's levels from the output."""
    changes = (
        (r"\.down\.(\d+)\.block\.", r".down_blocks.\1.resnets."),
        (r"\.down\.(\d+)\.downsample\.", r".down_blocks.\1.downsamplers.0."),
        (r"\.mid\.block_1\.", ".mid_block.resnets.0."),
        (r"\.mid\.block_2\.", ".mid_block.resnets.1."),
        (r"\.mid\.attn_1\.norm\.", ".mid_block.attentions.0.group_norm."),
        (r"\.mid\.attn_1\.([qkv])\.", r".mid_block.attentions.0.to_\1."),
        (r"\.mid\.attn_1\.proj_out\.", ".mid_block.attentions.0.to_out.0."),
        (r"nin_shortcut", "conv_shortcut"),
        (r"coder\.norm_out", "coder.conv_norm_out"),
    )
    for old, new in changes:
        name = re.sub(old, new, name)
    if found := re.match(r"decoder\.up\.(\d+)\.(block|upsample)\.(.*)", name):
        level = levels - 1 - int(found[1])
        kind = "resnets" if found[2] == "block" else "upsamplers.0"
        return f"decoder.up_blocks.{level}.{kind}.{found[3]}"
    return name


def _count(names: Iterable[str], pattern: str) -> int:
    """Return one more than the highest number that a pattern finds at the start of a name."""
    found = [int(m[1]) for name in names if (m := re.match(pattern, name))]
    return max(found, default=-1) + 1
