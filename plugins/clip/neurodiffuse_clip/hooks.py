"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Encoder
from neurodiffuse_clip.models import CITE, LARGE, LICENCE

CARDS = [
    LARGE,
    Encoder(
        "clip-vision",
        "neurodiffuse_clip.encoders:ClipVisionEncoder",
        summary="All 257 tokens of CLIP ViT-L/14's image tower, projected: what is where",
        reads=("images",),
        cite=CITE,
        licence=LICENCE,
    ),
    Encoder(
        "clip-text",
        "neurodiffuse_clip.encoders:ClipTextEncoder",
        summary="All 77 tokens of CLIP's text tower, projected, averaged over an image's captions",
        reads=("captions",),
        cite=CITE,
        licence=LICENCE,
    ),
]
