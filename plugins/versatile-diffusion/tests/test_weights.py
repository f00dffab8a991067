"""Every layout of the weights is read, one compact file is made of it, and wrong ones are told."""

from __future__ import annotations

import json
import os
import shutil

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import safe_open

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.models import folder_of
from neurodiffuse_torch import load_strictly
from neurodiffuse_versatile_diffusion import compact, places, weights
from neurodiffuse_versatile_diffusion.models import IMAGE_UNET, TEXT_UNET, VERSATILE_DIFFUSION
from neurodiffuse_versatile_diffusion.network import Part, make_unet, make_vae, predict_noise


def loaded(needed, prefix, network):
    mine = {k.removeprefix(prefix): v for k, v in needed.tensors.items() if k.startswith(prefix)}
    load_strictly(network, mine, "here")
    return network.float().eval()


def test_the_hub_s_folder_is_what_diffusers_reads_in_it(hub, drawn, distance):
    """Each part on its own: diffusers' own loading is the oracle."""
    needed = weights.read(places.find(str(hub)))
    unet = loaded(needed, "unet.", make_unet(needed.unet))
    theirs = UNet2DConditionModel.from_pretrained(hub, subfolder="image_unet").half().float()
    x, tokens, time = drawn("x", 1, 4, 8, 8), drawn("tokens", 1, 6, 24), torch.tensor(500)
    with torch.inference_mode():
        mine = predict_noise(unet, x, time, tokens, (Part("vision", 0, 6, 1.0),))
        assert distance(mine, theirs(x, time, tokens).sample) < 1e-5
    vae = loaded(needed, "vae.", make_vae(needed.vae))
    theirs = AutoencoderKL.from_pretrained(hub, subfolder="vae").half().float()
    with torch.inference_mode():
        assert distance(vae.decode(x).sample, theirs.decode(x).sample) < 1e-5


def test_text_s_attention_comes_from_the_text_unet(hub):
    needed = weights.read(places.find(str(hub)))
    text = torch.load(hub / TEXT_UNET, weights_only=True)
    name = "mid_block.attentions.0.{}proj_in.weight"
    mine = needed.tensors["unet." + name.format("text.")]
    assert torch.equal(mine, text[name.format("")].half())
    assert not torch.equal(mine, needed.tensors["unet." + name.format("vision.")])
    assert not [k for k in needed.tensors if "text." in k and ".attentions." not in k]


@pytest.mark.parametrize("given", ["file", "folder", "above"])
def test_the_original_checkpoint_is_found(given, pth):
    place = {"file": pth, "folder": pth.parent, "above": pth.parent.parent}[given]
    source = places.find(str(place))
    assert source.files == (pth, pth.with_name("kl-f8.pth"))
    needed = weights.read(source)
    loaded(needed, "unet.", make_unet(needed.unet))
    loaded(needed, "vae.", make_vae(needed.vae))


def test_a_newer_checkpoint_is_what_the_newer_code_makes_of_it(
    pth, newer_tensors, newer_recorded, monkeypatch, drawn, distance
):
    newer = pth.with_name("vd-four-flow-v1-0-fp16.pth")
    torch.save(newer_tensors | {"ctx.image.scale": torch.zeros(())}, newer)
    monkeypatch.setattr(weights, "_half", lambda name, tensor: tensor)
    needed = weights.read(places.find(str(newer)))
    unet = loaded(needed, "unet.", make_unet(needed.unet))
    tokens = torch.cat([drawn("vision", 2, 7, 24), drawn("text", 2, 5, 24)], 1)
    parts = (Part("vision", 0, 7, 0.6), Part("text", 7, 12, 0.4))
    with torch.inference_mode():
        mine = predict_noise(unet, drawn("x", 2, 4, 16, 16), torch.tensor([721, 41]), tokens, parts)
        assert distance(mine, newer_recorded) < 1e-5


@pytest.mark.parametrize("gone", ["image.data_blocks.3.", "image.context_blocks.15.", "text.cont"])
def test_a_newer_checkpoint_that_lacks_layers_is_told_with_the_file_to_take(
    pth, newer_tensors, gone
):
    kept = {k: v for k, v in newer_tensors.items() if not k.startswith(f"diffuser.{gone}")}
    torch.save(kept, pth)
    with pytest.raises(DataError, match=r"Take vd-four-flow-v1-0-fp16-deprecated\.pth") as told:
        weights.read(places.find(str(pth)))
    assert "\n" not in str(told.value)


def test_the_compact_file_is_written_once_and_used(hub, monkeypatch):
    first = compact.obtain(places.find(str(hub)))
    place = hub / places.COMPACT
    with safe_open(place, framework="pt") as file:
        assert {str(file.get_tensor(k).dtype) for k in file.keys()} == {"torch.float16"}  # noqa: SIM118
    monkeypatch.setattr(weights, "read_hub", lambda folder: pytest.fail("read again"))
    again = compact.obtain(places.find(str(hub)))
    assert again.unet == first.unet
    assert again.tensors.keys() == first.tensors.keys()
    assert all(torch.equal(again.tensors[k], first.tensors[k]) for k in first.tensors)
    assert sorted(path.name for path in hub.iterdir()) == sorted(
        ["image_unet", "text_unet", "vae", places.COMPACT]
    )


