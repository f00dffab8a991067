"""The published weights. Importing this imports no torch."""

from __future__ import annotations

from neurodiffuse.types import Model, ModelFile

CITE = "Child 2021, Very deep VAEs generalize autoregressive models, arXiv:2011.10650"
LICENCE = "MIT"

IMAGENET64 = Model(
    name="vdvae-imagenet64",
    files=(
        ModelFile(
            path="imagenet64-iter-1600000-model-ema.th",
            address="https://openaipublic.blob.core.windows.net/very-deep-vaes-assets/"
            "vdvae-assets-2/imagenet64-iter-1600000-model-ema.th",
        ),
    ),
    summary="Very deep VAE of 64 x 64 pictures, ImageNet, averaged weights (about 500 MB)",
    licence=LICENCE,
    terms="https://github.com/openai/vdvae/blob/main/LICENSE.md",
    cite=CITE,
)
"""Size and checksum are not published; 125 M parameters in single precision are 500 MB."""
