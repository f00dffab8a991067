"""The generator keeps the contract, and does what its options say."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.testing import check_generator, example_stimuli
from neurodiffuse.types import Images, Latents
from neurodiffuse_versatile_diffusion import denoise, unconditional
from neurodiffuse_versatile_diffusion.generator import VersatileDiffusion

SIZE = 64
N = 3


def tokens(name: str, n: int, count: int) -> Latents:
    rng = np.random.default_rng(len(name))
    ids = tuple(f"s{k}" for k in range(n))
    return Latents(ids, rng.standard_normal((n, count * 24), np.float32), ((count, 24),))


@pytest.fixture(scope="module")
def latents():
    return {"vision": tokens("vision", N, 7), "text": tokens("text", N, 5)}


@pytest.fixture(scope="module")
def first():
    stimuli = example_stimuli(N, size=32)
    return Images(tuple(f"s{k}" for k in range(N)), np.stack(list(stimuli.images)))


@pytest.fixture
def clip(monkeypatch):
    """Stand in for CLIP; return the names that were asked for."""
    asked = []

    def empty(name, clip, device):
        asked.append(name)
        count = {"vision": 7, "text": 5}[name]
        return torch.from_numpy(tokens(f"empty {name}", 1, count).values.reshape(1, count, 24))

    monkeypatch.setattr(unconditional, "empty_tokens", empty)
    return asked


@pytest.fixture(scope="module")
def folder(published, tmp_path_factory):
    """Return weights beside which a compact file may be written."""
    return shutil.copytree(published / "hub", tmp_path_factory.mktemp("weights") / "hub")


@pytest.fixture
def make(folder, clip):
    def maker(**options):
        given = {"weights": str(folder), "size": SIZE, "steps": 4, "device": "cpu"}
        return VersatileDiffusion(**given | options)

    return maker


def part(latents, rows):
    return {
        k: Latents(tuple(v.ids[i] for i in rows), v.values[rows], v.shapes)
        for k, v in latents.items()
    }


@pytest.mark.parametrize(
    "options", [{"steps": 2}, {"steps": 3, "guidance": 1.0, "scheduler": "dpm++", "batch": 2}]
)
def test_it_keeps_the_contract(options, make, latents, first):
    optional = ("vision", "text", "init")
    check_generator(make(**options), latents, init=first, optional=optional)


def test_it_starts_from_noise_without_a_first_guess(make, latents):
    check_generator(make(steps=1), latents)


def test_other_images_do_not_matter_to_the_byte(make, latents, first):
    """One by one, as on a CPU; in a batch, kernels round by place, by one level at most."""
    alone = [
        make().generate(part(latents, [k]), init=Images(("x",), first.values[[k]]), seeds=(5 + k,))
        for k in range(N)
    ]
    whole = make().generate(latents, init=first, seeds=(5, 6, 7)).values
    assert np.array_equal(whole, np.concatenate([made.values for made in alone]))
    batch = make(batch=3).generate(latents, init=first, seeds=(5, 6, 7)).values
    turned = make(batch=3).generate(
        part(latents, [2, 0, 1]),
        init=Images(("a", "b", "c"), first.values[[2, 0, 1]]),
        seeds=(7, 5, 6),
    )
    for other in (batch, turned.values[[1, 2, 0]]):
        difference = np.abs(other.astype(int) - whole)
        assert difference.max() <= 1
        assert (difference > 0).mean() < 1e-3


def test_the_seed_matters_and_the_same_one_draws_the_same(make, latents, first):
    generator = make()
    one, two, again = (
        generator.generate(latents, init=first, seeds=s).values
        for s in ((1, 2, 3), (1, 2, 4), (1, 2, 3))
    )
    assert np.array_equal(one, again)
    assert np.array_equal(one[:2], two[:2])
    assert not np.array_equal(one[2], two[2])


def test_tokens_that_say_nothing_are_made_once(make, latents, first, clip):
    generator = make()
    for seeds in ((1, 2, 3), (4, 5, 6)):
        generator.generate(latents, init=first, seeds=seeds)
    assert clip == ["vision", "text"]


def calls(monkeypatch):
    """Return a list that fills with the rows, and the parts, of each call of the U-Net."""
    seen, real = [], denoise.predict_noise

    def spy(unet, z, time, tokens, parts):
        seen.append((len(z), int(time), parts))
        return real(unet, z, time, tokens, parts)

    monkeypatch.setattr(denoise, "predict_noise", spy)
    return seen


def test_guidance_one_is_the_condition_alone(make, latents, first, monkeypatch, clip):
    seen = calls(monkeypatch)
    make(guidance=1.0, batch=N).generate(latents, init=first, seeds=(1, 2, 3))
    assert {rows for rows, _, _ in seen} == {N}
    assert clip == []
    seen.clear()
    make(guidance=2.0, batch=N).generate(latents, init=first, seeds=(1, 2, 3))
    assert {rows for rows, _, _ in seen} == {2 * N}


@pytest.mark.parametrize(("mix", "heard"), [(1.0, "vision"), (0.0, "text")])
def test_mix_zero_and_one_hear_one_kind_alone(mix, heard, make, latents, first, monkeypatch, clip):
    seen = calls(monkeypatch)
    both = make(mix=mix).generate(latents, init=first, seeds=(1, 2, 3)).values
    assert {tuple(p.branch for p in parts) for *_, parts in seen} == {(heard,)}
    assert clip == [heard]
    alone = make().generate({heard: latents[heard]}, init=first, seeds=(1, 2, 3)).values
    assert np.array_equal(both, alone)


def test_both_kinds_matter(make, latents, first):
    made = [
        make(mix=mix).generate(latents, init=first, seeds=(1, 2, 3)).values.astype(int)
        for mix in (0.0, 0.6, 1.0)
    ]
    assert min(np.abs(a - b).mean() for a, b in itertools.pairwise(made)) > 0.5


@pytest.mark.parametrize(
    ("options", "times"),
    [
        ({"steps": 50, "strength": 0.75}, list(range(721, 0, -20))),
        ({"steps": 50, "strength": 0.58}, list(range(541, 0, -20))),  # int(0.58 * 50) is 28
        ({"steps": 4, "strength": 0.5}, [251, 1]),
        ({"steps": 4, "strength": 1.0}, [751, 501, 251, 1]),
        ({"steps": 4, "strength": 0.2}, []),
        ({"steps": 5, "strength": 0.4, "scheduler": "unipc"}, [399, 199]),
    ],
)
def test_strength_is_the_share_of_steps(options, times, make, latents, first, monkeypatch):
    seen = calls(monkeypatch)
    one = Images(("s0",), first.values[:1])
    make(guidance=1.0, **options).generate(part(latents, [0]), init=one, seeds=(1,))
    assert [time for _, time, _ in seen] == times


def test_strength_zero_is_the_autoencoder_s_round_trip(make, latents, first, published):
    """The oracle is diffusers' own autoencoder, given the same noise."""
    from diffusers import AutoencoderKL

    from neurodiffuse_torch import noise

    made = make(strength=0.0).generate(latents, init=first, seeds=(1, 2, 3)).values
    vae = AutoencoderKL.from_pretrained(published / "hub", subfolder="vae").half().float()
    for k, picture in enumerate(first.values):
        large = Image.fromarray(picture).resize((SIZE, SIZE), Image.Resampling.BICUBIC)
        x = torch.from_numpy(np.asarray(large, np.float32).transpose(2, 0, 1)[None] / 255 * 2 - 1)
        with torch.inference_mode():
            found = vae.encode(x).latent_dist
            z = found.mean + found.std * noise((4, 8, 8), [k + 1], stream=3)
            shown = ((vae.decode(z).sample[0] + 1) / 2).clamp(0, 1).numpy().transpose(1, 2, 0)
        assert np.abs((255 * shown).astype(int) - made[k]).max() <= 1


