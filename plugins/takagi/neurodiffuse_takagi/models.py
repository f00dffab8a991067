"""The published weights. Importing this imports no torch."""

from __future__ import annotations

from neurodiffuse.types import Model, ModelFile

CITE = "Takagi & Nishimoto 2023, High-resolution image reconstruction, CVPR 2023"
DIFFUSION = "Rombach et al. 2022, High-resolution image synthesis, CVPR 2022"
LICENCE = "CreativeML OpenRAIL-M"
HUB = "https://huggingface.co/CompVis/stable-diffusion-v1-4/resolve/main/"

VAE = ("vae/config.json", "vae/diffusion_pytorch_model.safetensors")
UNET = ("unet/config.json", "unet/diffusion_pytorch_model.safetensors")
TEXT = (
    "text_encoder/config.json",
    "text_encoder/model.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/special_tokens_map.json",
    "tokenizer/tokenizer_config.json",
)

STABLE_DIFFUSION = Model(
    name="stable-diffusion-v1-4",
    files=tuple(ModelFile(path, HUB + path) for path in (*VAE, *UNET, *TEXT)),
    summary="Stable Diffusion 1.4: autoencoder, U-Net and text encoder (about 4.3 GB)",
    licence=LICENCE,
    terms="https://huggingface.co/spaces/CompVis/stable-diffusion-license",
    cite=DIFFUSION,
)
"""The hub's layout of CompVis/stable-diffusion-v1-4; sizes of the files are not published."""
