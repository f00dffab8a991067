"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Encoder, Recipe

CARDS = [
    Encoder(
        "layout",
        "neurodiffuse_layout.encoder:Layout",
        summary="Mean colours of an image on a coarse grid",
        reads=("images",),
    ),
    Recipe(
        "layout",
        "neurodiffuse_layout:recipes/layout.toml",
        summary="Principal components of the pixels, and the layout of colours beside them",
    ),
]
