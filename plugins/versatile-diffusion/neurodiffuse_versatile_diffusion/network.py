"""The U-Net that listens to several conditions at once, and the autoencoder.

Versatile Diffusion has an image U-Net and a text U-Net. To paint an image from a vision and a
text condition, the image U-Net does all but attention; every attention block is both U-Nets',
each with its own condition, and their changes to the hidden state ``h`` are mixed::

    h + w (vision(h, c_vision) - h) + (1 - w) (text(h, c_text) - h)

(reference: lib/model_zoo/openaimodel.py, ``UNetModelVD.mixed_run_dc``). Of the text U-Net only
the attention blocks are therefore needed, 267 M of 1,709 M parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging
from torch import Tensor, nn

BRANCHES = ("vision", "text")
"""Names of the two attention blocks at every place."""

SCALE = 0.18215
"""What the autoencoder's latents are multiplied with to have about unit variance."""


@dataclass(frozen=True)
class Part:
    """A condition: the attention blocks that hear it, its tokens (a range), its weight."""

    branch: str
    start: int
    stop: int
    weight: float


class Mixed(nn.Module):
    """Attention blocks side by side; their changes to the hidden state are mixed.

    Stands where diffusers' U-Net has one Transformer2DModel and is called like it. The parts
    come through the U-Net's ``cross_attention_kwargs``.
    """

    def __init__(self, vision: nn.Module, text: nn.Module) -> None:
        super().__init__()
        self.vision = vision
        self.text = text

    def forward(
        self,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor,
        cross_attention_kwargs: Mapping[str, tuple[Part, ...]],
        **others: Any,
    ) -> tuple[Tensor]:
        """Return ``h`` plus the weighted changes, (n, channels, height, width), in a tuple."""
        others["return_dict"] = False
        parts = cross_attention_kwargs["parts"]
        mixed = None
        for part in parts:
            tokens = encoder_hidden_states[:, part.start : part.stop]
            heard = getattr(self, part.branch)(hidden_states, tokens, **others)[0]
            if len(parts) == 1 and part.weight == 1:
                return (heard,)
            change = (heard - hidden_states) * part.weight
            mixed = change if mixed is None else mixed + change
        if mixed is None:
            raise ValueError("no condition to listen to")
        return (mixed + hidden_states,)


def make_unet(config: Mapping[str, Any]) -> Any:  # diffusers tells type checkers too little
    """Return the U-Net with two attention blocks at every place, without memory (``meta``)."""
    with torch.device("meta"), _quiet():
        unet: Any = UNet2DConditionModel.from_config(dict(config))
    for blocks, k in list(attention_places(unet)):
        blocks[k] = Mixed(blocks[k], copy.deepcopy(blocks[k]))
    return unet


def make_vae(config: Mapping[str, Any]) -> Any:
    """Return the autoencoder, without memory (``meta``)."""
    with torch.device("meta"), _quiet():
        return AutoencoderKL.from_config(dict(config))


def attention_places(unet: Any) -> Iterator[tuple[nn.ModuleList, int]]:
    """Yield every list of attention blocks and the index in it."""
    for block in (*unet.down_blocks, unet.mid_block, *unet.up_blocks):
        for k in range(len(getattr(block, "attentions", ()))):
            yield block.attentions, k


def branched(name: str, branch: str) -> str:
    """Return the name of an attention block's tensor in the mixed U-Net."""
    words = name.split(".")
    at = words.index("attentions") + 2
    return ".".join([*words[:at], branch, *words[at:]])


def predict_noise(
    unet: Any, z: Tensor, time: Tensor, tokens: Tensor, parts: tuple[Part, ...]
) -> Tensor:
    """Return the noise that the U-Net finds in ``z`` (n, 4, h, w) at a time, as float32."""
    found = unet(
        z.to(tokens.dtype),
        time,
        tokens,
        cross_attention_kwargs={"parts": parts},
        return_dict=False,
    )
    noise: Tensor = found[0]
    return noise.float()


class _quiet:  # noqa: N801 (a context, used like a function)
    """Keep diffusers from telling about configuration keys of other versions."""

    def __enter__(self) -> None:
        self.before = logging.get_verbosity()
        logging.set_verbosity_error()

    def __exit__(self, *error: object) -> None:
        logging.set_verbosity(self.before)
