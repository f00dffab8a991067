"""Compare with openai/vdvae by number, and record the small tensors that the tests read.

Not a test: it needs a clone of https://github.com/openai/vdvae (its vae.py and vae_helpers.py run
on a CPU as they are), which is not part of this repository:

    python reference.py CLONE record    writes golden/tiny.safetensors
    python reference.py CLONE compare   the published size, random weights (2 minutes, 3 GB)
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.numpy import save_file

from neurodiffuse_torch import Noise
from neurodiffuse_vdvae.architecture import NAMED, architecture
from neurodiffuse_vdvae.mixture import Mixture
from neurodiffuse_vdvae.network import Vdvae

TINY = (
    "encoder=8x2,8d2,4x1,4d4,1x1 decoder=1x1,4m1,4x1,8m4,8x1 width=8 bottleneck=4 zdim=2 mixtures=2"
)


class Reference:
    """The published network with random weights, its noise drawn from `Noise`."""

    def __init__(self, clone: str, config: str, spread: float) -> None:
        sys.path.insert(0, clone)
        import vae

        self.module = vae
        self.made = architecture(config)
        words = dict(word.split("=") for word in NAMED.get(config, config).split())
        settings = SimpleNamespace(
            image_size=self.made.size,
            image_channels=3,
            enc_blocks=words["encoder"],
            dec_blocks=words["decoder"],
            width=self.made.width,
            zdim=self.made.zdim,
            bottleneck_multiple=self.made.bottleneck / self.made.width,
            custom_width_str="",
            no_bias_above=64,
            num_mixtures=self.made.mixtures,
        )
        torch.manual_seed(0)
        self.network = vae.VAE(settings).eval().requires_grad_(False)
        for name, tensor in self.network.named_parameters():
            if not tensor.any() or name == "decoder.gain":  # which training would have changed
                tensor += spread * torch.randn(tensor.shape)

    def draw_from(self, noise: Noise | None) -> None:
        """Let normal noise come from ``noise``; None draws the means."""
        self.module.draw_gaussian_diag_samples = lambda mean, log_sd: (
            mean + (0 if noise is None else torch.exp(log_sd) * noise.normal(mean.shape[1:]))
        )

    def latents(self, x: torch.Tensor, noise: Noise | None) -> list[torch.Tensor]:
        """Return the latents of all layers of images (n, 3, size, size)."""
        self.draw_from(noise)
        return [s["z"] for s in self.network.forward_get_latents(x.permute(0, 2, 3, 1))]

    def decode(
        self, latents: list[torch.Tensor], noise: Noise, temperature: float
    ) -> tuple[torch.Tensor, np.ndarray]:
        """Return the mixtures' parameters and a picture drawn from them."""
        decoder, normal_uniform = self.network.decoder, torch.Tensor.uniform_
        self.draw_from(noise)
        t = None if temperature == 1 else temperature
        hidden = decoder.forward_manual_latents(len(latents[0]), latents, t=t)

        def uniform(self: torch.Tensor, low: float, high: float) -> torch.Tensor:
            return self.copy_(noise.uniform(self.shape[1:]) * (high - low) + low)

        torch.Tensor.uniform_ = uniform
        try:
            return decoder.out_net(hidden), decoder.out_net.sample(hidden)
        finally:
            torch.Tensor.uniform_ = normal_uniform


def images(made, n: int) -> torch.Tensor:
    """Return made-up images as the network reads them."""
    pixels = np.random.default_rng(3).integers(0, 256, (n, 3, made.size, made.size))
    return torch.from_numpy(((pixels - 115.92961967) / 69.37404).astype(np.float32))


def record(clone: str) -> None:
    """Write weights, input and results of a tiny network."""
    reference = Reference(clone, TINY, 0.3)
    x, seeds = images(reference.made, 2), (5, 6)
    drawn = reference.latents(x, Noise(seeds))
    out = {f"weights/{k}": v.numpy() for k, v in reference.network.state_dict().items()}
    out["x"] = x.numpy()
    out |= {f"drawn/{i}": z.numpy() for i, z in enumerate(drawn)}
    out |= {f"means/{i}": z.numpy() for i, z in enumerate(reference.latents(x, None))}
    for temperature in (1.0, 0.5):
        mixtures, picture = reference.decode(drawn[:3], Noise(seeds), temperature)
        out[f"mixtures/{temperature}"] = mixtures.numpy()
        out[f"picture/{temperature}"] = picture
    whole = {key: np.ascontiguousarray(value) for key, value in out.items()}
    save_file(whole, Path(__file__).parent / "golden" / "tiny.safetensors")


def compare(clone: str, layers: int = 31) -> None:
    """Print the greatest differences at the published size."""
    reference = Reference(clone, "imagenet64", 0.1)
    ours = Vdvae(reference.made).eval().requires_grad_(False)
    print(ours.load_state_dict(reference.network.state_dict(), strict=True))
    x, seeds = images(reference.made, 2), (5, 6)
    for source in (lambda: Noise(seeds), lambda: None):
        theirs, noise = reference.latents(x, source())[:layers], source()
        mine = ours.encode(x, layers, noise and noise.normal)
        print("latents", "means" if noise is None else "drawn", worst(mine, theirs))
    for temperature in (1.0, 0.7):
        mixtures, picture = reference.decode(theirs, Noise(seeds), temperature)
        noise = Noise(seeds)
        mine = ours.decode(theirs, noise.normal, temperature)
        drawn = Mixture.of(mine).sample(noise.uniform).numpy().astype(int)
        print("mixtures", worst([mine], [mixtures]), "levels", np.abs(drawn - picture).max())


def worst(mine: list[torch.Tensor], theirs: list[torch.Tensor]) -> float:
    """Return the greatest difference of a tensor relative to its greatest value."""
    pairs = zip(mine, theirs, strict=True)
    return max(float((a - b).abs().max() / b.abs().max()) for a, b in pairs)


if __name__ == "__main__":
    with torch.inference_mode():
        {"record": record, "compare": compare}[sys.argv[2]](sys.argv[1])