def test_a_changed_checkpoint_makes_another_compact_file(hub):
    compact.obtain(places.find(str(hub)))
    content = torch.load(hub / IMAGE_UNET, weights_only=True)
    content["conv_out.bias"] += 1
    torch.save(content, hub / IMAGE_UNET)
    os.utime(hub / IMAGE_UNET, ns=(1, 1))
    made = compact.obtain(places.find(str(hub)))
    assert torch.equal(made.tensors["unet.conv_out.bias"], content["conv_out.bias"].half())
    assert torch.equal(
        compact.read(hub / places.COMPACT).tensors["unet.conv_out.bias"],
        content["conv_out.bias"].half(),
    )


def test_the_compact_file_alone_is_enough(hub, tmp_path):
    made = compact.obtain(places.find(str(hub)))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.move(hub / places.COMPACT, alone)
    for place in (alone, alone / places.COMPACT):
        read = compact.obtain(places.find(str(place)))
        assert read.tensors.keys() == made.tensors.keys()
    fetched = folder_of(VERSATILE_DIFFUSION)
    fetched.mkdir(parents=True)
    shutil.move(alone / places.COMPACT, fetched)
    assert compact.obtain(places.find()).tensors.keys() == made.tensors.keys()


def test_a_folder_that_cannot_be_written_is_left_alone(hub, cache, monkeypatch):
    write = compact.write

    def refused(place, *others):
        if place.parent == hub:
            raise PermissionError(place)
        write(place, *others)

    monkeypatch.setattr(compact, "write", refused)
    compact.obtain(places.find(str(hub)))
    assert len(list((cache / "compact").iterdir())) == 1
    monkeypatch.setattr(weights, "read_hub", lambda folder: pytest.fail("read again"))
    compact.obtain(places.find(str(hub)))


def test_nothing_half_written_stays(hub, monkeypatch):
    def full(tensors, path, about):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compact, "save_file", full)
    with pytest.raises(OSError, match="No space"):
        compact.obtain(places.find(str(hub)))
    assert not [path for path in hub.iterdir() if path.is_file()]


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda hub: (hub / TEXT_UNET).unlink(), "text_unet/diffusion_pytorch_model.bin"),
        (lambda hub: shutil.rmtree(hub), "does not exist"),
        (lambda hub: shutil.rmtree(hub / "image_unet"), "neither image_unet"),
    ],
)
def test_what_lacks_is_named(break_it, told, hub):
    break_it(hub)
    with pytest.raises(MissingDataError, match=told) as error:
        places.find(str(hub))
    assert "\n" not in str(error.value)


def test_the_fetched_weights_are_asked_for_by_name():
    with pytest.raises(MissingDataError, match="neurodiffuse models fetch versatile-diffusion"):
        places.find()


def test_the_autoencoder_belongs_beside_the_original_checkpoint(pth):
    pth.with_name("kl-f8.pth").unlink()
    with pytest.raises(MissingDataError, match=r"kl-f8\.pth is not there"):
        places.find(str(pth))


def truncated(hub):
    path = hub / IMAGE_UNET
    path.write_bytes(path.read_bytes()[:1000])


def other_config(hub):
    (hub / "vae" / "config.json").write_text("[]")


def without_a_tensor(hub):
    content = torch.load(hub / IMAGE_UNET, weights_only=True)
    del content["conv_out.bias"]
    torch.save(content, hub / IMAGE_UNET)


def wider(hub):
    path = hub / "image_unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cross_attention_dim": 32}))


def too_large(hub):
    content = torch.load(hub / IMAGE_UNET, weights_only=True)
    content["conv_out.bias"] += 1e6
    torch.save(content, hub / IMAGE_UNET)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (truncated, "damaged or cut short"),
        (other_config, "not a network's configuration"),
        (without_a_tensor, r"1 missing \(conv_out.bias\)"),
        (wider, "of another shape"),
        (too_large, "too large for half precision"),
    ],
)
def test_wrong_weights_are_refused_in_one_line(break_it, told, hub):
    break_it(hub)
    with pytest.raises(DataError, match=told) as error:
        needed = compact.obtain(places.find(str(hub)))
        loaded(needed, "unet.", make_unet(needed.unet))
    assert "\n" not in str(error.value)


def test_another_checkpoint_is_no_versatile_diffusion(pth):
    torch.save({"encoder.weight": torch.zeros(2)}, pth)
    with pytest.raises(DataError, match="not a checkpoint of Versatile Diffusion"):
        compact.obtain(places.find(str(pth)))


def test_a_safetensors_file_of_something_else_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "x.safetensors")
    with pytest.raises(DataError, match="not compact weights"):
        compact.obtain(places.find(str(tmp_path / "x.safetensors")))
