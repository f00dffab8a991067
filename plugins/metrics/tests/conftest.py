"""Checkpoints of random weights in the published formats, and an own folder for kept features."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


NETWORKS = ("alexnet", "inception", "efficientnet", "resnet")


@pytest.fixture(autouse=True)
def features_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_FEATURES", str(tmp_path / "features"))
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path / "models"))


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> dict[str, Path]:
    """Return a checkpoint of each network, as it is published."""
    import metric_checkpoints as checkpoints
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    made = {net: checkpoints.tensors(checkpoints.shapes(net)) for net in NETWORKS}
    heads = {"projection_head.0.weight": torch.zeros(2, 2), "prototypes.weight": torch.zeros(2, 2)}
    swav = {f"module.{name}": tensor for name, tensor in made["resnet"].items()}
    swav = {name: t for name, t in swav.items() if not name.startswith("module.fc.")}
    swav |= {f"module.{name}": tensor for name, tensor in heads.items()}
    paths = {net: folder / f"{net}.pth" for net in NETWORKS}
    for net, path in paths.items():
        torch.save(swav if net == "resnet" else made[net], path)
    paths["clip"] = folder / "model.safetensors"
    save_file(checkpoints.clip_model().state_dict() | checkpoints.positions(), paths["clip"])
    return paths
