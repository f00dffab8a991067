"""Stable Diffusion's networks: which files they are in, and how they are loaded.

Loading goes through diffusers' and transformers' own ``from_pretrained``, which know the names
that tensors had in older versions; whatever they find missing or left over is refused here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from neurodiffuse import models
from neurodiffuse.errors import DataError, listing
from neurodiffuse_takagi.models import STABLE_DIFFUSION

LATENT = {"latent_channels": 4, "block_out_channels": [128, 256, 512, 512]}
"""The published autoencoder, while its weights are not there yet: a plan needs the shapes."""

WORDS = {"max_position_embeddings": 77, "hidden_size": 768}
"""Likewise the published text encoder."""


def configuration(weights: str, part: str) -> dict[str, Any]:
    """Return a component's configuration: the stored one, else the published one's shapes.

    Raises
    ------
    DataError
        If the stored one is not JSON.
    """
    folder = Path(weights).expanduser() if weights else models.folder_of(STABLE_DIFFUSION)
    path = folder / part / "config.json"
    if not path.is_file():
        return dict(LATENT if part == "vae" else WORDS)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}). Fetch it again.") from error


def load(part: str, weights: str, device: Any, dtype: Any) -> Any:
    """Return a network on its device, ready to be used.

    Parameters
    ----------
    part
        ``"vae"``, ``"unet"`` or ``"text_encoder"``.
    weights
        Folder in the hub's layout; empty for the fetched one.

    Raises
    ------
    MissingDataError
        If files are not there.
    DataError
        If they are damaged or not this network's.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel

    kinds = {"vae": AutoencoderKL, "unet": UNet2DConditionModel, "text_encoder": CLIPTextModel}
    place = models.locate(STABLE_DIFFUSION, weights)
    if not place.is_dir():
        raise DataError(f"{place}: a file; Stable Diffusion's folder of components is needed.")
    with _quiet(), _told(place / part):
        network, found = kinds[part].from_pretrained(
            place,
            subfolder=part,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
        )
    _check(found, place / part, type(network).__name__)
    return network.to(device, dtype).eval().requires_grad_(False)


def tokenizer(weights: str) -> Any:
    """Return the tokenizer."""
    from transformers import CLIPTokenizer

    place = models.locate(STABLE_DIFFUSION, weights)
    with _told(place / "tokenizer"):
        return CLIPTokenizer.from_pretrained(place, subfolder="tokenizer", local_files_only=True)


def words_to_tokens(texts: list[str], network: Any, cut: Any) -> Any:
    """Return the last hidden states (n, tokens, width) of texts, after the final layer norm.

    Texts are padded to the network's length, as Stable Diffusion's conditioning is; longer ones
    are cut. They are mended by ftfy first, as its published tokenizer does where ftfy is
    installed, which Stable Diffusion's environment brings.
    """
    import torch
    from ftfy import fix_text

    length = network.config.max_position_embeddings
    tokens = cut(
        [fix_text(text) for text in texts],
        padding="max_length",
        max_length=length,
        truncation=True,
        return_tensors="pt",
    )
    with torch.inference_mode():
        return network(tokens.input_ids.to(network.device)).last_hidden_state.float()


def _check(found: dict[str, Any], place: Path, kind: str) -> None:
    wrong = {
        "missing": found.get("missing_keys", ()),
        "not expected": [
            k for k in found.get("unexpected_keys", ()) if not k.endswith("position_ids")
        ],
        "of another shape": [str(k) for k in found.get("mismatched_keys", ())],
    }
    said = [
        f"{len(names):,} {what} ({listing(sorted(names), most=3)})"
        for what, names in wrong.items()
        if names
    ]
    if said:
        raise DataError(f"{place}: not the weights of {kind}: {'; '.join(said)}.")


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    """Turn what goes wrong in the libraries into one line."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(
            f"{place}: cannot be loaded ({reason}). Fetch it again: neurodiffuse models fetch "
            f"{STABLE_DIFFUSION.name}"
        ) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError":
            raise
        raise DataError(f"{place}: damaged or cut short ({error}). Fetch it again.") from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' remarks and bars from the terminal."""
    from diffusers.utils import logging as first
    from transformers.utils import logging as second

    before = first.get_verbosity(), second.get_verbosity()
    first.set_verbosity_error()
    second.set_verbosity_error()
    bar = second.is_progress_bar_enabled()
    second.disable_progress_bar()
    try:
        yield
    finally:
        if bar:
            second.enable_progress_bar()
        first.set_verbosity(before[0])
        second.set_verbosity(before[1])
