"""A hierarchical variational autoencoder, small: ten layers, the finest two often from the prior.

After the very deep VAE (Child 2021, arXiv 2011.10650): latents at 1 x 1, 4 x 4, 8 x 8 and
16 x 16, each layer's prior conditioned on the layers above it. Trained so that an image is also
good when the last two layers, those at 16 x 16, come from the prior, which is how it is mostly
used. Their posteriors are trained too, and say where things are more finely than the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_demo.shapes import LAYERS, REGRESSED

WIDTH = 64


class Block(nn.Module):
    """Residual bottleneck: 1 x 1, two 3 x 3 (1 x 1 where there is no neighbourhood), 1 x 1."""

    def __init__(self, inner: int, outer: int, *, resolution: int, given: int = 0) -> None:
        super().__init__()
        given = given or outer
        kernel = 3 if resolution > 2 else 1
        self.residual = given == outer
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(given, inner, 1),
                nn.Conv2d(inner, inner, kernel, padding=kernel // 2),
                nn.Conv2d(inner, inner, kernel, padding=kernel // 2),
                nn.Conv2d(inner, outer, 1),
            ]
        )
        with torch.no_grad():
            self.layers[-1].get_parameter("weight").mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        """Return features of the same resolution."""
        h = x
        for layer in self.layers:
            h = layer(functional.gelu(h, approximate="tanh"))
        return x + h if self.residual else h


class Encoder(nn.Module):
    """Bottom-up path: features at 16, 8, 4 and 1."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(12, 48, 3, padding=1)
        self.fine = Block(24, 48, resolution=32)
        self.widen = nn.Conv2d(48, WIDTH, 1)
        self.stages = nn.ModuleDict(
            {
                str(r): nn.Sequential(*(Block(32, WIDTH, resolution=r) for _ in range(2)))
                for r in (16, 8, 4, 1)
            }
        )

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Return features by resolution; ``x`` is (n, 3, 64, 64) in -1..1."""
        h = self.fine(self.stem(functional.pixel_unshuffle(x, 2)))
        h = self.stages["16"](self.widen(functional.avg_pool2d(h, 2)))
        features = {16: h}
        for resolution, step in ((8, 2), (4, 2), (1, 4)):
            h = self.stages[str(resolution)](functional.avg_pool2d(h, step))
            features[resolution] = h
        return features


class Layer(nn.Module):
    """One latent: its prior given what is above, its posterior given the image too."""

    def __init__(self, resolution: int, channels: int) -> None:
        super().__init__()
        self.resolution, self.channels = resolution, channels
        self.prior = Block(32, 2 * channels + WIDTH, resolution=resolution, given=WIDTH)
        self.posterior = Block(32, 2 * channels, resolution=resolution, given=2 * WIDTH)
        self.place = nn.Conv2d(channels, WIDTH, 1)
        self.after = Block(32, WIDTH, resolution=resolution)

    def expect(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean and log deviation of the prior and the features with its part added."""
        out = self.prior(h)
        mean, log_sd = out[:, : self.channels], out[:, self.channels : 2 * self.channels]
        return mean, log_sd.clamp(-5, 2), h + out[:, 2 * self.channels :]

    def infer(self, h: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log deviation of the posterior."""
        mean, log_sd = self.posterior(torch.cat([h, seen], 1)).chunk(2, 1)
        return mean, log_sd.clamp(-5, 2)

    def add(self, h: Tensor, z: Tensor) -> Tensor:
        """Return the features with the latent added."""
        return self.after(h + self.place(z))


class Vae(nn.Module):
    """Encode images into latents and decode them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.start = nn.Parameter(torch.zeros(1, WIDTH, 1, 1))
        self.places = nn.ParameterDict(
            {str(r): nn.Parameter(torch.randn(1, WIDTH, r, r) * 0.02) for r in (4, 8, 16)}
        )
        self.layers = nn.ModuleList([Layer(r, c) for r, c in LAYERS])
        self.widen = nn.Conv2d(WIDTH, 4 * 48, 1)
        self.fine = nn.Sequential(Block(24, 48, resolution=32), Block(24, 48, resolution=32))
        self.paint = nn.Conv2d(48, 12, 3, padding=1)

    def _top_down(self) -> list[Layer]:
        return cast("list[Layer]", list(self.layers))

    def _grow(self, h: Tensor, resolution: int) -> Tensor:
        """Return the features at a layer's resolution."""
        if h.shape[-1] == resolution:
            return h
        h = functional.interpolate(h, size=(resolution, resolution), mode="nearest")
        return h + self.places[str(resolution)]

    def _picture(self, h: Tensor) -> Tensor:
        h = self.fine(functional.pixel_shuffle(self.widen(h), 2))
        return functional.pixel_shuffle(self.paint(h), 2)

    def latents(self, x: Tensor, count: int = REGRESSED) -> list[Tensor]:
        """Return the posterior means of the first ``count`` of the ten layers, top down."""
        seen = self.encoder(x)
        h, out = self.start.expand(len(x), -1, -1, -1), []
        for layer in self._top_down()[:count]:
            h = self._grow(h, layer.resolution)
            z, _ = layer.infer(h, seen[layer.resolution])
            out.append(z)
            _, _, h = layer.expect(h)
            h = layer.add(h, z)
        return out

    def decode(self, latents: Sequence[Tensor], noise: Sequence[Tensor], t: float) -> Tensor:
        """Return images (n, 3, 64, 64) from the upper latents, the rest from the prior.

        ``noise`` holds standard normal values for each layer below the latents, ``t`` is the
        temperature they are taken at.
        """
        h = self.start.expand(len(latents[0]), -1, -1, -1)
        for i, layer in enumerate(self._top_down()):
            h = self._grow(h, layer.resolution)
            mean, log_sd, h = layer.expect(h)
            if i < len(latents):
                z = latents[i]
            else:
                z = mean + t * log_sd.exp() * noise[i - len(latents)]
            h = layer.add(h, z)
        return self._picture(h)

    def forward(self, x: Tensor, *, truncate: bool, t: float) -> tuple[Tensor, list[Tensor]]:
        """Return the reconstruction and each layer's KL divergence (n,) for training.

        With ``truncate`` the layers below ``REGRESSED`` come from the prior at temperature t
        and add no divergence.
        """
        seen = self.encoder(x)
        h, divergences = self.start.expand(len(x), -1, -1, -1), []
        for i, layer in enumerate(self._top_down()):
            h = self._grow(h, layer.resolution)
            above = h
            mean, log_sd, h = layer.expect(h)
            if truncate and i >= REGRESSED:
                z = mean + t * log_sd.exp() * torch.randn_like(mean)
            else:
                m, s = layer.infer(above, seen[layer.resolution])
                z = m + s.exp() * torch.randn_like(m)
                kl = log_sd - s + ((2 * s).exp() + (m - mean) ** 2) / (2 * (2 * log_sd).exp()) - 0.5
                divergences.append(kl.sum(dim=(1, 2, 3)))
            h = layer.add(h, z)
        return self._picture(h), divergences


def pack(latents: Sequence[Tensor]) -> Tensor:
    """Return the first eight layers as a sequence (n, 65, 36): 8 x 8 places, then the whole.

    A place has the 24 channels at 8 x 8 and a quarter of the 48 at 4 x 4; the last row holds
    the 32 values at 1 x 1 and four zeros.
    """
    whole, coarse, fine = (torch.cat(list(latents[a:b]), 1) for a, b in ((0, 2), (2, 5), (5, 8)))
    places = torch.cat([fine, functional.pixel_shuffle(coarse, 2)], 1).flatten(2).transpose(1, 2)
    return torch.cat([places, functional.pad(whole.flatten(1), (0, 4))[:, None]], 1)


def unpack(sequence: Tensor) -> list[Tensor]:
    """Return the layers of a sequence that `pack` made."""
    places = sequence[:, :-1].transpose(1, 2).unflatten(2, (8, 8))
    fine, coarse = places[:, :24], functional.pixel_unshuffle(places[:, 24:].contiguous(), 2)
    whole = sequence[:, -1, :32, None, None]
    return [*whole.chunk(2, 1), *coarse.chunk(3, 1), *fine.chunk(3, 1)]
