"""The tokens that say nothing, which guidance leads away from.

They are CLIP's, of an empty caption and of a grey picture, made by the formula of
`neurodiffuse_clip.embeddings`.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from neurodiffuse_clip.embeddings import text_embeddings, vision_embeddings
from neurodiffuse_clip.folders import tower
from neurodiffuse_clip.pictures import GREY
from neurodiffuse_clip.towers import load_tokenizer, load_tower
from neurodiffuse_torch import device_of, dtype_of


def empty_tokens(name: str, clip: str, device: str) -> Tensor:
    """Return the tokens of an empty condition, float32 (1, tokens, width) on the CPU.

    Parameters
    ----------
    name
        ``"vision"`` or ``"text"``: one tower of CLIP is loaded, and let go afterwards.
    clip
        Own weights of CLIP; empty for the fetched ones.
    device
        Where CLIP runs, in single precision.
    """
    where = device_of(device)
    found = tower("vision" if name == "vision" else "text", clip)
    model = load_tower(found, where, dtype_of("float32", where))
    if name == "vision":
        size = model.config.image_size
        grey = np.full((size, size, 3), GREY, np.uint8)
        return vision_embeddings(model, [grey], resize=0).cpu()
    return text_embeddings(model, load_tokenizer(found), [""]).cpu()
