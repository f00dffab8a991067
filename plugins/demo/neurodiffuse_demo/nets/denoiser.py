"""The denoiser: a diffusion transformer on the autoencoder's latents, guided by both tokens.

As in Versatile Diffusion, each block has one attention to the vision tokens and one to the text
tokens, and what the two add is mixed: h + mix * vision(h) + (1 - mix) * text(h). It predicts the
clean latents (Salimans & Ho 2022), on a cosine schedule, sampled without noise (DDIM, Song 2021).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_demo.nets.clip import GRID
from neurodiffuse_demo.shapes import NOISE, TEXT, VISION

WIDTH = 128
HEADS = 4
DEPTH = 4
SIDE = 8


def level(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return the share of the picture and of the noise at times 0 (clean) to 1 (noise)."""
    return torch.cos(t * (math.pi / 2)), torch.sin(t * (math.pi / 2))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    heads = [x.unflatten(2, (HEADS, -1)).transpose(1, 2) for x in (q, k, v)]
    return functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)


class Look(nn.Module):
    """Attention of the places to tokens of one kind."""

    def __init__(self) -> None:
        super().__init__()
        self.ask, self.out = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.tell = nn.Linear(WIDTH, 2 * WIDTH)

    def forward(self, h: Tensor, tokens: Tensor) -> Tensor:
        """Return what the tokens add, (n, 65, width)."""
        return self.out(_attend(self.ask(h), *self.tell(tokens).chunk(2, -1)))


