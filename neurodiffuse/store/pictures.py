"""Pictures of a run: how they are called, from which seeds they are made, and their files."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from neurodiffuse.files import read_clearly


def labels(ids: Sequence[str]) -> tuple[str, ...]:
    """Return a distinct, alphanumeric BIDS label for each id.

    ``stim-nsd02951`` and ``nsd02951`` become ``nsd02951``; when ids differ only in characters
    that a label cannot hold, a piece of their hash keeps them apart.
    """
    plain = [re.sub(r"[^A-Za-z0-9]", "", i.removeprefix("stim-")) or "x" for i in ids]
    often = {p for p, count in Counter(plain).items() if count > 1}
    return tuple(
        p + hashlib.sha256(i.encode()).hexdigest()[:8] if p in often else p
        for p, i in zip(plain, ids, strict=True)
    )


def content(image: np.ndarray) -> str:
    """Return a name for what a picture holds: its shape and pixels, hashed to 128 bits."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def seed_of(seed: int, image: str, sample: int = 0) -> int:
    """Return the seed of one image: the run's seed and the image's id, hashed to 63 bits.

    Samples after the first one (0) have seeds of their own.
    """
    said = f"{seed}/{image}" + (f"/sample-{sample + 1}" if sample else "")
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big") >> 1


def sample_folder(stage: Path, sample: int) -> Path:
    """Return where a sample's pictures are: the first (0) in the stage's folder, others below."""
    return stage / f"sample-{sample + 1}" if sample else stage


def save_image(path: Path, values: np.ndarray) -> None:
    """Write uint8 (height, width, 3) as PNG, whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    Image.fromarray(values).save(beside, format="PNG")
    beside.replace(path)


def load_image(path: Path) -> np.ndarray:
    """Return a picture as it is stored.

    Raises
    ------
    RunError
        If it is gone or damaged.
    """
    with read_clearly(path):
        return np.asarray(Image.open(path))


def load_images(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Return uint8 (n_images, height, width, 3) of the files ``NAME.png``."""
    first = load_image(folder / f"{names[0]}.png")
    values = np.empty((len(names), *first.shape), first.dtype)
    for k, name in enumerate(names):
        values[k] = load_image(folder / f"{name}.png")
    return values
