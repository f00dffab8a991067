"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Encoder, Generator, Recipe
from neurodiffuse_takagi.models import CITE, DIFFUSION, LICENCE, STABLE_DIFFUSION

CARDS = [
    STABLE_DIFFUSION,
    Encoder(
        "stable-diffusion-latent",
        "neurodiffuse_takagi.encoders:LatentEncoder",
        summary="Latent of Stable Diffusion's autoencoder: layout and colours",
        reads=("images",),
        cite=DIFFUSION,
        licence=LICENCE,
    ),
    Encoder(
        "stable-diffusion-text",
        "neurodiffuse_takagi.encoders:TextEncoder",
        summary="Tokens of Stable Diffusion's text encoder, averaged over an image's captions",
        reads=("captions",),
        cite=DIFFUSION,
        licence=LICENCE,
    ),
    Generator(
        "stable-diffusion-latent",
        "neurodiffuse_takagi.generators:LatentGenerator",
        summary="The picture that a latent of Stable Diffusion's autoencoder stands for",
        reads=("z",),
        cite=DIFFUSION,
        licence=LICENCE,
    ),
    Generator(
        "stable-diffusion",
        "neurodiffuse_takagi.generators:DiffusionGenerator",
        summary="Stable Diffusion under text tokens, image to image",
        reads=("c",),
        optional=("c", "init"),
        cite=DIFFUSION,
        licence=LICENCE,
    ),
    Recipe(
        "takagi",
        "neurodiffuse_takagi:recipes/takagi.toml",
        summary="Stable Diffusion from early and ventral visual cortex (CVPR 2023)",
        cite=CITE,
        licence=LICENCE,
    ),
]