class Block(nn.Module):
    """Attention among places, to both kinds of tokens, and a two-layer network."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.vision, self.text = Look(), Look()
        self.beneath = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.tune = nn.Linear(WIDTH, 6 * WIDTH)
        nn.init.zeros_(self.tune.weight)
        with torch.no_grad():
            gates = torch.zeros(6, WIDTH)
            gates[[2, 5]] = 0.3
            self.tune.bias.copy_(gates.flatten())

    def forward(
        self, x: Tensor, tuning: Tensor, vision: Tensor, text: Tensor, mix: Tensor
    ) -> Tensor:
        """Return places of the same shape (n, 65, width)."""
        shift1, scale1, gate1, shift2, scale2, gate2 = self.tune(tuning)[:, None].chunk(6, -1)
        h = functional.layer_norm(x, (WIDTH,)) * (1 + scale1) + shift1
        x = x + gate1 * self.out(_attend(*self.mix(h).chunk(3, -1)))
        h = functional.layer_norm(x, (WIDTH,))
        seen = self.vision(h, vision) + spread(self.beneath(vision[:, 1:]))
        x = x + mix * seen + (1 - mix) * self.text(h, text)
        h = functional.layer_norm(x, (WIDTH,)) * (1 + scale2) + shift2
        return x + gate2 * self.down(functional.gelu(self.up(h), approximate="tanh"))


def spread(tokens: Tensor) -> Tensor:
    """Give each place the vision token it lies in, the whole none: (n, 16, w) to (n, 65, w)."""
    square = tokens.unflatten(1, (GRID, GRID))
    times = SIDE // GRID
    wide = square.repeat_interleave(times, 1).repeat_interleave(times, 2).flatten(1, 2)
    return functional.pad(wide, (0, 0, 0, 1))


class Denoiser(nn.Module):
    """Predict the clean latents from noisy ones, the time and the tokens.

    The buffers hold what is known of the training pictures: mean and scale of the packed latents
    and of the tokens.
    """

    latent_mean: Tensor
    latent_scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("latent_mean", torch.zeros(NOISE))
        self.register_buffer("latent_scale", torch.ones(NOISE))
        for name, shape in (("vision", VISION), ("text", TEXT)):
            self.register_buffer(f"{name}_mean", torch.zeros(shape))
            self.register_buffer(f"{name}_sd", torch.ones(()))
        self.vision_none = nn.Parameter(torch.zeros(VISION))
        self.text_none = nn.Parameter(torch.zeros(TEXT))
        self.enter = nn.Linear(NOISE[1], WIDTH)
        self.places = nn.Parameter(torch.randn(1, NOISE[0], WIDTH) * 0.1)
        self.time = nn.Sequential(nn.Linear(64, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.read = nn.ModuleDict(
            {
                "vision": nn.Linear(VISION[1], WIDTH),
                "text": nn.Linear(TEXT[1], WIDTH),
                "vision_pooled": nn.Linear(VISION[1], WIDTH),
                "text_pooled": nn.Linear(TEXT[1], WIDTH),
            }
        )
        self.order = nn.ParameterDict(
            {
                "vision": nn.Parameter(torch.randn(1, VISION[0], WIDTH) * 0.1),
                "text": nn.Parameter(torch.randn(1, TEXT[0], WIDTH) * 0.1),
            }
        )
        self.blocks = nn.ModuleList([Block() for _ in range(DEPTH)])
        self.last = nn.Linear(WIDTH, 2 * WIDTH)
        self.leave = nn.Linear(WIDTH, NOISE[1])
        for layer in (self.last, self.leave):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def scaled(self, latents: Tensor) -> Tensor:
        """Return packed latents (n, 65, 36) centred and scaled as the network reads them."""
        return (latents - self.latent_mean) / self.latent_scale

    def unscaled(self, z: Tensor) -> Tensor:
        """Return packed latents as the autoencoder reads them."""
        return z * self.latent_scale + self.latent_mean

    def tokens(self, values: Tensor, kind: str) -> Tensor:
        """Return tokens (n, count, 96) centred and scaled as the network reads them."""
        return (values - getattr(self, f"{kind}_mean")) / getattr(self, f"{kind}_sd")

    def forward(self, z: Tensor, t: Tensor, vision: Tensor, text: Tensor, mix: Tensor) -> Tensor:
        """Return the clean latents.

        Parameters
        ----------
        z
            Noisy latents (n, 65, 36), scaled.
        t
            Time (n,), 0 clean to 1 noise.
        vision, text
            Tokens as ``tokens`` returns them, (n, 17, 96) and (n, 18, 96).
        mix
            Share of the vision tokens (n,).
        """
        waves = torch.exp(torch.linspace(0, math.log(500), 32, device=z.device)) * t[:, None]
        weight = mix[:, None]
        tuning = self.time(torch.cat([waves.sin(), waves.cos()], 1))
        tuning = tuning + weight * self.read["vision_pooled"](vision[:, 0])
        tuning = functional.silu(tuning + (1 - weight) * self.read["text_pooled"](text[:, 0]))
        seen = self.read["vision"](vision) + self.order["vision"]
        said = self.read["text"](text) + self.order["text"]
        h = self.enter(z) + self.places
        for block in self.blocks:
            h = block(h, tuning, seen, said, mix[:, None, None])
        shift, scale = self.last(tuning)[:, None].chunk(2, -1)
        return self.leave(functional.layer_norm(h, (WIDTH,)) * (1 + scale) + shift)

    def sample(
        self,
        vision: Tensor,
        text: Tensor,
        noise: Tensor,
        *,
        start: Tensor | None,
        strength: float,
        steps: int,
        guidance: float,
        mix: float,
    ) -> Tensor:
        """Return packed latents (n, 65, 36).

        Parameters
        ----------
        vision, text
            Tokens as the towers give them.
        noise
            Standard normal (n, 65, 36).
        start
            Packed latents to begin from, noised to the time ``strength``; None begins from noise.
        strength
            Up to 1, which forgets the start.
        steps
            Steps of a whole way from noise; a share ``strength`` of them is taken.
        guidance
            How far to go beyond what is predicted without tokens (Ho & Salimans 2022); 1 is not.
        mix
            Share of the vision tokens.
        """
        begin = 1.0 if start is None else strength
        n = len(noise)
        seen, said = self.tokens(vision, "vision"), self.tokens(text, "text")
        none = (self.vision_none.expand(n, -1, -1), self.text_none.expand(n, -1, -1))
        both = (torch.cat([seen, none[0]]), torch.cat([said, none[1]]))
        weight = torch.full((2 * n,), float(mix), device=noise.device)
        times = torch.linspace(begin, 0, max(1, round(steps * begin)) + 1, device=noise.device)
        clean, dirt = level(times)
        z = dirt[0] * noise
        if start is not None:
            z = z + clean[0] * self.scaled(start)
        for i in range(len(times) - 1):
            t = times[i].expand(2 * n)
            if guidance == 1:
                made = self(z, t[:n], seen, said, weight[:n])
            else:
                guided, free = self(torch.cat([z, z]), t, *both, weight).chunk(2)
                made = free + guidance * (guided - free)
            z = clean[i + 1] * made + dirt[i + 1] * (z - clean[i] * made) / dirt[i]
        return self.unscaled(z)
