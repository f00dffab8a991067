"""The notation, and the published network's sizes (counted in the published code)."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate

import pytest
import torch

from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.network import Vdvae


def test_the_published_network_has_its_parameters():
    with torch.device("meta"):
        network = Vdvae(architecture("imagenet64"))
    named = network.state_dict()
    assert len(named) == 2482
    assert sum(tensor.numel() for tensor in named.values()) == 125_005_860
    assert sum(key.startswith("encoder.enc_blocks.") for key in named) == 65 * 8
    assert sum(key.startswith("decoder.dec_blocks.") for key in named) == 75 * 26
    assert [tuple(named[f"decoder.bias_xs.{i}"].shape) for i in range(6)] == [
        (1, 512, side, side) for side in (1, 4, 8, 16, 32, 64)
    ]
    for key, shape in {
        "encoder.in_conv.weight": (512, 3, 3, 3),
        "encoder.enc_blocks.0.c2.weight": (128, 128, 3, 3),
        "encoder.enc_blocks.64.c2.weight": (128, 128, 1, 1),
        "decoder.dec_blocks.0.enc.c1.weight": (128, 1024, 1, 1),
        "decoder.dec_blocks.0.enc.c4.weight": (32, 128, 1, 1),
        "decoder.dec_blocks.74.prior.c4.bias": (544,),
        "decoder.dec_blocks.74.prior.c3.weight": (128, 128, 3, 3),
        "decoder.dec_blocks.3.z_proj.weight": (512, 16, 1, 1),
        "decoder.out_net.out_conv.weight": (100, 512, 1, 1),
        "decoder.gain": (1, 512, 1, 1),
    }.items():
        assert tuple(named[key].shape) == shape, key


def test_the_published_latents_have_their_shapes():
    made = architecture("imagenet64")
    shapes = made.shapes(31)
    sizes = [c * h * w for c, h, w in shapes]
    assert sum(sizes) == 91_168
    assert [list(accumulate(sizes))[i] for i in (1, 5, 13, 29, 30)] == [
        32, 1056, 9248, 74_784, 91_168,
    ]  # fmt: skip
    assert sum(c * h * w for c, h, w in made.shapes(75)) == 1_451_040
    assert Counter(block.resolution for block in made.decoder) == {
        1: 2, 4: 4, 8: 8, 16: 16, 32: 32, 64: 13,
    }  # fmt: skip
    assert made.size == 64


def test_a_text_says_it_all():
    made = architecture("decoder=2x1,4m2 encoder=4x1,4d2,2x1 zdim=3 width=6")
    assert made.shapes(9) == ((3, 2, 2), (3, 4, 4))
    assert (made.width, made.mixtures, made.bottleneck) == (6, 10, 128)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("imagenet46", "Did you mean 'imagenet64'"),
        ("", "neither a name nor"),
        ("encoder=8x1", "neither a name nor"),
        ("encoder=8x1 decoder=8x1 depth=3", "no such key 'depth'"),
        ("encoder=8x1 decoder=8x1 width=big", "width=big is not a whole number"),
        ("encoder=8x1 decoder=8x1 width=0", "width=0 is not a whole number"),
        ("encoder=8y1 decoder=8x1", "'8y1' in '8y1' is not like 8x3 or 8d2"),
        ("encoder=8x1,,8x1 decoder=8x1", "'' in"),
        ("encoder=8m4 decoder=8x1", "is not like 8x3 or 8d2"),
        ("encoder=8x1 decoder=16x1", "the same and at most"),
        ("encoder=9999x1 decoder=9999x1", "the same and at most 256"),
        ("encoder=8x1,4x1 decoder=4x1,8m4", "an encoder block at 4 follows 8"),
        ("encoder=8d3 decoder=8x1", "an encoder block at 8 follows 8"),
        ("encoder=8d2,4x1 decoder=4x1,8x1", "write 8m4 before it"),
        ("encoder=8d2,4x1 decoder=4x1,8m2", "write 8m4 before it"),
        ("encoder=8d2,4x1 decoder=2x1,8m2", "the encoder never is at 2"),
    ],
)
def test_what_does_not_fit_is_told(config, said):
    with pytest.raises(ValueError, match=said):
        architecture(config)
