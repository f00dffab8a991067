"""What an image costs in the second stage: ``python benchmarks/versatile_diffusion.py``.

Random weights. Three ways take turns over the same images: as Brain-Diffuser's script does it (one
image at a time; unconditional embeddings and the schedule made anew for each), the same with its
attention, which holds whole matrices, and ours. The table has medians over the rounds, per image;
processor seconds suffer less from other work than seconds. Without ``--full`` the networks are
small and run on the CPU; with it they have the published size and run where ``--device`` says.
``--count`` only counts the multiplications of an image at the published size.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import AttnProcessor
from measure import cost, gemm_rate, machine
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from neurodiffuse_torch import device_of, dtype_of, noise
from neurodiffuse_versatile_diffusion.denoise import Conditions, denoise
from neurodiffuse_versatile_diffusion.network import SCALE, Part, make_unet, make_vae
from neurodiffuse_versatile_diffusion.schedule import Schedule

VISION, TEXT, WIDTH = 257, 77, 768
PARTS = (Part("vision", 0, VISION, 0.6), Part("text", VISION, VISION + TEXT, 0.4))
REFERENCE, SAME, OURS = "reference, its attention", "reference's way", "ours"
UNET = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": WIDTH, "attention_head_dim": 8}
VAE = {
    "latent_channels": 4,
    "layers_per_block": 2,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}


@dataclass
class Networks:
    """Networks with random weights, and the side of the latents."""

    unet: Any
    vae: Any
    clip: Any
    side: int
    device: torch.device
    dtype: torch.dtype

    @classmethod
    def made(cls, *, full: bool, device: torch.device, dtype: torch.dtype) -> Networks:
        """Return networks of the published size, or of a fifth of its width at 128 pixels."""
        unet = (320, 640, 1280, 1280) if full else (64, 128, 256, 256)
        vae = (128, 256, 512, 512) if full else (32, 64, 64, 64)
        hidden, layers, heads = (1024, 24, 16) if full else (208, 5, 4)
        tower = CLIPVisionConfig(
            hidden_size=hidden,
            intermediate_size=4 * hidden,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            patch_size=14,
            projection_dim=WIDTH,
        )
        torch.manual_seed(0)
        with torch.device(device):
            clip = CLIPVisionModelWithProjection(tower).eval()
        made = [make_unet(UNET | {"block_out_channels": unet})]
        made.append(make_vae(VAE | {"block_out_channels": vae}))
        for network in made:
            fill(network, device, dtype)
        return cls(*made, clip, 64 if full else 16, device, dtype)


def fill(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Give a network random weights that keep the variance."""
    drawn = {}
    for name, tensor in network.state_dict().items():
        fan = tensor[0].numel() if tensor.ndim > 1 else 100
        values = torch.randn(tensor.shape, device=device, dtype=dtype) / fan**0.5
        drawn[name] = values + float(tensor.ndim == 1 and name.endswith("weight"))
    network.load_state_dict(drawn, assign=True)
    network.eval().requires_grad_(False)


class Clock:
    """Adds up the seconds spent inside networks."""

    def __init__(self, device: torch.device) -> None:
        self.inside = 0.0
        self._device = device

    def now(self) -> float:
        """Return the time once everything that was asked for has been done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    @contextmanager
    def on(self, *networks: Any) -> Iterator[None]:
        """Time calls of ``forward``, and of the autoencoder's two halves."""
        modules = [
            m for n in networks for m in (getattr(n, "encoder", n), getattr(n, "decoder", n))
        ]
        begun: list[float] = []
        hooks: list[Any] = []
        for module in dict.fromkeys(modules):
            hooks.append(module.register_forward_pre_hook(lambda *_: begun.append(self.now())))
            hooks.append(module.register_forward_hook(lambda *_: self._add(begun.pop())))
        yield
        for hook in hooks:
            hook.remove()

    def _add(self, begun: float) -> None:
        self.inside += self.now() - begun


def encoded(made: Networks, pictures: Tensor, seeds: range) -> Tensor:
    """Return sampled latents, one picture at a time."""
    rows = []
    for picture, seed in zip(pictures, seeds, strict=True):
        found = made.vae.encode(picture[None].to(made.dtype)).latent_dist
        drawn = noise(found.mean.shape[1:], [seed], made.device, stream=3)
        rows.append(SCALE * (found.mean.float() + found.std.float() * drawn))
    return torch.cat(rows)


def decoded(made: Networks, z: Tensor) -> Tensor:
    """Return pictures, one at a time."""
    rows = [made.vae.decode((row[None] / SCALE).to(made.dtype)).sample for row in z]
    return torch.cat(rows).float()


def empty(made: Networks) -> Tensor:
    """Return unconditional tokens: a grey picture's, and the same again for the text."""
    grey = torch.full((1, 3, 224, 224), 0.1, device=made.device)
    hidden = made.clip.vision_model(pixel_values=grey).last_hidden_state
    tokens = made.clip.visual_projection(made.clip.vision_model.post_layernorm(hidden))
    return torch.cat([tokens, tokens[:, :TEXT]], dim=1).to(made.dtype)


def painted(
    made: Networks, pictures: Tensor, tokens: Tensor, nothing: Tensor, way: Schedule, seeds: range
) -> Tensor:
    """Return what the second stage makes of pictures and tokens."""
    start = noise((4, made.side, made.side), seeds, made.device, stream=4)
    z = way.noised(encoded(made, pictures, seeds), start)
    return decoded(made, denoise(made.unet, z, Conditions(tokens, PARTS, nothing), way, 7.5))


