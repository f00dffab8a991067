"""CLIP's towers, ready to use. Importing this imports torch and transformers."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    CLIPTextConfig,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_clip.folders import Tower
from neurodiffuse_torch import load_strictly, read_checkpoint

PREFIXES = {
    "vision": ("vision_model.", "visual_projection."),
    "text": ("text_model.", "text_projection."),
}
"""Of a tower's tensors in the checkpoint of a whole CLIP."""

TOKENIZER = ("vocab.json", "merges.txt")

WORDS = 49_408
"""Tokens of the published model, which a ``config.json`` may leave out."""

POSITIONS = ".embeddings.position_ids"
"""A count that older checkpoints store; it is no weight."""


def load_tower(found: Tower, device: torch.device, dtype: torch.dtype) -> Any:
    """Return a tower with its weights: transformers' model with projection.

    Every tensor must be in its place: transformers itself would start with random ones.

    Raises
    ------
    DataError
        If the weights are damaged or of another architecture.
    """
    known = {
        "vision": (CLIPVisionConfig, CLIPVisionModelWithProjection),
        "text": (CLIPTextConfig, CLIPTextModelWithProjection),
    }
    config_class, model_class = known[found.kind]
    with torch.device("meta"):
        model: Any = model_class(config_class(**found.settings))
    tensors = {
        name: tensor
        for name, tensor in read_checkpoint(found.weights).items()
        if name.startswith(PREFIXES[found.kind]) and not name.endswith(POSITIONS)
    }
    load_strictly(model, tensors, found.weights)
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name == "position_ids":
                positions = torch.arange(buffer.shape[-1]).expand(1, -1)
                module.register_buffer(name, positions, persistent=False)
    return model.eval().requires_grad_(False).to(device, dtype)


def load_tokenizer(found: Tower) -> Any:
    """Return the text tower's tokenizer.

    Raises
    ------
    MissingDataError
        If its files are not there: transformers would make up a vocabulary of three words.
    DataError
        If they cannot be read or have another vocabulary than the tower.
    """
    place = found.tokenizer
    whole = (place / "tokenizer.json").is_file()
    if lacking := [name for name in TOKENIZER if not whole and not (place / name).is_file()]:
        raise MissingDataError(f"clip: {place} has no {lacking[0]}, which the tokenizer needs.")
    try:
        tokenizer = CLIPTokenizer.from_pretrained(str(place), local_files_only=True)
    except Exception as error:  # transformers has no kind of its own for this
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(f"clip: the tokenizer in {place} cannot be read ({said[:120]}).") from error
    words = int(found.settings["vocab_size"]) if "vocab_size" in found.settings else WORDS
    if len(tokenizer) != words:
        raise DataError(
            f"clip: the tokenizer in {place} knows {len(tokenizer):,} tokens, the text tower "
            f"{words:,}: they are not of the same model."
        )
    return tokenizer
