"""The very deep VAE: parameter names and arithmetic of the published network.

Child 2021, "Very deep VAEs generalize autoregressive models and can outperform them on images",
arXiv:2011.10650, section 3 and figure 3. Latents are drawn with noise that is handed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurodiffuse_vdvae import architecture
from neurodiffuse_vdvae.architecture import Architecture

Normal = Callable[[Sequence[int]], Tensor]
"""Returns standard normal values (n_images, *shape)."""


class Block(nn.Module):
    """Four convolutions through a bottleneck, each after a GELU; 3 x 3 where there is room."""

    def __init__(self, into: int, middle: int, out: int, resolution: int) -> None:
        super().__init__()
        side = 3 if resolution > 2 else 1
        self.c1 = nn.Conv2d(into, middle, 1)
        self.c2 = nn.Conv2d(middle, middle, side, padding=side // 2)
        self.c3 = nn.Conv2d(middle, middle, side, padding=side // 2)
        self.c4 = nn.Conv2d(middle, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, out, height, width)."""
        for convolution in (self.c1, self.c2, self.c3, self.c4):
            x = convolution(functional.gelu(x))
        return x


class Encoder(nn.Module):
    """The way down: what every resolution's layers are told of the picture."""

    def __init__(self, made: Architecture) -> None:
        super().__init__()
        self.rates = [block.change for block in made.encoder]
        self.in_conv = nn.Conv2d(3, made.width, 3, padding=1)
        self.enc_blocks = nn.ModuleList(
            Block(made.width, made.bottleneck, made.width, b.resolution) for b in made.encoder
        )

    def forward(self, x: Tensor, needed: set[int]) -> dict[int, Tensor]:
        """Return the last activations of each resolution that is ``needed``, by resolution.

        ``x`` is (n, 3, size, size), shifted and scaled as the network was trained.
        """
        x = self.in_conv(x)
        activations = {x.shape[2]: x}
        for block, rate in zip(self.enc_blocks, self.rates, strict=True):
            x = block(x).add_(x)
            if rate is not None:
                x = functional.avg_pool2d(x, rate)
            activations[x.shape[2]] = x
            activations = {side: a for side, a in activations.items() if side in needed}
        return activations


