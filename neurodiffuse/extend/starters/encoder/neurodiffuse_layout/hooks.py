"""What this distribution plugs into neurodiffuse; it imports nothing heavy."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the encoder; ``reads`` is ``("captions",)`` for those that encode text."""
    register(
        "layout",
        "neurodiffuse_layout.encoder:Layout",
        summary="Mean colours of an image on a coarse grid",
        reads=("images",),
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register a recipe that predicts it beside the pixels, and scores it."""
    register(
        "layout",
        "neurodiffuse_layout:recipes/layout.toml",
        summary="Principal components of the pixels, and the layout of colours beside them",
    )
