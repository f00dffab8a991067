"""Encoder and generator keep the contract, and do what their options say."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from neurodiffuse.errors import ConfigError, DataError, MissingDataError
from neurodiffuse.options import check_options
from neurodiffuse.plugins import Registry
from neurodiffuse.testing import check_encoder, check_generator, example_stimuli
from neurodiffuse.types import Latents, Stimuli
from neurodiffuse_vdvae import hooks
from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.encoder import VdvaeEncoder
from neurodiffuse_vdvae.generator import VdvaeGenerator
from neurodiffuse_vdvae.network import Vdvae


@pytest.fixture(scope="module")
def latents(encoder):
    return {"vdvae": encoder().encode(example_stimuli(5))}


@pytest.mark.parametrize(
    "options", [{}, {"posterior": "mean"}, {"layers": 5, "batch": 2}, {"layers": 1, "seed": 3}]
)
def test_the_encoder_keeps_the_contract(options, encoder):
    check_encoder(encoder(**options))


@pytest.mark.parametrize(
    "options", [{}, {"output": "mean"}, {"temperature": 0.0, "batch": 2}, {"size": 20}]
)
def test_the_generator_keeps_the_contract(options, latents, generator):
    check_generator(generator(**options), latents)


def test_both_are_found_by_their_names():
    registry = Registry([("vdvae", hooks)])
    assert not registry.broken
    for role, cls in [("encoder", VdvaeEncoder), ("generator", VdvaeGenerator)]:
        card = registry.card(role, "vdvae")
        assert registry.load(card) is cls
        assert not check_options("here", cls, {"weights": "w.th", "batch": 4, "memory": 10**9})
    assert registry.card("generator", "vdvae").reads == ("vdvae",)


def test_images_are_prepared_as_the_network_was_trained(tensors, encoder, config):
    stimuli = example_stimuli(2, size=50)
    network = Vdvae(architecture(config))
    network.load_state_dict(tensors)
    small = [
        np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BILINEAR), np.float64)
        for image in stimuli.images
    ]
    x = torch.tensor(((np.stack(small) - 115.92961967) / 69.37404).transpose(0, 3, 1, 2)).float()
    expected = torch.cat([z.flatten(1) for z in network.encode(x, 3, None)], dim=1)
    found = encoder(posterior="mean").encode(stimuli)
    np.testing.assert_allclose(found.values, expected.detach(), rtol=1e-4, atol=1e-6)
    assert [block.shape for block in found.blocks()] == [(2, 2, 1, 1), (2, 2, 4, 4), (2, 2, 4, 4)]


def test_a_sample_is_the_image_s_own(encoder):
    stimuli = example_stimuli(3)
    first = stimuli.images[0]
    other = Stimuli(("a", "b"), [stimuli.images[2], first], ((), ()))
    drawn = encoder()
    assert np.array_equal(drawn.encode(stimuli).values[0], drawn.encode(other).values[1])
    assert not np.allclose(
        drawn.encode(other).values, encoder(seed=1).encode(other).values, atol=0.1
    )


def test_samples_scatter_around_the_mean(encoder):
    stimuli = example_stimuli(1)
    mean = encoder(layers=1, posterior="mean").encode(stimuli).values[0]
    drawn = np.stack([encoder(layers=1, seed=s).encode(stimuli).values[0] for s in range(150)])
    error = drawn.std(0) / np.sqrt(len(drawn))
    assert (drawn.std(0) > 0.05).all()
    assert (np.abs(drawn.mean(0) - mean) < 4 * error).all()


def test_seeds_and_temperature(latents, generator):
    def picture(seed, **options):
        made = generator(**options).generate(latents, init=None, seeds=[seed] * 5)
        return made.values

    assert not np.array_equal(picture(1), picture(2))
    assert not np.array_equal(picture(1, output="mean"), picture(2, output="mean"))
    still = {"output": "mean", "temperature": 0.0}
    assert np.array_equal(picture(1, **still), picture(2, **still))


def test_pictures_are_enlarged_by_pil(latents, generator):
    small = generator().generate(latents, init=None, seeds=range(5)).values
    large = generator(size=32).generate(latents, init=None, seeds=range(5)).values
    expected = Image.fromarray(small[3]).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.array_equal(large[3], np.asarray(expected))


@pytest.mark.parametrize("kind", ["zip", "module."])
def test_other_ways_of_saving_are_read_too(kind, tensors, tmp_path, encoder):
    path = tmp_path / "model.th"
    prefix = "module." if kind == "module." else ""
    torch.save({prefix + name: tensor for name, tensor in tensors.items()}, path)
    stimuli = example_stimuli(2)
    expected = encoder().encode(stimuli).values
    assert np.array_equal(encoder(weights=str(path)).encode(stimuli).values, expected)


def test_a_folder_of_one_s_own(checkpoint, tmp_path, encoder):
    name = "imagenet64-iter-1600000-model-ema.th"
    (tmp_path / name).symlink_to(checkpoint)
    stimuli = example_stimuli(1)
    expected = encoder().encode(stimuli).values
    assert np.array_equal(encoder(weights=str(tmp_path)).encode(stimuli).values, expected)


def test_weights_that_are_not_there(tmp_path, monkeypatch, encoder, generator):
    monkeypatch.setenv("NEURODIFFUSE_MODELS", str(tmp_path))
    (file,) = VdvaeEncoder().downloads()
    assert file.address.endswith("vdvae-assets-2/imagenet64-iter-1600000-model-ema.th")
    assert file.licence == "MIT"
    assert encoder().downloads() == generator().downloads() == ()
    with pytest.raises(MissingDataError, match="models fetch vdvae-imagenet64"):
        VdvaeEncoder(device="cpu").encode(example_stimuli(1))


def test_another_network_s_checkpoint_is_refused(checkpoint):
    with pytest.raises(DataError, match=r"not the weights of Vdvae, which has 2,482 tensors: "):
        VdvaeEncoder(weights=checkpoint, device="cpu").encode(example_stimuli(1))


def test_latents_of_another_network_are_refused(generator):
    wrong = Latents(("a",), np.zeros((1, 6), np.float32), ((3, 2, 1),))
    with pytest.raises(DataError, match=r"begin with \(3, 2, 1\) are not the first layers"):
        generator().generate({"vdvae": wrong}, init=None, seeds=[1])


@pytest.mark.parametrize("image", [np.zeros((9, 9), np.uint8), np.zeros((9, 9, 3), np.float32)])
def test_images_of_another_kind_are_refused(image, encoder):
    with pytest.raises(DataError, match=r"image grey is .*uint8 \(height, width, 3\) is needed"):
        encoder().encode(Stimuli(("grey",), [image], ((),)))


def test_memory(encoder):
    small = encoder(memory=100_000)
    assert small.encode(example_stimuli(3)).values.shape[0] == 3
    assert 1 <= small._running.batch < 8
    with pytest.raises(ConfigError, match=r"memory: .* is not enough"):
        encoder(memory=1000).encode(example_stimuli(1))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"layers": 0}, "layers must be between 1 and 75"),
        ({"layers": 76}, "layers must be"),
        ({"seed": -1}, "seed"),
        ({"batch": -1}, "batch"),
        ({"memory": 0}, "memory"),
        ({"config": "imagenet32"}, "config"),
    ],
)
def test_encoder_options_out_of_range(options, said):
    with pytest.raises(ValueError, match=said):
        VdvaeEncoder(**options)


@pytest.mark.parametrize("options", [{"temperature": -1}, {"size": 9999}, {"batch": -1}])
def test_generator_options_out_of_range(options):
    with pytest.raises(ValueError, match="must be"):
        VdvaeGenerator(**options)


def test_a_plan_imports_no_torch():
    code = (
        "import sys; from neurodiffuse_vdvae import hooks; "
        "from neurodiffuse_vdvae.encoder import VdvaeEncoder as E; "
        "from neurodiffuse_vdvae.generator import VdvaeGenerator as G; "
        "E().shapes(); E().downloads(); G().downloads(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.gpu
def test_a_gpu_agrees(checkpoint, latents, encoder, config):
    stimuli = example_stimuli(3)
    on_gpu = VdvaeEncoder(weights=checkpoint, config=config, layers=3, device="cuda")
    np.testing.assert_allclose(
        on_gpu.encode(stimuli).values, encoder().encode(stimuli).values, atol=1e-3
    )
    painter = VdvaeGenerator(weights=checkpoint, config=config, size=0, device="cuda")
    check_generator(painter, latents)
