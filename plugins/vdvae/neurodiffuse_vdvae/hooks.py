"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_vdvae.models import CITE, IMAGENET64, LICENCE


@hookimpl
def register_models(register: Any) -> None:
    """Register the published weights."""
    register(IMAGENET64)


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the latents of the first layers."""
    register(
        "vdvae",
        "neurodiffuse_vdvae.encoder:VdvaeEncoder",
        summary="First layers of a very deep VAE, 31 of 75: colours and layout at up to 32 x 32",
        reads=("images",),
        cite=CITE,
        licence=LICENCE,
    )


@hookimpl
def register_generators(register: Any) -> None:
    """Register the picture that those layers make."""
    register(
        "vdvae",
        "neurodiffuse_vdvae.generator:VdvaeGenerator",
        summary="The very deep VAE's picture: the given layers, the others from their prior",
        reads=("vdvae",),
        cite=CITE,
        licence=LICENCE,
    )