def ways(
    made: Networks, pictures: Tensor, tokens: Tensor, given: Any
) -> dict[str, Callable[[], Tensor]]:
    """Return what is compared, each painting all pictures."""
    n = len(pictures)

    def schedule() -> Schedule:
        return Schedule("ddim", given.steps, 0.75, "reference")

    def one_by_one() -> Tensor:
        rows = [slice(k, k + 1) for k in range(n)]
        return torch.cat([
            painted(made, pictures[k], tokens[k], empty(made), schedule(), range(n)[k])
            for k in rows
        ])  # fmt: skip

    def whole_matrices() -> Tensor:
        fused = dict(made.unet.attn_processors)
        made.unet.set_attn_processor(AttnProcessor())
        try:
            return one_by_one()
        finally:
            made.unet.set_attn_processor(fused)

    nothing, way = empty(made), schedule()

    def ours() -> Tensor:
        rows = [slice(k, min(k + given.batch, n)) for k in range(0, n, given.batch)]
        return torch.cat([
            painted(made, pictures[k], tokens[k], nothing, way, range(n)[k]) for k in rows
        ])  # fmt: skip

    return {REFERENCE: whole_matrices, SAME: one_by_one, OURS: ours}


def measure(made: Networks, given: Any) -> tuple[dict[str, list[dict[str, float]]], list[float]]:
    """Return what each way cost in each round, and the share of ours outside the networks."""
    size = made.side * 8
    pictures = torch.rand(given.images, 3, size, size, device=made.device) * 2 - 1
    tokens = torch.randn(given.images, VISION + TEXT, WIDTH, device=made.device)
    tokens = (tokens / WIDTH**0.5).to(made.dtype)
    compared = ways(made, pictures, tokens, given)
    costs: dict[str, list[dict[str, float]]] = {way: [] for way in compared}
    outside, results = [], {}
    for _ in range(given.rounds + 1):
        for way, work in compared.items():
            clock = Clock(made.device)
            with cost() as found, clock.on(made.unet, made.vae):
                results[way] = work()
                clock.now()
            costs[way].append(found)
            if way == OURS:
                outside.append(1 - clock.inside / found["seconds"])
    for result in results.values():
        assert (result - results[OURS]).abs().max() < 0.05 * results[OURS].abs().max()
    return {way: found[1:] for way, found in costs.items()}, outside[1:]


def count() -> None:
    """Print the multiplications and additions of an image at the published size."""
    with torch.device("meta"):
        unet = make_unet(UNET | {"block_out_channels": (320, 640, 1280, 1280)})
        vae = make_vae(VAE | {"block_out_channels": (128, 256, 512, 512)})
        z, tokens = torch.empty(1, 4, 64, 64), torch.empty(1, VISION + TEXT, WIDTH)
        with FlopCounterMode(display=False) as step:
            unet(z, torch.empty(()), tokens, cross_attention_kwargs={"parts": PARTS})
        with FlopCounterMode(display=False) as pictures:
            vae.encode(torch.empty(1, 3, 512, 512))
            vae.decode(z)
    once, twice = step.get_total_flops(), pictures.get_total_flops()
    total = 37 * 2 * once + twice
    print(f"U-Net, one row: {once / 1e12:.3f} TFLOP; autoencoder, both ways: {twice / 1e12:.2f}")
    print(f"an image of 37 guided steps: {total / 1e12:.1f} TFLOP; 982 images: "
          f"{982 * total / 1e15:.1f} PFLOP")  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the published size")
    parser.add_argument("--count", action="store_true", help="count operations, run nothing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--batch", type=int, default=0, help="of ours; 0: all, on a CPU 1")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="auto")
    given = parser.parse_args()
    if given.count:
        count()
        return
    torch.set_num_threads(given.threads)
    device = device_of(given.device if given.full else "cpu")
    given.batch = given.batch or (1 if device.type == "cpu" else given.images)
    about = machine()
    print(f"{about['processor']}, {about['cores']} cores, load {about['load']}, torch "
          f"{torch.__version__} on {device}, {given.threads} thread(s)")  # fmt: skip
    print(f"float32 matrix product: {gemm_rate(2048, 2048) / 1e9:.0f} GFLOP/s")
    with torch.inference_mode():
        made = Networks.made(full=given.full, device=device, dtype=dtype_of("auto", device))
        costs, outside = measure(made, given)
    if device.type == "cuda":
        print(f"peak of the GPU: {torch.cuda.max_memory_allocated(device) / 2**30:.2f} GiB")
    print(
        f"{given.images} images, {given.steps} steps at strength 0.75, ours {given.batch} at once"
    )
    print(f"{'per image':26} {'cpu s':>8} {'s':>8} {'times ours (cpu)':>18} {'(s)':>6}")
    for way, found in costs.items():
        middle = {k: statistics.median(c[k] for c in found) for k in ("cpu", "seconds")}
        ratio = {
            k: statistics.median(a[k] / b[k] for a, b in zip(found, costs[OURS], strict=True))
            for k in middle
        }
        print(f"{way:26} {middle['cpu'] / given.images:8.2f} "
              f"{middle['seconds'] / given.images:8.2f} {ratio['cpu']:18.2f} "
              f"{ratio['seconds']:6.2f}")  # fmt: skip
    print(f"ours, outside U-Net and autoencoder: {statistics.median(outside):.1%}")


if __name__ == "__main__":
    main()
