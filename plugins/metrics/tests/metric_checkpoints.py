"""Random weights in files like the published ones, and pictures, the same on every machine."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).parent / "recorded"


def shapes(network: str) -> dict[str, list[int]]:
    """Return names and shapes of a network's tensors as torchvision names them."""
    with gzip.open(HERE / "shapes.json.gz", "rt") as file:
        return json.load(file)[network]


def tensors(named: dict[str, list[int]]) -> dict[str, torch.Tensor]:
    """Return random tensors that keep activations from vanishing, from their names alone."""
    return {name: torch.from_numpy(_values(name, tuple(shape))) for name, shape in named.items()}


def _values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("num_batches_tracked"):
        return np.asarray(0)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return rng.uniform(0.5, 1.5, shape).astype(np.float32)
    values = rng.standard_normal(shape, np.float32)
    if len(shape) == 1:
        return 0.1 * values + (1.0 if name.endswith("weight") else 0.0)
    return values * np.sqrt(2.0 / np.prod(shape[1:]), dtype=np.float32)


def pictures(n: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Return n pictures of soft colours and sharp noise, uint8 (n, height, width, 3)."""
    rng = np.random.default_rng(seed)
    down, across = np.mgrid[0:height:1.0, 0:width:1.0]
    out = np.empty((n, height, width, 3), np.uint8)
    for i in range(n):
        fx, fy, phase = rng.uniform(0, 0.1, 3), rng.uniform(0, 0.1, 3), rng.uniform(0, 6, 3)
        waves = np.sin(across[..., None] * fx + down[..., None] * fy + phase)
        out[i] = np.clip(128 + 90 * waves + rng.normal(0, 20, waves.shape), 0, 255).astype(np.uint8)
    return out


def clip_model():
    """Return a small CLIP of transformers, both towers, with weights of a seed."""
    import torch
    from transformers import CLIPConfig, CLIPModel

    tower = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 3}
    vision = tower | {"num_attention_heads": 2, "patch_size": 32, "image_size": 224}
    text = tower | {"num_attention_heads": 2, "vocab_size": 50, "max_position_embeddings": 8}
    torch.manual_seed(0)
    config = CLIPConfig(vision_config=vision, text_config=text, projection_dim=96)
    model = CLIPModel(config).eval()
    for tensor in model.parameters():
        if tensor.ndim > 1:
            tensor.data *= 4  # far enough from linear that the activation matters
    return model


def positions():
    """Return the rows of numbers that published files hold and newer models do not."""
    import torch

    return {
        "vision_model.embeddings.position_ids": torch.arange(50)[None],
        "text_model.embeddings.position_ids": torch.arange(8)[None],
    }
