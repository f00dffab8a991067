"""The newer original checkpoints (``vd-four-flow-v1-0.pth``, ``…-fp16.pth``) in the older's names.

The networks are the same; layers are numbered one after the other, those that hear a condition
apart from the others. Facts: SHI-Labs/Versatile-Diffusion, lib/model_zoo/openaimodel.py,
``UNetModel2D_Next``, and configs/model/vd.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from neurodiffuse.errors import DataError
from neurodiffuse_versatile_diffusion.original import IMAGE, NETWORK, TEXT

PAINTER, TELLER = "diffuser.image.", "diffuser.text."
"""What the U-Nets of pictures and of texts are called."""


def is_newer(tensors: Mapping[str, Tensor]) -> bool:
    """Return whether a checkpoint has the newer layout."""
    return f"{PAINTER}data_blocks.0.0.weight" in tensors


def as_older(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the image U-Net, and the text U-Net's layers that hear a condition, as older names.

    Raises
    ------
    DataError
        If the layers are not those of such a U-Net.
    """
    data, context = _places(tensors)
    out = {}
    for name, tensor in tensors.items():
        if found := re.match(r"diffuser\.image\.data_blocks\.(\d+)\.0\.(.*)", name):
            out[f"{IMAGE}{data[int(found[1])]}.{found[2]}"] = tensor
        elif found := re.match(r"diffuser\.(image|text)\.context_blocks\.(\d+)\.0\.(.*)", name):
            unet = IMAGE if found[1] == "image" else TEXT
            out[f"{unet}{context[int(found[2])]}.{found[3]}"] = tensor
        elif name.startswith(f"{PAINTER}time_embed."):
            out[NETWORK + name.removeprefix(PAINTER)] = tensor
    return out


def _places(tensors: Mapping[str, Tensor]) -> tuple[list[str], list[str]]:
    """Return the older place of each layer, and of each that hears a condition, in their order."""
    layers = _count(tensors, rf"{PAINTER}data_blocks\.(\d+)\.")
    kinds = [_kind(tensors, f"{PAINTER}data_blocks.{k}.0.") for k in range(layers)]
    heard = _count(tensors, rf"{PAINTER}context_blocks\.(\d+)\.")
    levels = 1 + kinds.count("down")
    deep = kinds.index("down") - 1 if "down" in kinds else 0
    crossed, rest = divmod(heard - 1, 2 * deep + 1) if deep else (0, 1)
    data, context, number = ["input_blocks.0.0"], [], 1
    for level in range(levels):
        for _ in range(deep):
            data.append(f"input_blocks.{number}.0")
            context += [f"input_blocks.{number}.1"] * (level < crossed)
            number += 1
        if level < levels - 1:
            data.append(f"input_blocks.{number}.0")
            number += 1
    data += ["middle_block.0", "middle_block.2"]
    context.append("middle_block.1")
    number = 0
    for level in reversed(range(levels)):
        for k in range(deep + 1):
            data.append(f"output_blocks.{number}.0")
            context += [f"output_blocks.{number}.1"] * (level < crossed)
            if level and k == deep:
                data.append(f"output_blocks.{number}.{1 + (level < crossed)}")
            number += 1
    data.append("out")
    told = _count(tensors, rf"{TELLER}context_blocks\.(\d+)\.")
    if rest or layers != len(data) or not heard == told == len(context):
        raise DataError(
            f"{layers} layers {PAINTER}data_blocks and {heard} and {told} context_blocks: another "
            "network than Versatile Diffusion's. Take vd-four-flow-v1-0-fp16-deprecated.pth."
        )
    return data, context


def _kind(tensors: Mapping[str, Tensor], layer: str) -> str:
    """Return ``down`` for a layer that halves the picture."""
    return "down" if f"{layer}op.weight" in tensors else ""


def _count(tensors: Mapping[str, Tensor], pattern: str) -> int:
    """Return one more than the highest number that a pattern finds at the start of a name."""
    return max((int(m[1]) for name in tensors if (m := re.match(pattern, name))), default=-1) + 1
