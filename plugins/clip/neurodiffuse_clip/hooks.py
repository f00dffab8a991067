"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl
from neurodiffuse_clip.models import CITE, LARGE, LICENCE


@hookimpl
def register_models(register: Any) -> None:
    """Register the published weights."""
    register(LARGE)


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the tokens of images and of captions."""
    register(
        "clip-vision",
        "neurodiffuse_clip.encoders:ClipVisionEncoder",
        summary="All 257 tokens of CLIP ViT-L/14's image tower, projected: what is where",
        reads=("images",),
        cite=CITE,
        licence=LICENCE,
    )
    register(
        "clip-text",
        "neurodiffuse_clip.encoders:ClipTextEncoder",
        summary="All 77 tokens of CLIP's text tower, projected, averaged over an image's captions",
        reads=("captions",),
        cite=CITE,
        licence=LICENCE,
    )
