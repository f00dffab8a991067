"""Which scenes each network is trained on, and what it is trained after."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import neurodiffuse_demo
from neurodiffuse.simulate.scenes import CATEGORIES
from neurodiffuse_demo.nets.clip import vocabulary
from neurodiffuse_demo.nets.denoiser import Denoiser
from neurodiffuse_demo.nets.evaluator import Evaluator
from neurodiffuse_demo.nets.vae import Vae
from neurodiffuse_demo.training import clip, denoiser, evaluator, vae
from neurodiffuse_demo.training.loop import device, train
from neurodiffuse_demo.training.scenes import Scenes, scenes
from neurodiffuse_demo.weights import MANIFEST

TRAIN_SCENES, TRAIN_SEED = 40_000, 1
EVALUATOR_SCENES, EVALUATOR_SEED = 8_000, 2


def run(part: str, folder: Path, *, steps: int, small: bool = False) -> None:
    """Train one network to its end; ``small`` uses few scenes, for a smoke test."""
    if part == "evaluator":
        n = 200 if small else EVALUATOR_SCENES
        course = evaluator.course(
            scenes(n, seed=EVALUATOR_SEED, cache=folder / "cache"), steps=steps
        )
    else:
        n = 200 if small else TRAIN_SCENES
        data = scenes(n, seed=TRAIN_SEED, combinations="train", cache=folder / "cache")
        if part == "denoiser":
            course = denoiser.course(*training_latents(folder, data), data.count, steps=steps)
        else:
            course = {"vae": vae.course, "clip": clip.course}[part](data, steps=steps)
    train(course, folder)


def words_of(data: Scenes) -> tuple[str, ...]:
    """Return the words that the caption tower knows."""
    return vocabulary([caption for row in data.captions for caption in row])


def trained(model: nn.Module, name: str, folder: Path) -> nn.Module:
    """Return a network with the averaged weights of its last checkpoint."""
    state = torch.load(folder / f"{name}.pt", weights_only=True, map_location=device())
    model.load_state_dict(state["mean"])
    return model.to(device()).eval()


def training_latents(folder: Path, data: Scenes) -> tuple[Tensor, Tensor, Tensor]:
    """Return packed latents, vision and text tokens of the training scenes, kept in the folder."""
    words = words_of(data)
    (folder / "words.txt").write_text(" ".join(words))
    tokens_path, latents_path = (folder / f"{k}-{len(data)}.pt" for k in ("tokens", "latents"))
    if not tokens_path.exists():
        towers = trained(clip.Clip(len(words)), "clip", folder)
        kept = (
            denoiser.vision_tokens(towers.get_submodule("vision"), data.images),
            denoiser.text_tokens(towers.get_submodule("text"), words, data.captions),
        )
        torch.save(kept, tokens_path)
    if not latents_path.exists():
        network = Vae()
        trained(network, "vae", folder)
        torch.save(denoiser.packed_latents(network, data.images), latents_path)
    vision, text = torch.load(tokens_path, weights_only=True)
    return torch.load(latents_path, weights_only=True), vision, text


def export(folder: Path) -> None:
    """Write the trained weights, in half precision, and their checksums into the package."""
    words = (folder / "words.txt").read_text()
    towers = trained(clip.Clip(len(words.split())), "clip", folder)
    networks: dict[str, tuple[nn.Module, dict[str, str]]] = {
        "vae": (trained(Vae(), "vae", folder), {}),
        "vision": (towers.get_submodule("vision"), {}),
        "text": (towers.get_submodule("text"), {"words": words}),
        "denoiser": (trained(Denoiser(), "denoiser", folder), {}),
        "evaluator": (
            trained(Evaluator(len(CATEGORIES)), "evaluator", folder),
            {"categories": " ".join(CATEGORIES)},
        ),
    }
    target = Path(neurodiffuse_demo.__file__).parent / "weights"
    sums = {}
    for name, (network, notes) in networks.items():
        path = target / f"{name}.safetensors"
        half = {
            key: (v.half() if v.is_floating_point() else v).contiguous().cpu()
            for key, v in network.state_dict().items()
        }
        save_file(half, path, metadata=notes)
        path.chmod(0o644)
        sums[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    (target / MANIFEST).write_text(json.dumps(sums, indent=1) + "\n")
