"""Record what Brain-Diffuser's copy of Versatile Diffusion makes of a tiny network.

Not a test: it needs a clone of https://github.com/ozcelikfu/brain-diffuser and einops, which are
no part of this repository. It writes recorded/: names and shapes of the reference's tensors
(unet.json.gz, vae.json.gz) and its results (reference.npz), all in single precision:

    python reference.py CLONE/versatile_diffusion
"""

from __future__ import annotations

import gzip
import json
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from conftest import CONTEXT, RECORDED, normal, original_tensors

LEVELS = {
    "num_noattn_blocks": [2, 2, 2, 2],
    "channel_mult": [1, 2, 2, 2],
    "with_attn": [True, True, True, False],
    "num_heads": 8,
    "model_channels": 32,
    "context_dim": CONTEXT,
    "use_checkpoint": False,
}
AUTOENCODER = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 64,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 32,
    "ch_mult": [1, 2, 2, 2],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
UNUSED = ("torchvision", "torchvision.models", "lib.log_service", "lib.cfg_holder")


class Settings(dict):
    """A dictionary with attributes, as the reference's configurations are."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)


def load(clone: str):
    """Return the reference's U-Nets, autoencoder and sampler class."""
    sys.path.insert(0, clone)
    sys.modules.update({name: MagicMock() for name in UNUSED})
    sys.modules["easydict"] = SimpleNamespace(EasyDict=Settings)
    torch.Tensor.half = torch.Tensor.float  # the reference casts to half precision in passing
    torch.nn.Module.half = torch.nn.Module.float
    from lib.model_zoo.autoencoder import AutoencoderKL
    from lib.model_zoo.openaimodel import UNetModelVD

    sys.modules["lib.model_zoo.vd"] = MagicMock()
    from lib.model_zoo.ddim_vd import DDIMSampler_VD

    # the reference moves every table to a GPU
    DDIMSampler_VD.register_buffer = lambda self, name, table: setattr(self, name, table)
    image = {"input_channels": 4, "output_channels": 4}
    text = {"input_channels": 24, "output_channels": 24, "second_dim": [4, 4, 4, 4]}
    unet = UNetModelVD(
        Settings(type="openai_unet_2d", args=Settings(LEVELS | image)),
        Settings(type="openai_unet_0dmd", args=Settings(LEVELS | text)),
    )
    unet.device = "cpu"
    autoencoder = AutoencoderKL(ddconfig=Settings(AUTOENCODER), lossconfig=None, embed_dim=4)
    return unet.eval(), autoencoder.eval(), DDIMSampler_VD


def fill(network, prefix: str, part: str) -> None:
    """Write names and shapes of a network's tensors, and give it the weights they stand for."""
    names = {prefix + name: list(tensor.shape) for name, tensor in network.state_dict().items()}
    content = json.dumps(names, separators=(",", ":")).encode()
    (RECORDED / f"{part}.json.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    given = original_tensors(part)
    network.load_state_dict({name.removeprefix(prefix): t for name, t in given.items()})


def sampler_of(kind, unet):
    """Return the reference's sampler with 50 steps."""
    from lib.model_zoo.diffusion_utils import make_beta_schedule

    betas = make_beta_schedule("linear", 1000, linear_start=0.00085, linear_end=0.012)
    kept = np.cumprod(1 - betas)
    tables = {
        "betas": betas,
        "alphas_cumprod": kept,
        "alphas_cumprod_prev": np.append(1.0, kept[:-1]),
    }
    model = SimpleNamespace(
        num_timesteps=1000,
        device="cpu",
        model=SimpleNamespace(diffusion_model=unet),
        apply_model_dc=lambda x, t, c0, c1, **kinds: unet.forward_dc(
            x,
            t,
            c0,
            c1,
            *(kinds[k] for k in ("xtype", "first_ctype", "second_ctype")),
            kinds["mixed_ratio"],
        ),
        **{name: torch.tensor(table, dtype=torch.float32) for name, table in tables.items()},
    )
    sampler = kind(model)
    sampler.make_schedule(ddim_num_steps=50, ddim_eta=0.0, verbose=False)
    return sampler


def record(clone: str) -> dict[str, torch.Tensor]:
    """Return the reference's results."""
    unet, autoencoder, kind = load(clone)
    fill(unet, "model.diffusion_model.", "unet")
    fill(autoencoder, "", "vae")
    out = {}
    x, time = normal("x", 2, 4, 16, 16), torch.tensor([721, 41])
    vision, text = normal("vision", 2, 7, CONTEXT), normal("text", 2, 5, CONTEXT)
    for mix in (0.6, 1.0, 0.0):
        out[f"unet_{mix}"] = unet.forward_dc(
            x, time, vision, text, "image", "vision", "prompt", mix
        )
    sampler = sampler_of(kind, unet)
    steps = torch.tensor([37, 37])
    out["start"] = sampler.stochastic_encode(
        normal("z0", 2, 4, 8, 8), steps, noise=normal("noise", 2, 4, 8, 8)
    )
    out["loop"] = sampler.decode_dc(
        out["start"],
        [normal("uv", 1, 7, CONTEXT).repeat(2, 1, 1), normal("cv", 2, 7, CONTEXT)],
        [normal("ut", 1, 5, CONTEXT).repeat(2, 1, 1), normal("ct", 2, 5, CONTEXT)],
        37,
        unconditional_guidance_scale=7.5,
        xtype="image",
        first_ctype="vision",
        second_ctype="prompt",
        mixed_ratio=0.6,
    )
    picture = normal("picture", 1, 3, 32, 32).clamp(-2, 2) / 2
    out["moments"] = autoencoder.encode(picture).parameters
    out["decoded"] = autoencoder.decode(normal("latent", 1, 4, 4, 4))
    return out


if __name__ == "__main__":
    with torch.no_grad():
        results = {k: v.numpy().astype(np.float32) for k, v in record(sys.argv[1]).items()}
    np.savez_compressed(RECORDED / "reference.npz", **results)
