"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_versatile_diffusion.models import CITE, LICENCE, VERSATILE_DIFFUSION


@hookimpl
def register_models(register: Any) -> None:
    """Register the published weights."""
    register(VERSATILE_DIFFUSION)


@hookimpl
def register_generators(register: Any) -> None:
    """Register the denoiser."""
    register(
        "versatile-diffusion",
        "neurodiffuse_versatile_diffusion.generator:VersatileDiffusion",
        summary="Versatile Diffusion guided by CLIP's vision and text tokens, image to image",
        reads=("vision", "text"),
        optional=("vision", "text", "init"),
        cite=CITE,
        licence=LICENCE,
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register Brain-Diffuser."""
    register(
        "brain-diffuser",
        "neurodiffuse_versatile_diffusion:recipes/brain-diffuser.toml",
        summary="VDVAE, CLIP and Versatile Diffusion with the published constants",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
        licence=LICENCE,
    )
