"""What the first 31 layers of the very deep VAE cost: ``python benchmarks/vdvae.py``.

Random weights of the published size. Two ways take turns: the encoder and the whole decoder, as
the reference extracts features (all 75 layers, channels apart), and ours (only the layers that are
asked for, channels together). Both give the same latents, which is checked. The table has medians
over the rounds, per image; processor seconds suffer less from other work than seconds.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

import numpy as np
import torch
from measure import cost, gemm_rate, machine

from neurodiffuse_torch import Noise
from neurodiffuse_vdvae.architecture import architecture
from neurodiffuse_vdvae.network import Vdvae

LAYERS = 31
OURS, REFERENCE, DECODE = "first 31 layers (ours)", "all layers (reference)", "picture of 31 layers"


def network(layout: torch.memory_format) -> Vdvae:
    """Return the published network with random weights."""
    torch.manual_seed(0)
    made = Vdvae(architecture("imagenet64")).eval().requires_grad_(False)
    for name, tensor in made.named_parameters():
        if name.endswith("bias") or "bias_xs" in name:
            tensor += 0.1 * torch.randn(tensor.shape)
    return made.to(memory_format=layout)  # type: ignore[call-overload]


def latents(made: Vdvae, x: torch.Tensor, layers: int) -> list[torch.Tensor]:
    """Return drawn latents of images (n, 3, 64, 64)."""
    return made.encode(x, layers, Noise(range(len(x))).normal)


def measure(rounds: int, n: int) -> dict[str, list[dict[str, float]]]:
    """Return what each way cost in each round, for ``n`` images at once."""
    apart, together = network(torch.contiguous_format), network(torch.channels_last)
    together.keep_for_encoding(LAYERS)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((n, 3, 64, 64), np.float32))
    last = x.contiguous(memory_format=torch.channels_last)
    first = latents(apart, x, LAYERS)
    ways: dict[str, Any] = {
        REFERENCE: lambda: latents(apart, x, 75),
        OURS: lambda: latents(together, last, LAYERS),
        DECODE: lambda: apart.decode(first, Noise(range(n)).normal),
    }
    costs: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            with cost() as found:
                work()
            costs[way].append(found)
    for one, two in zip(latents(together, last, LAYERS), first, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    return costs


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=2, help="images at once")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}, "
          f"torch {torch.__version__}, {given.threads} thread(s)")  # fmt: skip
    print(f"float32 matrix product: {gemm_rate(2048, 2048) / 1e9:.0f} GFLOP/s")
    with torch.inference_mode():
        costs = measure(given.rounds, given.images)
    medians = {
        way: {key: statistics.median(c[key] for c in found) / given.images for key in found[0]}
        for way, found in costs.items()
    }
    print(f"{'per image':26} {'cpu s':>8} {'s':>8}")
    for way, found in medians.items():
        print(f"{way:26} {found['cpu']:8.2f} {found['seconds']:8.2f}")
    for key in ("cpu", "seconds"):
        ratios = [a[key] / b[key] for a, b in zip(costs[REFERENCE], costs[OURS], strict=True)]
        print(f"ours is {statistics.median(ratios):.1f} times cheaper in {key} "
              f"({min(ratios):.1f} to {max(ratios):.1f})")  # fmt: skip


if __name__ == "__main__":
    main()
