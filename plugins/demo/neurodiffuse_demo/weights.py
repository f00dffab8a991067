"""The shipped weights: half precision on disk, single precision in use, checked when read."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from neurodiffuse.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

NAMES = ("vae", "vision", "text", "denoiser", "evaluator")
MANIFEST = "SHA256.json"


def read(name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return a network's tensors in single precision, and what is noted beside them.

    Raises
    ------
    DataError
        If the file is not the one that was shipped.
    """
    import torch
    from safetensors import safe_open

    folder = files("neurodiffuse_demo") / "weights"
    path = folder / f"{name}.safetensors"
    expected = json.loads((folder / MANIFEST).read_text())[path.name]
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise DataError(
            f"weights/{path.name}: the checksum is {found[:12]}…, not {expected[:12]}…: the file "
            "is damaged. Install neurodiffuse-demo again."
        )
    with safe_open(str(path), framework="pt") as file:  # type: ignore[no-untyped-call]
        tensors = {key: file.get_tensor(key).to(torch.float32) for key in file.keys()}  # noqa: SIM118
        return tensors, dict(file.metadata() or {})


def network(name: str) -> tuple[nn.Module, dict[str, str]]:
    """Return a network with its shipped weights, ready to use, and what is noted beside them."""
    tensors, notes = read(name)
    model = empty(name, notes)
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False), notes


def empty(name: str, notes: dict[str, str]) -> nn.Module:
    """Return a network of the shipped architecture, untrained."""
    from neurodiffuse_demo.nets.clip import Text, Vision
    from neurodiffuse_demo.nets.denoiser import Denoiser
    from neurodiffuse_demo.nets.evaluator import Evaluator
    from neurodiffuse_demo.nets.vae import Vae

    made: dict[str, Any] = {
        "vae": Vae,
        "vision": Vision,
        "text": lambda: Text(len(notes["words"].split())),
        "denoiser": Denoiser,
        "evaluator": lambda: Evaluator(len(notes["categories"].split())),
    }
    return made[name]()
