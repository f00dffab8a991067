"""The published networks fit one 8 GB card, and less memory is met by smaller ways."""

from __future__ import annotations

import pytest

from neurodiffuse.errors import ConfigError
from neurodiffuse_versatile_diffusion.plan import Made, Sizes, plan

GIB = 2**30
FULL = Made(
    unet={"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8},
    vae={"block_out_channels": (128, 256, 512, 512)},
    unet_values=1_126_760_324,
    vae_values=83_653_863,
)


def sizes(whole: bool = False, rows: int = 2, itemsize: int = 2) -> Sizes:
    return Sizes.of(FULL, size=512, itemsize=itemsize, rows=rows, whole=whole)


def chosen(budget: float, whole: bool = False, most: int = 32):
    return plan(sizes(whole), sizes(), int(budget * GIB), most)


def test_the_estimate_covers_what_was_counted():
    """Counted at full size in half precision: 70.5 MiB a row in the U-Net, 384 MiB a picture."""
    mine = sizes()
    assert 2 * 70.5 * 2**20 < mine.step < 2 * 2 * 70.5 * 2**20
    assert 384 * 2**20 < mine.picture < 2 * 384 * 2**20


def test_eight_gigabytes_are_enough_with_nothing_moved():
    """80 % of a card's 8 GB, the CUDA context's half a gigabyte taken off."""
    made = chosen(0.8 * 7.0)
    assert (made.offload, made.sliced) == (False, False)
    assert made.batch >= 8


def test_less_memory_is_met_by_moving_networks_then_by_heads_one_by_one():
    assert not chosen(3.2).offload
    assert chosen(2.5).offload
    assert chosen(2.5).batch == 1
    assert chosen(3.2, whole=True).sliced
    assert not chosen(5.0, whole=True).sliced


def test_the_batch_never_takes_more_than_there_is():
    for budget in (2.4, 2.6, 3.0, 4.0, 6.0, 16.0):
        made = chosen(budget, most=1000)
        mine = sizes()
        held = mine.unet if made.offload else mine.unet + mine.vae
        assert held + made.batch * mine.step <= budget * GIB
        assert held + (made.batch + 1) * mine.step > budget * GIB


def test_no_guidance_takes_half_the_room():
    assert sizes(rows=1).step == sizes().step // 2


def test_too_little_is_refused_with_what_is_needed():
    with pytest.raises(ConfigError, match="2,048 MiB is not enough for one image, which needs 2,3"):
        chosen(2.0)
