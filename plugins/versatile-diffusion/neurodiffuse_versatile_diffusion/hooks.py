"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Generator, Recipe
from neurodiffuse_versatile_diffusion.models import CITE, LICENCE, VERSATILE_DIFFUSION

CARDS = [
    VERSATILE_DIFFUSION,
    Generator(
        "versatile-diffusion",
        "neurodiffuse_versatile_diffusion.generator:VersatileDiffusion",
        summary="Versatile Diffusion guided by CLIP's vision and text tokens, image to image",
        reads=("vision", "text"),
        optional=("vision", "text", "init"),
        cite=CITE,
        licence=LICENCE,
    ),
    Recipe(
        "brain-diffuser",
        "neurodiffuse_versatile_diffusion:recipes/brain-diffuser.toml",
        summary="VDVAE, CLIP and Versatile Diffusion with the published constants",
        cite="Ozcelik & VanRullen 2023, Sci. Rep. 13:15666",
        licence=LICENCE,
    ),
]
