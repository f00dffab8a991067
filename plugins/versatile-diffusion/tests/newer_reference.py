"""Record what the newer code of Versatile Diffusion makes of a tiny network.

Not a test: it needs a clone of https://github.com/SHI-Labs/Versatile-Diffusion and einops, which
are no part of this repository. It writes recorded/newer.json.gz, names and shapes of a newer
checkpoint's tensors, and recorded/newer.npz, what the U-Nets make of the mixed conditions:

    python newer_reference.py CLONE
"""

from __future__ import annotations

import gzip
import json
import sys
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import torch
from conftest import CONTEXT, RECORDED, normal, weights_of

SAME = {"model_channels": 32, "context_dim": CONTEXT, "channel_mult": (1, 2, 2, 2), "num_heads": 8}
UNUSED = ("torchvision", "torchvision.models", "lib.log_service", "lib.cfg_holder", "easydict")


def record(clone: str) -> np.ndarray:
    """Write the names, and return the result, float32 (2, 4, 16, 16)."""
    sys.path.insert(0, clone)
    sys.modules.update({name: MagicMock() for name in (*UNUSED, "lib.cfg_helper")})
    from lib.model_zoo.openaimodel import UNetModel0D_Next, UNetModel2D_Next
    from lib.model_zoo.vd import VD_v2_0

    image = UNetModel2D_Next(
        in_channels=4,
        out_channels=4,
        num_res_blocks=[2, 2, 2, 2],
        attention_resolutions=[4, 2, 1],
        parts=["global", "data", "context"],
        **SAME,
    )
    text = UNetModel0D_Next(
        input_channels=24,
        output_channels=24,
        num_noattn_blocks=(2, 2, 2, 2),
        second_dim=(4, 4, 4, 4),
        with_attn=[True, True, True, False],
        parts=["data", "context"],
        **SAME,
    )
    names = {}
    for kind, network in (("image", image), ("text", text)):
        prefix = f"diffuser.{kind}."
        own = {prefix + name: list(t.shape) for name, t in network.state_dict().items()}
        network.eval().load_state_dict(
            {
                k.removeprefix(prefix): torch.from_numpy(weights_of(k, tuple(s)))
                for k, s in own.items()
            }
        )
        names |= own
    content = json.dumps(names, separators=(",", ":")).encode()
    (RECORDED / "newer.json.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    model = SimpleNamespace(
        diffuser={"image": image, "text": text},
        context_mixing=lambda *given: VD_v2_0.context_mixing(None, *given),
    )
    conditions = [
        {"type": "image", "c": normal("vision", 2, 7, CONTEXT), "ratio": 0.6},
        {"type": "text", "c": normal("text", 2, 5, CONTEXT), "ratio": 0.4},
    ]
    x = {"type": "image", "x": normal("x", 2, 4, 16, 16)}
    with torch.no_grad():
        time = torch.tensor([721, 41])
        found = VD_v2_0.apply_model_multicontext(model, x, time, conditions)
    return found.numpy().astype(np.float32)


if __name__ == "__main__":
    np.savez_compressed(RECORDED / "newer.npz", unet=record(sys.argv[1]))
