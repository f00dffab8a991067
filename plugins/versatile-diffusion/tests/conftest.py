"""Small random checkpoints in the layouts of the published ones.

Weights follow a formula from their names, so none are stored: what the reference made of them
(``recorded/``, written by reference.py) is compared with what we make of them.
"""

from __future__ import annotations

import gzip
import json
import math
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

RECORDED = Path(__file__).parent / "recorded"
CONTEXT = 24
"""Width of the tokens of the tiny network."""

UNET = {
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [32, 32, 64, 64],
    "layers_per_block": 1,
    "cross_attention_dim": CONTEXT,
    "attention_head_dim": 8,
}
AUTOENCODER = {
    "block_out_channels": [32, 32, 32, 32],
    "layers_per_block": 1,
    "latent_channels": 4,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""What diffusers called the autoencoder's attention when the weights were published."""


def weights_of(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the weights that a name stands for, float32 of this shape.

    Matrices and kernels are normal with variance 1 / fan-in; gains are 1, biases 0, both with
    noise of standard deviation 0.1.
    """
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    values = rng.standard_normal(shape, np.float32)
    if len(shape) > 1:
        return values / np.float32(math.sqrt(math.prod(shape[1:])))
    return np.float32(0.1) * values + np.float32(name.endswith("weight"))


def normal(name: str, *shape: int) -> Tensor:
    """Return standard normal values that a name stands for."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return torch.from_numpy(rng.standard_normal(shape, np.float32))


def original_tensors(part: str) -> dict[str, Tensor]:
    """Return the tensors of an original checkpoint, ``unet`` or ``vae``, made small.

    Names and shapes are those of the reference's classes at a tiny configuration.
    """
    names = json.loads(gzip.decompress((RECORDED / f"{part}.json.gz").read_bytes()))
    return {name: torch.from_numpy(weights_of(name, tuple(s))) for name, s in names.items()}


def written_hub(folder: Path, context: int = CONTEXT) -> Path:
    """Write a folder in the layout of shi-labs/versatile-diffusion: pickles, names of 2022.

    The text U-Net has tensors that are no attention's; they are not needed, and have wrong shapes.
    """
    unet = UNet2DConditionModel(**UNET | {"cross_attention_dim": context})
    names = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    image = {k: torch.from_numpy(weights_of(f"image {k}", s)) for k, s in names.items()}
    text = {k: torch.from_numpy(weights_of(f"text {k}", s)) for k, s in names.items()}
    text["conv_in.weight"] = torch.zeros(3)
    autoencoder = AutoencoderKL(**AUTOENCODER)
    vae = {}
    for name, tensor in autoencoder.state_dict().items():
        for new, old in OLD.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{old}.")
        vae[name] = torch.from_numpy(weights_of(f"vae {name}", tuple(tensor.shape)))
    parts = (("image_unet", unet, image), ("text_unet", unet, text), ("vae", autoencoder, vae))
    for name, network, tensors in parts:
        network.save_config(folder / name)
        torch.save(tensors, folder / name / "diffusion_pytorch_model.bin")
    return folder


def write_original(folder: Path) -> Path:
    """Write the original checkpoint and its autoencoder; return the former."""
    path = folder / "vd-four-flow-v1-0-fp16-deprecated.pth"
    half = {name: tensor.half() for name, tensor in original_tensors("unet").items()}
    torch.save(half | {"clip.logit_scale": torch.zeros(())}, path)
    torch.save(original_tensors("vae"), folder / "kl-f8.pth")
    return path


@pytest.fixture(scope="session")
def tensors():
    """Return a maker of original tensors."""
    return original_tensors


@pytest.fixture(scope="session")
def drawn():
    """Return a maker of standard normal values."""
    return normal


@pytest.fixture(scope="session")
def recorded() -> dict[str, Tensor]:
    """Return what the reference made."""
    with np.load(RECORDED / "reference.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored}


@pytest.fixture(scope="session")
def newer_tensors() -> dict[str, Tensor]:
    """Return a newer checkpoint made small, in the names and shapes of the published code."""
    names = json.loads(gzip.decompress((RECORDED / "newer.json.gz").read_bytes()))
    return {name: torch.from_numpy(weights_of(name, tuple(s))) for name, s in names.items()}


@pytest.fixture(scope="session")
def newer_recorded() -> Tensor:
    """Return what the newer code made of it, see newer_reference.py."""
    with np.load(RECORDED / "newer.npz") as stored:
        return torch.from_numpy(stored["unet"])


@pytest.fixture(scope="session")
def write_hub():
    """Return a writer of the hub's layout."""
    return written_hub


@pytest.fixture(scope="session")
def published(tmp_path_factory) -> Path:
    """Return a folder with both layouts, to be copied and not to be changed."""
    folder = tmp_path_factory.mktemp("published")
    written_hub(folder / "hub")
    (folder / "pretrained").mkdir()
    write_original(folder / "pretrained")
    return folder


@pytest.fixture
def hub(published, tmp_path) -> Path:
    return Path(shutil.copytree(published / "hub", tmp_path / "hub"))


@pytest.fixture
def pth(published, tmp_path) -> Path:
    folder = Path(shutil.copytree(published / "pretrained", tmp_path / "pretrained"))
    return next(folder.glob("vd-*.pth"))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """Keep every test's fetched and compact weights apart."""
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def far(mine: Tensor, theirs: Tensor) -> float:
    """Return the greatest difference relative to the greatest value."""
    return float((mine - theirs).abs().max() / theirs.abs().max())


@pytest.fixture(scope="session")
def distance():
    return far
