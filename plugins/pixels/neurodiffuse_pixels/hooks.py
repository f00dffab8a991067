"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from typing import Any

from neurodiffuse.hookspecs import hookimpl


@hookimpl
def register_encoders(register: Any) -> None:
    """Register the principal components of the image."""
    register(
        "pixels",
        "neurodiffuse_pixels.pca:PixelEncoder",
        summary="Principal components of the image's pixels, fitted on the training images",
        reads=("images",),
    )


@hookimpl
def register_generators(register: Any) -> None:
    """Register the inverse of the components."""
    register(
        "pixels",
        "neurodiffuse_pixels.pca:PixelGenerator",
        summary="The picture that a set of principal components adds up to",
        reads=("pixels",),
    )


@hookimpl
def register_recipes(register: Any) -> None:
    """Register the recipe that uses both."""
    register(
        "pixels",
        "neurodiffuse_pixels:recipes/pixels.toml",
        summary="Ridge to principal components of the pixels: the floor, without any network",
    )
