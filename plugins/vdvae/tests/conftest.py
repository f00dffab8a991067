"""A tiny network whose weights, input and results the published code has made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from neurodiffuse_vdvae.encoder import VdvaeEncoder
from neurodiffuse_vdvae.generator import VdvaeGenerator

CONFIG = (
    "encoder=8x2,8d2,4x1,4d4,1x1 decoder=1x1,4m1,4x1,8m4,8x1 width=8 bottleneck=4 zdim=2 mixtures=2"
)


@pytest.fixture(scope="session")
def golden() -> dict[str, np.ndarray]:
    return load_file(Path(__file__).parent / "golden" / "tiny.safetensors")


@pytest.fixture(scope="session")
def tensors(golden) -> dict[str, torch.Tensor]:
    named = {k: v for k, v in golden.items() if k.startswith("weights/")}
    return {k.removeprefix("weights/"): torch.from_numpy(v) for k, v in named.items()}


@pytest.fixture(scope="session")
def checkpoint(tensors, tmp_path_factory) -> str:
    """Return a file in the format of the published one: a pickle of 2020."""
    path = tmp_path_factory.mktemp("weights") / "model-ema.th"
    torch.save(tensors, path, _use_new_zipfile_serialization=False)
    return str(path)


@pytest.fixture(scope="session")
def config() -> str:
    return CONFIG


@pytest.fixture(scope="session")
def encoder(checkpoint):
    """Return a maker of encoders of the tiny network."""

    def make(**options) -> VdvaeEncoder:
        given = {"weights": checkpoint, "layers": 3, "config": CONFIG, "device": "cpu"}
        return VdvaeEncoder(**given | options)

    return make


@pytest.fixture(scope="session")
def generator(checkpoint):
    """Return a maker of generators of the tiny network."""

    def make(**options) -> VdvaeGenerator:
        given = {"weights": checkpoint, "size": 0, "config": CONFIG, "device": "cpu"}
        return VdvaeGenerator(**given | options)

    return make