def test_strength_one_forgets_the_first_guess(make, latents, first):
    noise = make(strength=0.3).generate(latents, init=None, seeds=(1, 2, 3)).values
    full = make(strength=1.0).generate(latents, init=first, seeds=(1, 2, 3)).values
    assert np.array_equal(noise, full)


def test_noise_convention_matters(make, latents, first):
    made = [
        make(noise_convention=name).generate(latents, init=first, seeds=(1, 2, 3)).values
        for name in ("reference", "diffusers")
    ]
    assert not np.array_equal(*made)


def test_an_offloaded_network_paints_the_same(make, latents, first, monkeypatch):
    from neurodiffuse_versatile_diffusion import running
    from neurodiffuse_versatile_diffusion.plan import Plan

    expected = make().generate(latents, init=first, seeds=(1, 2, 3)).values
    monkeypatch.setattr(running, "plan", lambda *_: Plan(2, offload=True, sliced=True))
    made = make().generate(latents, init=first, seeds=(1, 2, 3)).values
    assert np.abs(made.astype(int) - expected).max() <= 1


def test_half_precision_s_overflow_is_decoded_in_single(make, latents, first, monkeypatch):
    """bfloat16 stands in for float16, which this CPU has no fast kernels for."""
    generator = make(dtype="bfloat16", strength=0.0)
    expected = generator.generate(latents, init=first, seeds=(1, 2, 3)).values
    vae, real = generator._running.vae, generator._running.vae.decode

    def overflowing(z):
        out = real(z)
        if z.dtype != torch.float32:
            out.sample.fill_(float("inf"))
        return out

    monkeypatch.setattr(vae, "decode", overflowing)
    made = generator.generate(latents, init=first, seeds=(1, 2, 3)).values
    assert np.abs(made.astype(int) - expected).mean() < 2
    assert vae.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"strength": 1.5}, "strength"),
        ({"mix": -0.1}, "mix"),
        ({"steps": 0}, "steps"),
        ({"steps": 501}, "steps"),
        ({"guidance": -1.0}, "guidance"),
        ({"batch": -1}, "batch"),
        ({"memory": 0}, "memory"),
    ],
)
def test_options_that_cannot_be_are_refused(options, told, make):
    with pytest.raises(ValueError, match=told):
        make(**options)


