"""Published files into networks, strictly: every tensor in its place, none left over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from neurodiffuse.models import locate
from neurodiffuse.types import Model
from neurodiffuse_torch import load_strictly, read_checkpoint, without_prefix

UNUSED = (
    "fc.",
    "AuxLogits.",
    "projection_head.",
    "prototypes.",
    "text_model.",
    "text_projection.",
    "logit_scale",
    "vision_model.embeddings.position_ids",
)
"""Parts of the published files that no feature needs: heads, the text tower, a row of numbers."""


def file_of(model: Model, given: str) -> Path:
    """Return the file of a model's weights: fetched, or the user's own file or folder."""
    place = locate(model, given)
    return place / model.files[0].path if place.is_dir() else place


def loaded(
    path: Path, build: Callable[[Mapping[str, Tensor], Path], nn.Module], unused: tuple[str, ...]
) -> nn.Module:
    """Return the network of a file, ready to be asked, on the CPU.

    ``build`` gives the network for these tensors; those that begin with ``unused`` are for other
    uses, and counters of batches are of no use here. The file is mapped where its format allows.

    Raises
    ------
    DataError
        If tensors are missing, left over or of another shape.
    """
    tensors = without_prefix(read_checkpoint(path), "module.")
    mine = {
        name: tensor.float()
        for name, tensor in tensors.items()
        if not name.startswith(unused) and not name.endswith("num_batches_tracked")
    }
    with torch.device("meta"):
        network = build(mine, path)
    load_strictly(network, mine, path)
    return network.eval().requires_grad_(False)
