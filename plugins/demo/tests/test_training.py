"""The training script runs, learns, resumes; its pieces do what their equations say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurodiffuse_demo import shapes
from neurodiffuse_demo.nets.denoiser import level
from neurodiffuse_demo.nets.vae import pack, unpack
from neurodiffuse_demo.train import main
from neurodiffuse_demo.training import loop, vae
from neurodiffuse_demo.training.blur import Ridge
from neurodiffuse_demo.training.denoiser import remainder
from neurodiffuse_demo.training.muon import orthogonal
from neurodiffuse_demo.training.scenes import scenes


@pytest.fixture(autouse=True)
def unchanged():
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(strict)


def test_every_part_trains_a_few_steps(tmp_path):
    parts = [f"--part={name}" for name in ("vae", "evaluator", "clip", "denoiser")]
    main(["--folder", str(tmp_path), "--short", "2", *parts])
    for name in ("vae", "evaluator", "clip", "denoiser"):
        state = torch.load(tmp_path / f"{name}.pt", weights_only=True)
        assert state["step"] == 2
        assert all(torch.isfinite(v).all() for v in state["mean"].values())
        assert f"{name} 2/2" in (tmp_path / f"{name}.log").read_text()


def test_a_stopped_training_ends_with_the_same_weights(tmp_path):
    data = scenes(20, seed=3)
    whole = loop.train(vae.course(data, steps=4, batch=2), tmp_path / "whole")
    stopped = vae.course(data, steps=4, batch=2)
    loss = stopped.loss

    def cut(step):
        if step == 2:
            raise KeyboardInterrupt
        return loss(step)

    object.__setattr__(stopped, "loss", cut)
    with pytest.raises(KeyboardInterrupt):
        loop.train(stopped, tmp_path / "cut", pause=0)
    resumed = loop.train(vae.course(data, steps=4, batch=2), tmp_path / "cut")
    for one, two in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_the_loss_falls():
    course = vae.course(scenes(8, seed=4), steps=30, batch=8)
    first = course.loss(0)[0].item()
    for step in range(12):
        loss, _ = course.loss(step)
        course.optimisers[0].zero_grad()
        loss.backward()
        course.optimisers[0].step()
    assert course.loss(0)[0].item() < 0.9 * first


def test_the_learning_rate_rises_stays_and_falls():
    rates = [loop.rate(step, 1000, 0.45) for step in range(1000)]
    assert rates[0] < 0.05
    assert rates[200] == rates[540] == 1
    assert rates[-1] == pytest.approx(0.01)
    assert np.all(np.diff(rates[560:]) <= 0)


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 12), (2, 12, 6)])
def test_orthogonal_makes_singular_values_alike(shape):
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert values.min() > 0.3
    assert values.max() < 1.6


def test_ridge_blur_shrinks_as_the_severity_grows():
    torch.manual_seed(0)
    tokens = torch.randn(600, 5, 8) @ torch.diag(torch.linspace(3, 0.1, 8))
    blur = Ridge(tokens)
    rng = torch.Generator().manual_seed(0)
    kept = []
    for severity in (0.0, 1.0):
        blurred = blur.blur(tokens, torch.full((600,), severity), rng)
        kept.append(np.corrcoef(blurred.flatten().numpy(), tokens.flatten().numpy())[0, 1])
    assert kept[0] > 0.7
    assert kept[1] < kept[0] - 0.2


def test_what_is_left_of_a_start_is_what_ddim_leaves():
    torch.manual_seed(0)
    picture, start, noise = torch.randn(3, 50, dtype=torch.float64)
    times = torch.linspace(0.75, 0.05, 15, dtype=torch.float64)
    clean, dirt = level(times)
    z = clean[0] * start + dirt[0] * noise
    for k in range(len(times) - 1):  # a denoiser that always sees the picture
        z = clean[k + 1] * picture + dirt[k + 1] * (z - clean[k] * picture) / dirt[k]
    left = remainder(times[-1:], times[:1])
    assert torch.allclose(z, clean[-1] * picture + dirt[-1] * noise + left * (start - picture))
    assert remainder(torch.tensor([0.8]), torch.tensor([0.7])) == 0


def test_packed_latents_come_back():
    torch.manual_seed(0)
    latents = [torch.randn(2, *shape) for shape in shapes.VAE[: shapes.REGRESSED]]
    packed = pack(latents)
    assert tuple(packed.shape) == (2, *shapes.NOISE)
    for one, two in zip(latents, unpack(packed), strict=True):
        assert torch.equal(one, two)


def test_a_place_of_the_packed_latents_is_that_place_of_every_layer():
    latents = [torch.zeros(1, *shape) for shape in shapes.VAE]
    latents[2][:, :, 3, 0] = 1  # lower left quarter of the 4 x 4 layer
    places = pack(latents)[0, :-1].reshape(8, 8, -1).abs().sum(-1) > 0
    rows, columns = places.nonzero().T
    assert rows.min() >= 6
    assert columns.max() <= 1
