"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from neurodiffuse.cards import Decoder, Recipe

CARDS = [
    Decoder(
        "resemblance",
        "neurodiffuse_resemblance.decoder:Resemblance",
        summary="Mean of training latents, weighted by the similarity of responses",
    ),
    Recipe(
        "resemblance",
        "neurodiffuse_resemblance:recipes/resemblance.toml",
        summary="Principal components of the pixels, predicted from similar training responses",
    ),
]