class Layer(nn.Module):
    """A decoder block and its layer of latents: posterior, prior, and what it adds."""

    def __init__(self, made: Architecture, block: architecture.Block) -> None:
        super().__init__()
        self.resolution, self.below, self.zdim = block.resolution, block.change, made.zdim
        width, middle = made.width, made.bottleneck
        self.enc = Block(2 * width, middle, 2 * made.zdim, block.resolution)
        self.prior = Block(width, middle, 2 * made.zdim + width, block.resolution)
        self.z_proj = nn.Conv2d(made.zdim, width, 1)
        self.resnet = Block(width, middle, width, block.resolution)

    def begin(self, x: Tensor, pictures: dict[int, Tensor]) -> Tensor:
        """Return the resolution's picture, with the one of lower resolution added."""
        if self.below is None:
            return x
        return x + functional.interpolate(
            pictures[self.below], scale_factor=self.resolution // self.below
        )

    def posterior(self, x: Tensor, activations: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log standard deviation, each (n, zdim, height, width)."""
        mean, log_sd = self.enc(torch.cat([x, activations], dim=1)).chunk(2, dim=1)
        return mean, log_sd

    def follow(
        self, x: Tensor, z: Tensor | None, normal: Normal, temperature: float = 1.0
    ) -> Tensor:
        """Return the picture after this layer's latents, drawn from the prior if ``z`` is None."""
        found = self.prior(x)
        if z is None:
            mean, log_sd = found[:, : self.zdim], found[:, self.zdim : 2 * self.zdim]
            z = draw(mean, log_sd, normal, temperature)
        x = x + found[:, 2 * self.zdim :] + self.z_proj(z.to(x.dtype))
        return self.resnet(x).add_(x)


class Output(nn.Module):
    """Logits, means, scales and channel coefficients of every pixel's mixture."""

    def __init__(self, made: Architecture) -> None:
        super().__init__()
        self.out_conv = nn.Conv2d(made.width, 10 * made.mixtures, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, height, width, 10 mixtures)."""
        return self.out_conv(x).permute(0, 2, 3, 1)


class Decoder(nn.Module):
    """The way up: a layer of latents after the other, from 1 x 1 to the picture."""

    def __init__(self, made: Architecture) -> None:
        super().__init__()
        resolutions = sorted({block.resolution for block in made.decoder})
        self.dec_blocks = nn.ModuleList(Layer(made, block) for block in made.decoder)
        self.bias_xs = nn.ParameterList(
            nn.Parameter(torch.zeros(1, made.width, side, side)) for side in resolutions
        )
        self.out_net = Output(made)
        self.gain = nn.Parameter(torch.ones(1, made.width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, made.width, 1, 1))

    def layers(self, n: int) -> Iterator[tuple[Layer, Tensor, dict[int, Tensor]]]:
        """Yield each layer, its picture so far and all pictures by resolution, for n images.

        Whoever iterates puts the picture after a layer back into the last one.
        """
        pictures = {bias.shape[2]: bias.expand(n, -1, -1, -1) for bias in self.bias_xs}
        for layer in cast("Iterator[Layer]", iter(self.dec_blocks)):
            yield layer, layer.begin(pictures[layer.resolution], pictures), pictures


class Vdvae(nn.Module):
    """Encoder and decoder under the names of the published checkpoint."""

    def __init__(self, made: Architecture) -> None:
        super().__init__()
        self.encoder = Encoder(made)
        self.decoder = Decoder(made)

    def keep_for_encoding(self, layers: int) -> None:
        """Forget what the latents of the first ``layers`` do not need."""
        blocks = self.decoder.dec_blocks[:layers]
        self.decoder.dec_blocks = blocks
        last = blocks[-1]
        del last.prior, last.z_proj, last.resnet
        del self.decoder.out_net, self.decoder.gain, self.decoder.bias

    def keep_for_decoding(self) -> None:
        """Forget the encoder and the posteriors."""
        del self.encoder
        for layer in self.decoder.dec_blocks:
            del layer.enc

    def encode(self, x: Tensor, layers: int, normal: Normal | None) -> list[Tensor]:
        """Return the latents of the first ``layers``, float32 (n, zdim, height, width) each.

        Parameters
        ----------
        x
            Float (n, 3, size, size), shifted and scaled.
        normal
            Source of the noise of the posterior's samples; None takes the posterior's means.
        """
        wanted = self.decoder.dec_blocks[:layers]
        activations = self.encoder(x, {layer.resolution for layer in wanted})
        latents: list[Tensor] = []
        for layer, picture, pictures in self.decoder.layers(len(x)):
            mean, log_sd = layer.posterior(picture, activations[layer.resolution])
            latents.append(mean.float() if normal is None else draw(mean, log_sd, normal))
            if len(latents) == layers:
                break
            pictures[layer.resolution] = layer.follow(picture, latents[-1], _no_noise)
        return latents

    def decode(self, latents: Sequence[Tensor], normal: Normal, temperature: float = 1.0) -> Tensor:
        """Return the pixels' mixtures (n, size, size, 10 mixtures).

        ``latents`` are the first layers (n, zdim, height, width); the others are drawn from
        their prior, its standard deviation times ``temperature``.
        """
        for i, (layer, picture, pictures) in enumerate(self.decoder.layers(len(latents[0]))):
            z = latents[i] if i < len(latents) else None
            pictures[layer.resolution] = layer.follow(picture, z, normal, temperature)
        picture = pictures[layer.resolution]
        mixtures: Tensor = self.decoder.out_net(picture * self.decoder.gain + self.decoder.bias)
        return mixtures


def draw(mean: Tensor, log_sd: Tensor, normal: Normal, temperature: float = 1.0) -> Tensor:
    """Return ``mean + temperature · exp(log_sd) · noise``, float32."""
    if temperature == 0:
        return mean.float()
    noise = normal(mean.shape[1:])
    return mean.float() + temperature * torch.exp(log_sd.float()) * noise


def _no_noise(shape: Sequence[int]) -> Tensor:
    raise RuntimeError("latents were given, so none is drawn")
