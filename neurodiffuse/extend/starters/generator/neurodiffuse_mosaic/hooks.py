"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_generators(register: Any) -> None:
    """Register the generator; ``reads`` names the features whose latents it is given."""
    register(
        "mosaic",
        "neurodiffuse_mosaic.generator:Mosaic",
        summary="Tiles in the mean colours of the predicted picture",
        reads=("pixels",),
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register the recipe that uses it."""
    register(
        "mosaic",
        "neurodiffuse_mosaic:recipes/mosaic.toml",
        summary="Principal components of the pixels, painted in tiles",
    )
