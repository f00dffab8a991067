"""CLIP's picture tower (Radford et al. 2021), with the names of transformers' files."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse.errors import DataError

HEAD = 64
"""Channels of an attention head, in all of OpenAI's vision transformers."""


class Embeddings(nn.Module):
    """Patches, and one more token for the whole picture, with their positions."""

    def __init__(self, width: int, patch: int, positions: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding(positions, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, positions, width) of pictures (n, 3, height, width)."""
        patches = self.patch_embedding(x).flatten(2).transpose(1, 2)
        whole = self.class_embedding.expand(len(x), 1, -1)
        return torch.cat([whole, patches], 1) + self.position_embedding.weight


class Attention(nn.Module):
    """Multi-head attention of all tokens to all tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.q_proj, self.k_proj = nn.Linear(width, width), nn.Linear(width, width)
        self.v_proj, self.out_proj = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, positions, width)."""
        q, k, v = (
            part(x).unflatten(2, (-1, HEAD)).transpose(1, 2)
            for part in (self.q_proj, self.k_proj, self.v_proj)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    """Two linear maps with CLIP's quick GELU, x * sigmoid(1.702 x), between."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, inner), nn.Linear(inner, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, positions, width)."""
        y = self.fc1(x)
        return self.fc2(y * torch.sigmoid(1.702 * y))


class Layer(nn.Module):
    """Attention and map, each normalised before and added."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.layer_norm1, self.self_attn = nn.LayerNorm(width), Attention(width)
        self.layer_norm2, self.mlp = nn.LayerNorm(width), Mlp(width, inner)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, positions, width)."""
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Encoder(nn.Module):
    """The layers, one after another."""

    def __init__(self, depth: int, width: int, inner: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, inner) for _ in range(depth))


class Tower(nn.Module):
    """From a picture to its token."""

    def __init__(self, width: int, depth: int, inner: int, patch: int, positions: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(width, patch, positions)
        self.pre_layrnorm = nn.LayerNorm(width)  # so spelt in the published files
        self.encoder = Encoder(depth, width, inner)
        self.post_layernorm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, width) of pictures (n, 3, height, width)."""
        x = self.pre_layrnorm(self.embeddings(x))
        for layer in self.encoder.layers:
            x = layer(x)
        return self.post_layernorm(x[:, 0])


class ClipVision(nn.Module):
    """The image embedding, projected and not normalised: 768 numbers for ViT-L/14."""

    def __init__(
        self, width: int, depth: int, inner: int, patch: int, positions: int, out: int
    ) -> None:
        super().__init__()
        self.vision_model = Tower(width, depth, inner, patch, positions)
        self.visual_projection = nn.Linear(width, out, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, out) of pictures (n, 3, height, width)."""
        return self.visual_projection(self.vision_model(x))


def sized_for(tensors: Mapping[str, Tensor], where: object, side: int) -> ClipVision:
    """Return a tower of the size of these weights, for pictures of ``side`` pixels.

    Raises
    ------
    DataError
        If they are not those of a CLIP picture tower for this size.
    """
    stem = "vision_model.embeddings"
    try:
        out, width = tensors["visual_projection.weight"].shape
        patch = tensors[f"{stem}.patch_embedding.weight"].shape[-1]
        positions = len(tensors[f"{stem}.position_embedding.weight"])
        inner = len(tensors["vision_model.encoder.layers.0.mlp.fc1.weight"])
    except KeyError as error:
        raise DataError(
            f"{where}: no {error.args[0]} in it, so not a CLIP with a picture tower as "
            "transformers saves it."
        ) from error
    if width % HEAD or positions != 1 + (side // patch) ** 2:
        raise DataError(
            f"{where}: a picture tower of width {width} with {positions} positions of {patch} "
            f"pixels; one of OpenAI's for {side} x {side} pixels is needed, such as ViT-L/14."
        )
    depth = len([name for name in tensors if name.endswith("layer_norm1.weight")])
    return ClipVision(width, depth, inner, patch, positions, out)
