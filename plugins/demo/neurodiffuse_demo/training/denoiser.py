"""Train the denoiser on tokens and starts as uncertain as ridge regression makes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurodiffuse.progress import progress
from neurodiffuse_demo.nets.clip import tokens
from neurodiffuse_demo.nets.denoiser import Denoiser, level
from neurodiffuse_demo.nets.vae import Vae, pack
from neurodiffuse_demo.shapes import TEXT, VISION
from neurodiffuse_demo.training.blur import Ridge, blurred
from neurodiffuse_demo.training.loop import Course, device
from neurodiffuse_demo.training.muon import Muon
from neurodiffuse_demo.training.vae import pixels

PAIRS = 0.35
"""Share of pictures with two objects."""

BEGUN = 0.5
"""Share of pictures that are on their way from a blurred start, as in image to image."""


@torch.no_grad()
def vision_tokens(tower: nn.Module, images: np.ndarray, batch: int = 100) -> Tensor:
    """Return the picture tower's tokens of uint8 images, (n, 17, 96)."""
    parts = range(0, len(images), batch)
    return torch.cat(
        [tower(pixels(images[i : i + batch])).cpu() for i in progress(parts, "vision tokens")]
    )


@torch.no_grad()
def packed_latents(vae: Vae, images: np.ndarray, batch: int = 100) -> Tensor:
    """Return the autoencoder's latents of uint8 images, half precision (n, 65, 36)."""
    parts = range(0, len(images), batch)
    return torch.cat(
        [
            pack(vae.latents(pixels(images[i : i + batch]))).half().cpu()
            for i in progress(parts, "latents")
        ]
    )


@torch.no_grad()
def text_tokens(
    tower: nn.Module, words: Sequence[str], captions: Sequence[Sequence[str]], batch: int = 500
) -> Tensor:
    """Return the caption tower's tokens, averaged over each picture's captions, (n, 18, 96)."""
    unique = list(dict.fromkeys(c for row in captions for c in row))
    number = {caption: i for i, caption in enumerate(unique)}
    parts = range(0, len(unique), batch)
    table = torch.cat(
        [
            tower(tokens(unique[i : i + batch], words).to(device())).cpu()
            for i in progress(parts, "text tokens")
        ]
    )
    return torch.stack([table[[number[c] for c in row]].mean(0) for row in captions])


def course(
    latents: Tensor,
    vision: Tensor,
    text: Tensor,
    count: np.ndarray,
    *,
    steps: int,
    batch: int = 48,
    rate: float = 2e-3,
) -> Course:
    """Return the course of the denoiser.

    Parameters
    ----------
    latents
        Packed latents of the training scenes, (n, 65, 36).
    vision, text
        Their tokens, (n, 17, 96) and (n, 18, 96).
    count
        Number of objects in each, (n,).
    steps, batch, rate
        Length of the course, pictures a step and highest learning rate.
    """
    torch.manual_seed(3)
    model = prepared(latents, vision, text).to(device())
    matrices = [
        p for name, p in model.blocks.named_parameters() if p.ndim == 2 and "tune" not in name
    ]
    others = [p for p in model.parameters() if not any(p is m for m in matrices)]
    optimisers = (
        Muon(matrices, lr=rate),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=0.0),
    )
    share = np.where(count > 1, PAIRS / np.sum(count > 1), (1 - PAIRS) / np.sum(count == 1))
    known = {"vision": vision, "text": text, "start": latents[:4000].float()}
    ridges = {name: Ridge(values) for name, values in known.items()}

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = torch.Generator(device()).manual_seed(1_000_000 + step)
        rows = np.random.default_rng([13, step]).choice(len(latents), size=batch, p=share)
        clean = latents[rows].to(device()).float()
        given = {"vision": vision[rows], "text": text[rows], "start": clean}
        given = blurred({k: v.to(device()) for k, v in given.items()}, ridges, rng)
        seen, said, mix = conditions(model, given, rng)
        return denoise(model, clean, given["start"], seen, said, mix, rng)

    return Course("denoiser", model, loss, optimisers, steps, average=0.9985)


