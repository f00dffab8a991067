"""What this distribution plugs into neurodiffuse."""

from __future__ import annotations

from neurodiffuse.cards import Encoder, Generator, Recipe

CARDS = [
    Encoder(
        "pixels",
        "neurodiffuse_pixels.pca:PixelEncoder",
        summary="Principal components of the image's pixels, fitted on the training images",
        reads=("images",),
    ),
    Generator(
        "pixels",
        "neurodiffuse_pixels.pca:PixelGenerator",
        summary="The picture that a set of principal components adds up to",
        reads=("pixels",),
    ),
    Recipe(
        "pixels",
        "neurodiffuse_pixels:recipes/pixels.toml",
        summary="Ridge to principal components of the pixels: the floor, without any network",
    ),
]
