"""What we make of the reference's weights is what the reference makes of them, by number.

The reference is Brain-Diffuser's copy of Versatile Diffusion in single precision, see
reference.py.
"""

from __future__ import annotations

import pytest
import torch

from neurodiffuse_torch import load_strictly
from neurodiffuse_versatile_diffusion import original
from neurodiffuse_versatile_diffusion.denoise import Conditions, denoise
from neurodiffuse_versatile_diffusion.network import (
    Part,
    branched,
    make_unet,
    make_vae,
    predict_noise,
)
from neurodiffuse_versatile_diffusion.schedule import Schedule

WIDTH = 24


@pytest.fixture(scope="module")
def unet(tensors):
    vision, text = original.unet_tensors(tensors("unet"))
    named = {branched(k, "vision") if ".attentions." in k else k: v for k, v in vision.items()}
    named |= {branched(k, "text"): v for k, v in text.items()}
    network = make_unet(original.unet_config(vision))
    load_strictly(network, named, "the reference's weights")
    return network.eval()


@pytest.fixture(scope="module")
def vae(tensors):
    named = original.vae_tensors(tensors("vae"))
    network = make_vae(original.vae_config(named))
    load_strictly(network, named, "the reference's autoencoder")
    return network.eval()


def mixed(mix: float) -> tuple[Part, ...]:
    return tuple(p for p in (Part("vision", 0, 7, mix), Part("text", 7, 12, 1 - mix)) if p.weight)


def side_by_side(drawn, vision: str, text: str, n: int) -> torch.Tensor:
    return torch.cat([drawn(vision, n, 7, WIDTH), drawn(text, n, 5, WIDTH)], dim=1)


@pytest.mark.parametrize("mix", [0.6, 1.0, 0.0])
def test_the_unet_hears_both_conditions_like_the_reference(mix, unet, drawn, recorded, distance):
    tokens = side_by_side(drawn, "vision", "text", 2)
    time = torch.tensor([721, 41])
    with torch.inference_mode():
        noise = predict_noise(unet, drawn("x", 2, 4, 16, 16), time, tokens, mixed(mix))
    assert distance(noise, recorded[f"unet_{mix}"]) < 1e-5


def test_the_conditions_matter(recorded, distance):
    """Else the comparison above would say nothing about the mixing."""
    assert distance(recorded["unet_0.6"], recorded["unet_1.0"]) > 0.05
    assert distance(recorded["unet_0.6"], recorded["unet_0.0"]) > 0.05


def test_the_whole_way_of_37_steps_is_the_reference_s(unet, drawn, recorded, distance):
    schedule = Schedule("ddim", 50, 0.75, "reference")
    assert (schedule.taken, schedule.times[0], schedule.times[-1]) == (37, 721, 1)
    z = schedule.noised(drawn("z0", 2, 4, 8, 8), drawn("noise", 2, 4, 8, 8))
    assert distance(z, recorded["start"]) < 1e-6
    given = Conditions(
        side_by_side(drawn, "cv", "ct", 2), mixed(0.6), side_by_side(drawn, "uv", "ut", 1)
    )
    with torch.inference_mode():
        made = denoise(unet, z, given, schedule, guidance=7.5)
    assert distance(made, recorded["loop"]) < 1e-4


def test_the_other_convention_starts_from_less_noise(unet, drawn, recorded, distance):
    schedule = Schedule("ddim", 50, 0.75, "diffusers")
    z = schedule.noised(drawn("z0", 2, 4, 8, 8), drawn("noise", 2, 4, 8, 8))
    kept = 0.070514  # of the signal's variance at t = 721
    expected = kept**0.5 * drawn("z0", 2, 4, 8, 8) + (1 - kept) ** 0.5 * drawn("noise", 2, 4, 8, 8)
    assert distance(z, expected) < 1e-5
    assert distance(z, recorded["start"]) > 1e-3


def test_the_autoencoder_is_the_reference_s(vae, drawn, recorded, distance):
    picture = drawn("picture", 1, 3, 32, 32).clamp(-2, 2) / 2
    with torch.inference_mode():
        moments = vae.encode(picture).latent_dist.parameters
        decoded = vae.decode(drawn("latent", 1, 4, 4, 4)).sample
    assert distance(moments, recorded["moments"]) < 1e-5
    assert distance(decoded, recorded["decoded"]) < 1e-5


def test_published_architectures_have_the_published_numbers_of_weights():
    """1,126,760,324 is the image U-Net (859,520,964) with the text U-Net's 267,239,360."""
    unet = make_unet(
        {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768}
        | {"in_channels": 4, "out_channels": 4, "attention_head_dim": 8}
    )
    text = sum(p.numel() for name, p in unet.named_parameters() if ".text." in name)
    assert text == 267_239_360
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964 + text