def test_a_size_that_the_network_cannot_paint_is_refused(make, latents):
    with pytest.raises(ConfigError, match="no multiple of 64"):
        make(size=72).generate(latents, init=None, seeds=(1, 2, 3))


def test_too_little_memory_is_told_with_what_is_needed(make, latents):
    with pytest.raises(ConfigError, match="MiB is not enough for one image, which needs"):
        make(memory=1_000_000).generate(latents, init=None, seeds=(1, 2, 3))


def test_latents_of_another_width_are_refused(make, latents):
    wrong = {"vision": Latents(("s0",), np.zeros((1, 30), np.float32), ((3, 10),))}
    with pytest.raises(DataError, match="tokens of width 24"):
        make(guidance=1.0).generate(wrong, init=None, seeds=(1,))


def test_latents_of_another_clip_are_refused(make, latents):
    wrong = {"vision": tokens("vision", 1, 9)}
    with pytest.raises(DataError, match=r"CLIP makes vision tokens of shape \(7, 24\)"):
        make().generate(wrong, init=None, seeds=(1,))


def test_latents_that_are_not_finite_are_refused_by_name(make, latents):
    values = latents["text"].values.copy()
    values[1, 3] = np.nan
    bad = latents | {"text": Latents(latents["text"].ids, values, latents["text"].shapes)}
    with pytest.raises(DataError, match="'text' of s1 are not finite"):
        make().generate(bad, init=None, seeds=(1, 2, 3))


def test_a_plan_imports_no_torch():
    code = (
        "import sys; from neurodiffuse_versatile_diffusion.generator import VersatileDiffusion; "
        "VersatileDiffusion(weights='.'); import neurodiffuse_versatile_diffusion.hooks; "
        "sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