def prepared(latents: Tensor, vision: Tensor, text: Tensor) -> Denoiser:
    """Return a denoiser that knows the training pictures' latents and tokens.

    A channel is divided by the square root of its spread: those that say much stay larger.
    """
    model = Denoiser()
    known = latents[:4000].float()
    model.latent_mean.copy_(known.mean(0))
    spread = (known - known.mean(0)).pow(2).mean(0)
    places, whole = spread[:-1].mean(0).sqrt(), spread[-1].sqrt()
    usual = places.mean()
    for rows, sd in ((slice(0, -1), places), (slice(-1, None), whole)):
        scale = (sd * usual).sqrt()
        model.latent_scale[rows] = torch.where(sd > 0, scale.clamp(min=0.05 * usual), 1.0)
    for name, values, shape in (("vision", vision, VISION), ("text", text, TEXT)):
        if tuple(values.shape[1:]) != shape:
            raise ValueError(f"{name} tokens of shape {tuple(values.shape[1:])}, not {shape}")
        getattr(model, f"{name}_mean").copy_(values.mean(0))
        getattr(model, f"{name}_sd").copy_((values - values.mean(0)).std())
    return model


def conditions(
    model: Denoiser, given: dict[str, Tensor], rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the tokens a batch is trained with, and their mix.

    One picture in ten has none of either kind, one in twenty lacks one of them; the mix is 0.6
    mostly, and anything between 0 and 1 sometimes.
    """
    n = len(given["vision"])
    draw: dict[str, Any] = {"generator": rng, "device": device()}
    lots = torch.rand(n, **draw)
    out = []
    for name, lacks in (("vision", lots < 0.125), ("text", (lots < 0.1) | (lots > 0.975))):
        values = model.tokens(given[name], name)
        out.append(torch.where(lacks[:, None, None], getattr(model, f"{name}_none"), values))
    lot = torch.rand(n, **draw)
    mix = torch.where(lot < 0.6, 0.6, torch.rand(n, **draw))
    mix = torch.where(lot > 0.9, 1.0, torch.where(lot > 0.78, (lot > 0.9).float(), mix))
    return out[0], out[1], mix


def denoise(
    model: Denoiser,
    latents: Tensor,
    start: Tensor,
    seen: Tensor,
    said: Tensor,
    mix: Tensor,
    rng: torch.Generator,
) -> tuple[Tensor, dict[str, float]]:
    """Return the loss of a batch: squared error of the clean latents by signal to noise."""
    n = len(latents)
    draw: dict[str, Any] = {"generator": rng, "device": latents.device}
    t = (torch.arange(n, device=latents.device) + torch.rand(n, **draw)) / n
    clean, dirt = level(t)
    z = model.scaled(latents)
    begun = (torch.rand(n, **draw) < BEGUN) * remainder(t, 0.5 + 0.45 * torch.rand(n, **draw))
    left = begun[:, None, None] * (model.scaled(start) - z)
    noise = torch.randn(z.shape, **draw)
    noisy = clean[:, None, None] * z + dirt[:, None, None] * noise + left
    error = ((model(noisy, t, seen, said, mix) - z) ** 2).mean(dim=(1, 2))
    weight = ((clean / dirt.clamp(min=1e-3)) ** 2).clamp(0.35, 5)
    late = error[2 * n // 3 :].mean().item()
    return (weight * error).mean(), {"error": error.mean().item(), "error from noise": late}


def remainder(t: Tensor, begin: Tensor) -> Tensor:
    """Return which share of a start's error is left at times t, 0 before it was begun.

    Image to image begins at a time s with clean(s) of the start, dirt(s) of noise. With a perfect
    denoiser a step of DDIM from t to t' multiplies what is neither picture nor noise by
    dirt(t') / dirt(t), so a share clean(s) dirt(t) / dirt(s) of the start's error is left at t.
    """
    clean, dirt = level(begin)
    return torch.where(t <= begin, clean * level(t)[1] / dirt, 0.0)
