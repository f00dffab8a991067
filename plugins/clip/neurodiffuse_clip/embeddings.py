"""The embeddings themselves: all tokens, projected, over the length of the pooled one.

Ozcelik & VanRullen 2023, Sci. Rep. 13:15666, after Xu et al. 2023, Versatile Diffusion,
arXiv:2211.08332. Importing this imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ftfy import fix_text
from torch import Tensor

from neurodiffuse_clip.pictures import GREY, prepared


def vision_embeddings(model: Any, images: Sequence[np.ndarray], *, resize: int = 512) -> Tensor:
    """Return the tokens of images, float32 (n, 257, 768) on the model's device.

    ``Z = P(LN(H)) / ‖P(LN(H_0))‖``: the last layer's tokens H, each through the last layer norm
    and the projection, all over the length of the first one (the class token).

    Parameters
    ----------
    model
        transformers' ``CLIPVisionModelWithProjection``, see `neurodiffuse_clip.towers`.
    images
        uint8 (height, width, 3) each, of any size.
    resize
        See `neurodiffuse_clip.pictures.prepared`.
    """
    parameter = model.visual_projection.weight
    pixels = torch.from_numpy(prepared(images, model.config.image_size, resize))
    with torch.inference_mode():
        hidden = model.vision_model(
            pixel_values=pixels.to(parameter.device, parameter.dtype)
        ).last_hidden_state
        tokens = model.visual_projection(model.vision_model.post_layernorm(hidden)).float()
        return tokens / tokens[:, :1].norm(dim=-1, keepdim=True)


def text_embeddings(model: Any, tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Return the tokens of texts, float32 (n, 77, 768) on the model's device.

    ``Z = P(H) / ‖P(H_eot)‖``: the last layer's tokens H, each through the projection, all over
    the length of the one that ends the text. Texts are filled up to, or cut at, the tower's
    length; no attention mask is given, as the reference gives none.

    Parameters
    ----------
    model
        transformers' ``CLIPTextModelWithProjection``, see `neurodiffuse_clip.towers`.
    tokenizer
        The model's own.

    Notes
    -----
    Texts are mended by ftfy first, as the tokenizer of the published code did where ftfy was
    installed, which Brain-Diffuser's environment.yml asks for. It makes ’ and â€™ an apostrophe.
    """
    ids = tokenizer(
        [fix_text(text) for text in texts],
        padding="max_length",
        truncation=True,
        max_length=model.config.max_position_embeddings,
        return_tensors="pt",
    )["input_ids"].to(model.text_projection.weight.device)
    with torch.inference_mode():
        out = model.text_model(input_ids=ids)
        tokens = model.text_projection(out.last_hidden_state).float()
        pooled = model.text_projection(out.pooler_output).float()
        return tokens / pooled.norm(dim=-1)[:, None, None]


def unconditional(vision: Any, text: Any, tokenizer: Any) -> tuple[Tensor, Tensor]:
    """Return what stands for no condition, (1, 257, 768) and (1, 77, 768).

    The tokens of a grey picture and of an empty text.
    """
    size = vision.config.image_size
    grey = np.full((size, size, 3), GREY, np.uint8)
    return vision_embeddings(vision, [grey], resize=0), text_embeddings(text, tokenizer, [""])
