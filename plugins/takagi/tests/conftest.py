"""Stable Diffusion in miniature, random weights in the files and names of the published one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from neurodiffuse.types import Stimuli

WORDS = ["a", "red", "house", "cat", "on", "grass", "photo", "of"]
OLD = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
"""What the attention of the published autoencoder's file is called (diffusers of 2022)."""


def write(folder: Path, *, seed: int = 0) -> Path:
    """Write vae/, unet/, text_encoder/ and tokenizer/ and return the folder."""
    torch.manual_seed(seed)
    vae = AutoencoderKL(
        block_out_channels=(8, 8, 8, 16),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        block_out_channels=(8, 16),
        layers_per_block=1,
        cross_attention_dim=12,
        attention_head_dim=2,
        norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )
    letters = sorted(set("".join(WORDS)))
    vocabulary = [*letters, *(f"{x}</w>" for x in letters)]
    merges: list[str] = []
    for word in WORDS:
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            pair = f"{parts[0]} {parts[1]}"
            if pair not in merges:
                merges.append(pair)
            parts = [parts[0] + parts[1], *parts[2:]]
            if parts[0] not in vocabulary:
                vocabulary.append(parts[0])
    vocabulary += ["<|startoftext|>", "<|endoftext|>"]
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(vocabulary),
            hidden_size=12,
            intermediate_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=9,
            bos_token_id=len(vocabulary) - 2,
            eos_token_id=len(vocabulary) - 1,
            pad_token_id=len(vocabulary) - 1,
        )
    )
    for name, network in (("vae", vae), ("unet", unet), ("text_encoder", text)):
        network.save_pretrained(folder / name)
    _rename_attention(folder / "vae" / "diffusion_pytorch_model.safetensors")
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    number = {word: k for k, word in enumerate(vocabulary)}
    (tokenizer / "vocab.json").write_text(json.dumps(number))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (tokenizer / "special_tokens_map.json").write_text(json.dumps(special))
    about = {**special, "model_max_length": 9, "tokenizer_class": "CLIPTokenizer"}
    (tokenizer / "tokenizer_config.json").write_text(json.dumps(about))
    return folder


def _rename_attention(path: Path) -> None:
    renamed = {}
    for name, tensor in load_file(path).items():
        new = name
        if ".mid_block.attentions.0." in name:
            for modern, old in OLD.items():
                new = new.replace(f".{modern}.", f".{old}.")
        renamed[new] = tensor
    save_file(renamed, path, metadata={"format": "pt"})


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> str:
    return str(write(tmp_path_factory.mktemp("stable-diffusion")))


@pytest.fixture(scope="session")
def stimuli() -> Stimuli:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (40, 56, 3), np.uint8) for _ in range(5)]
    captions = (
        ("a red house", "a house on grass"),
        ("a cat", "", "a photo of a cat"),
        ("a cat on grass",),
        ("photo of a red cat", "a cat"),
        ("a house",),
    )
    return Stimuli(tuple(f"i{k}" for k in range(5)), images, captions)
