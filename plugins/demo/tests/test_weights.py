"""The shipped weights: untouched, small, and as good as the model card says."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files

import numpy as np
import pytest
import torch

from neurodiffuse.errors import DataError
from neurodiffuse.simulate.scenes import CATEGORIES, scene
from neurodiffuse.types import Stimuli
from neurodiffuse_demo import weights
from neurodiffuse_demo.encoders import VaeEncoder
from neurodiffuse_demo.gate.decode import encoders
from neurodiffuse_demo.generators import DiffusionGenerator, VaeGenerator
from neurodiffuse_demo.metrics import Evaluator

FOLDER = files("neurodiffuse_demo") / "weights"
N = 40


@pytest.fixture(scope="module")
def scenes():
    return [scene(i, seed=62) for i in range(N)]


@pytest.fixture(scope="module")
def made(scenes):
    seen = Stimuli(
        tuple(str(k) for k in range(N)),
        [s.image for s in scenes],
        tuple(s.captions for s in scenes),
    )
    latents = {name: encoder.encode(seen) for name, encoder in encoders().items()}
    vague = {**latents, "vae": VaeEncoder(layers=6).encode(seen)}
    stages = []
    for given in (latents, vague):
        stages.append(VaeGenerator().generate(given, init=None, seeds=range(N)))
        stages.append(DiffusionGenerator().generate(given, init=stages[-1], seeds=range(N)))
    return stages


def test_every_file_is_the_one_in_the_manifest():
    sums = json.loads((FOLDER / weights.MANIFEST).read_text())
    assert set(sums) == {f"{name}.safetensors" for name in weights.NAMES}
    for name, expected in sums.items():
        assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == expected


def test_all_weights_together_are_at_most_15_megabytes():
    sizes = [len((FOLDER / f"{name}.safetensors").read_bytes()) for name in weights.NAMES]
    assert sum(sizes) <= 15e6


def test_half_precision_on_disk_single_in_use():
    from safetensors import safe_open

    with safe_open(str(FOLDER / "vae.safetensors"), framework="pt") as file:
        assert file.get_tensor("start").dtype == torch.float16
    tensors, _ = weights.read("vae")
    assert all(t.dtype == torch.float32 for t in tensors.values())


def test_a_damaged_file_is_refused(tmp_path, monkeypatch):
    copy = tmp_path / "weights"
    copy.mkdir()
    for name in ("SHA256.json", "vae.safetensors"):
        (copy / name).write_bytes((FOLDER / name).read_bytes())
    (copy / "vae.safetensors").write_bytes((FOLDER / "vae.safetensors").read_bytes()[:-4] + b"oops")
    monkeypatch.setattr(weights, "files", lambda package: tmp_path)
    with pytest.raises(DataError, match="checksum"):
        weights.read("vae")


def correlations(scenes, pictures):
    return [
        np.corrcoef(s.image.ravel(), p.ravel())[0, 1]
        for s, p in zip(scenes, pictures.values, strict=True)
    ]


def test_the_first_guess_looks_like_what_was_seen(scenes, made):
    assert np.mean(correlations(scenes, made[0])) > 0.85


def test_both_stages_look_like_what_was_seen(scenes, made):
    assert np.mean(correlations(scenes, made[1])) > 0.83


def hits(scenes, pictures):
    """Return how often the category of a single object has the highest score."""
    scores = Evaluator().scores(pictures.values)
    return np.mean(
        [
            CATEGORIES[row.argmax()] == s.objects[0].category
            for s, row in zip(scenes, scores, strict=True)
            if len(s.objects) == 1
        ]
    )


def test_the_category_is_there(scenes, made):
    assert hits(scenes, made[1]) > 0.95


def test_the_second_stage_names_what_a_vague_first_guess_does_not(scenes, made):
    assert hits(scenes, made[2]) < 0.9
    assert hits(scenes, made[3]) > 0.95


def test_the_evaluator_knows_real_scenes(scenes):
    truth = np.array([[c in {o.category for o in s.objects} for c in CATEGORIES] for s in scenes])
    found = Evaluator().scores(np.stack([s.image for s in scenes])) > 0
    assert (found == truth).mean() > 0.98
