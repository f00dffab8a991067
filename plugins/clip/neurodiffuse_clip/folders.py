"""Where a tower's files lie. Importing this imports no torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.models import cache_root, locate
from neurodiffuse_clip.models import LARGE

Kind = Literal["vision", "text"]

WEIGHTS = ("model.safetensors", "pytorch_model.bin")
SUBFOLDER = {"vision": "image_encoder", "text": "text_encoder"}
"""Where Versatile Diffusion keeps the towers."""


@dataclass(frozen=True)
class Tower:
    """One tower's settings (of its own, with ``projection_dim``), weights and tokenizer."""

    kind: Kind
    settings: dict[str, Any]
    weights: Path
    tokenizer: Path

    @property
    def shape(self) -> tuple[int, int]:
        """Tokens and their length after projection."""
        length = int(self.settings["projection_dim"])
        if self.kind == "text":
            return int(self.settings["max_position_embeddings"]), length
        side = int(self.settings["image_size"]) // int(self.settings["patch_size"])
        return side**2 + 1, length


def tower(kind: Kind, weights: str = "") -> Tower:
    """Return a tower's files.

    ``weights`` is a folder in the layout of the Hugging Face hub: of a whole CLIP, of one tower,
    or of Versatile Diffusion with ``image_encoder``, ``text_encoder`` and ``tokenizer`` inside;
    or the name of fetched weights that have one of these; empty for ``clip-vit-large-patch14``.

    Raises
    ------
    MissingDataError
        If a file is not there.
    DataError
        If ``config.json`` is not that of such a tower.
    """
    root = _root(weights)
    place = root / SUBFOLDER[kind]
    if not place.is_dir():
        place = root
    config = place / "config.json"
    if not config.is_file():
        raise MissingDataError(f"clip: {place} has no config.json. {_layout()}")
    files = [place / name for name in WEIGHTS if (place / name).is_file()]
    if not files:
        raise MissingDataError(f"clip: {place} has neither {' nor '.join(WEIGHTS)}. {_layout()}")
    tokenizer = root / "tokenizer"
    return Tower(
        kind, _settings(config, kind), files[0], tokenizer if tokenizer.is_dir() else place
    )


def _root(weights: str) -> Path:
    if not weights:
        return locate(LARGE)
    given = Path(weights).expanduser()
    fetched = cache_root() / weights
    if not given.exists() and fetched.is_dir():
        return fetched
    if not given.is_dir():
        raise MissingDataError(f"clip: {given} is not a folder. {_layout()}")
    return given


def _settings(config: Path, kind: Kind) -> dict[str, Any]:
    """Return the settings of one tower, those of a whole CLIP taken apart."""
    try:
        found = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise DataError(f"{config}: cannot be read ({error}).") from error
    if not isinstance(found, dict):
        raise DataError(f"{config}: holds no settings by name.")
    if found.get("model_type") == "clip":
        found = {**found.get(f"{kind}_config", {}), "projection_dim": found.get("projection_dim")}
    needed = ("image_size", "patch_size") if kind == "vision" else ("max_position_embeddings",)
    if lacking := [key for key in (*needed, "projection_dim") if not found.get(key)]:
        raise DataError(
            f"{config}: has no {lacking[0]}, so it is not the {kind} tower of a CLIP. {_layout()}"
        )
    return found


def _layout() -> str:
    return (
        f"Give a folder with config.json and {' or '.join(WEIGHTS)} (and the tokenizer's files), "
        "one with image_encoder and text_encoder, or nothing for fetched weights."
    )
