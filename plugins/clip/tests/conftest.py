"""A tiny CLIP, and what the reference made of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from neurodiffuse.types import Stimuli


@pytest.fixture(scope="session")
def folder() -> Path:
    return Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def golden(folder) -> dict[str, np.ndarray]:
    return load_file(folder / "results.safetensors")


@pytest.fixture(scope="session")
def stimuli(golden) -> Stimuli:
    captions = (
        ("a cat on the mat", "the dog"),
        ("two birds 9 fly over a very long wide old river",),
    )
    return Stimuli(("dark", "bright"), list(golden["images"]), captions)
