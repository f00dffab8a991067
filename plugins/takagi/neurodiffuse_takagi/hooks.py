"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_takagi.models import CITE, DIFFUSION, LICENCE, STABLE_DIFFUSION


@hookimpl
def register_models(register: Any) -> None:
    """Register the published weights."""
    register(STABLE_DIFFUSION)


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the latent of the picture and the tokens of the captions."""
    register(
        "stable-diffusion-latent",
        "neurodiffuse_takagi.encoders:LatentEncoder",
        summary="Latent of Stable Diffusion's autoencoder: layout and colours",
        reads=("images",),
        cite=DIFFUSION,
        licence=LICENCE,
    )
    register(
        "stable-diffusion-text",
        "neurodiffuse_takagi.encoders:TextEncoder",
        summary="Tokens of Stable Diffusion's text encoder, averaged over an image's captions",
        reads=("captions",),
        cite=DIFFUSION,
        licence=LICENCE,
    )


@hookimpl
def register_generators(register: Any) -> None:
    """Register the picture of the latent, and image to image under the tokens."""
    register(
        "stable-diffusion-latent",
        "neurodiffuse_takagi.generators:LatentGenerator",
        summary="The picture that a latent of Stable Diffusion's autoencoder stands for",
        reads=("z",),
        cite=DIFFUSION,
        licence=LICENCE,
    )
    register(
        "stable-diffusion",
        "neurodiffuse_takagi.generators:DiffusionGenerator",
        summary="Stable Diffusion under text tokens, image to image",
        reads=("c",),
        optional=("c", "init"),
        cite=DIFFUSION,
        licence=LICENCE,
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register the published method."""
    register(
        "takagi",
        "neurodiffuse_takagi:recipes/takagi.toml",
        summary="Stable Diffusion from early and ventral visual cortex (CVPR 2023)",
        cite=CITE,
        licence=LICENCE,
    )
