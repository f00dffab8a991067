"""The published weights. Importing this imports no torch."""

from __future__ import annotations

from neurodiffuse.types import Model, ModelFile

CITE = "Xu et al. 2023, Versatile Diffusion, arXiv:2211.08332"
LICENCE = "MIT"
HUB = "https://huggingface.co/shi-labs/versatile-diffusion/resolve/main/"

IMAGE_UNET = "image_unet/diffusion_pytorch_model.bin"
TEXT_UNET = "text_unet/diffusion_pytorch_model.bin"
VAE = "vae/diffusion_pytorch_model.bin"
UNET_CONFIG = "image_unet/config.json"
VAE_CONFIG = "vae/config.json"


def _file(path: str, size: int | None = None) -> ModelFile:
    return ModelFile(path=path, address=HUB + path, size=size)


VERSATILE_DIFFUSION = Model(
    name="versatile-diffusion",
    files=(
        _file(UNET_CONFIG, size=748),
        _file(IMAGE_UNET),
        _file(TEXT_UNET),
        _file(VAE_CONFIG),
        _file(VAE),
    ),
    summary="Versatile Diffusion: image and text U-Net, autoencoder (about 10.6 GB)",
    licence=LICENCE,
    terms="https://github.com/SHI-Labs/Versatile-Diffusion/blob/master/LICENSE",
    cite=CITE,
)
"""Sizes of the large files are published rounded only: 3.44, 6.84 and 0.335 GB."""
