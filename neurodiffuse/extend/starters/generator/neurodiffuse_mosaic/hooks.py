"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Generator, Recipe

CARDS = [
    Generator(
        "mosaic",
        "neurodiffuse_mosaic.generator:Mosaic",
        summary="Tiles in the mean colours of the predicted picture",
        reads=("pixels",),
    ),
    Recipe(
        "mosaic",
        "neurodiffuse_mosaic:recipes/mosaic.toml",
        summary="Principal components of the pixels, painted in tiles",
    ),
]
