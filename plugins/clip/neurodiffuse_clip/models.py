"""The published weights. Importing this imports no torch."""

from __future__ import annotations

from neurodiffuse.types import Model, ModelFile

CITE = "Radford et al. 2021, Learning transferable visual models, arXiv:2103.00020"
LICENCE = "MIT"

HUB = (
    "https://huggingface.co/openai/clip-vit-large-patch14/resolve/"
    "32bd64288804d66eefd0ccbe215aa642df71cc41/"
)

FILES = {
    "config.json": (4519, "8a09b467700c58138c29d53c605b34ebc69beaadd13274a8a2af8ad2c2f4032a"),
    "model.safetensors": (
        1_710_540_580,
        "a2bf730a0c7debf160f7a6b50b3aaf3703e7e88ac73de7a314903141db026dcb",
    ),
    "vocab.json": (None, "3f0c4f7d2086b61b38487075278ea9ed04edb53a03cbb045b86c27190fa8fb69"),
    "merges.txt": (None, "9fd691f7c8039210e0fced15865466c65820d09b63988b0174bfe25de299051a"),
    "special_tokens_map.json": (
        None,
        "f8c0d6c39aee3f8431078ef6646567b0aba7f2246e9c54b8b99d55c22b707cbf",
    ),
    "tokenizer_config.json": (
        None,
        "deef455e52fa5e8151e339add0582e4235f066009601360999d3a9cda83b1129",
    ),
}

LARGE = Model(
    name="clip-vit-large-patch14",
    files=tuple(
        ModelFile(path=path, address=HUB + path, size=size, sha256=digest)
        for path, (size, digest) in FILES.items()
    ),
    summary="CLIP ViT-L/14, image and text tower (1.7 GB)",
    licence=LICENCE,
    terms="https://github.com/openai/CLIP/blob/main/LICENSE",
    cite=CITE,
)

VISION, TEXT = (257, 768), (77, 768)
"""Tokens and their length in the published model."""
