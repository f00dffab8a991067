"""Our network's numbers are those that the published code gave for the same weights and noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse_torch import Noise
from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.mixture import Mixture
from neurodiffuse_vdvae.network import Vdvae

SEEDS = (5, 6)


@pytest.fixture(scope="module")
def network(tensors, config):
    network = Vdvae(architecture(config))
    network.load_state_dict(tensors, strict=True)
    return network.eval().requires_grad_(False)


def differ(mine, theirs):
    """Return the greatest difference relative to the greatest value."""
    return float(np.abs(np.asarray(mine) - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("layers", [1, 3, 5])
@pytest.mark.parametrize("kind", ["drawn", "means"])
def test_latents(kind, layers, network, golden):
    normal = Noise(SEEDS).normal if kind == "drawn" else None
    mine = network.encode(torch.from_numpy(golden["x"]), layers, normal)
    assert len(mine) == layers
    for i, z in enumerate(mine):
        assert differ(z, golden[f"{kind}/{i}"]) < 1e-5


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_pictures(temperature, network, golden):
    noise = Noise(SEEDS)
    given = [torch.from_numpy(golden[f"drawn/{i}"]) for i in range(3)]
    mixtures = network.decode(given, noise.normal, temperature)
    assert differ(mixtures, golden[f"mixtures/{temperature}"]) < 1e-5
    picture = Mixture.of(mixtures).sample(noise.uniform).numpy()
    levels = np.abs(picture.astype(int) - golden[f"picture/{temperature}"])
    assert levels.max() <= 1  # a value at the border of two levels may fall to either
    assert (levels > 0).mean() < 0.01


def test_forgetting_what_is_not_needed_changes_nothing(network, tensors, config, golden):
    x = torch.from_numpy(golden["x"])
    encoding, decoding = Vdvae(architecture(config)), Vdvae(architecture(config))
    for part in (encoding, decoding):
        part.load_state_dict(tensors)
    encoding.keep_for_encoding(3)
    decoding.keep_for_decoding()
    latents = encoding.encode(x, 3, None)
    for mine, whole in zip(latents, network.encode(x, 3, None), strict=True):
        assert torch.equal(mine, whole)
    assert torch.equal(
        decoding.decode(latents, Noise(SEEDS).normal),
        network.decode(latents, Noise(SEEDS).normal),
    )
    count = {
        name: sum(p.numel() for p in part.parameters())
        for name, part in [("whole", network), ("encoding", encoding), ("decoding", decoding)]
    }
    assert max(count["encoding"], count["decoding"]) < 0.8 * count["whole"]
