"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Encoder, Generator
from neurodiffuse_vdvae.models import CITE, IMAGENET64, LICENCE

CARDS = [
    IMAGENET64,
    Encoder(
        "vdvae",
        "neurodiffuse_vdvae.encoder:VdvaeEncoder",
        summary="First layers of a very deep VAE, 31 of 75: colours and layout at up to 32 x 32",
        reads=("images",),
        cite=CITE,
        licence=LICENCE,
    ),
    Generator(
        "vdvae",
        "neurodiffuse_vdvae.generator:VdvaeGenerator",
        summary="The very deep VAE's picture: the given layers, the others from their prior",
        reads=("vdvae",),
        cite=CITE,
        licence=LICENCE,
    ),
]
