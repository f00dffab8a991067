"""Record what the reference makes of a tiny CLIP with random weights, for the tests to read.

Not a test. It runs Brain-Diffuser's own ``FrozenCLIP`` (a clone of its repository) on the image
processor of its transformers 4.19.2 (the unpacked wheel); neither is part of this repository. The
network is that of transformers 4.30.2, which is equal and still runs on this Python; it must be
first on the path:

    PYTHONPATH=TRANSFORMERS_4_30_2 python reference.py CLONE WHEEL_4_19_2
"""

from __future__ import annotations

import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file

GOLDEN = Path(__file__).parent / "golden"
CAPTIONS = (("a cat on the mat", "the dog"), ("two birds 9 fly over a very long wide old river",))
MERGES = ("t h", "th e</w>", "a t</w>", "c at</w>", "m at</w>", "d o", "do g</w>", "o n</w>")


def write_tokenizer(folder: Path) -> int:
    """Write a byte-level vocabulary with a few merges; return its size."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in plain]
    letters = [chr(b) for b in plain] + [chr(256 + i) for i in range(len(others))]
    merged = [merge.replace(" ", "") for merge in MERGES]
    words = [*letters, *(c + "</w>" for c in letters), *merged]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: i for i, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]) + "\n")
    return len(vocabulary)


def write_model(folder: Path, words: int) -> None:
    """Write a tiny CLIP in the layout of the hub, half precision."""
    from transformers import CLIPConfig, CLIPModel

    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    sizes["num_attention_heads"] = 2
    ends = {"bos_token_id": words - 2, "eos_token_id": words - 1, "pad_token_id": words - 1}
    config = CLIPConfig(
        text_config={**sizes, "vocab_size": words, "max_position_embeddings": 12, **ends},
        vision_config={**sizes, "image_size": 32, "patch_size": 8},
        projection_dim=12,
    )
    torch.manual_seed(0)
    model = CLIPModel(config).eval()
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_((tensor + 0.3 * torch.randn(tensor.shape)).half())
    kept = {k: v.half() for k, v in model.state_dict().items() if v.is_floating_point()}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    described = {
        "model_type": "clip",
        "projection_dim": 12,
        "vision_config": {**sizes, "image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"},
        "text_config": {
            **sizes,
            "vocab_size": words,
            "max_position_embeddings": 12,
            "hidden_act": "quick_gelu",
            **ends,
        },
    }
    (folder / "config.json").write_text(json.dumps(described, indent=1) + "\n")


def old_processor(wheel: Path):
    """Return transformers 4.19.2's image processor for pictures of 32 pixels."""
    import transformers

    module = types.ModuleType("transformers.old_image_utils")
    module.__package__ = "transformers"
    source = (wheel / "transformers" / "image_utils.py").read_text()
    exec(compile(source, "image_utils.py", "exec"), module.__dict__)
    sys.modules["transformers.old_image_utils"] = module
    source = (wheel / "transformers/models/clip/feature_extraction_clip.py").read_text()
    extractor = types.ModuleType("transformers.models.clip.old")
    extractor.__package__ = "transformers.models.clip"
    source = source.replace("...image_utils", "...old_image_utils")
    exec(compile(source, "feature_extraction_clip.py", "exec"), extractor.__dict__)
    made = extractor.CLIPFeatureExtractor(size=32, crop_size=32)
    print(transformers.__version__, made)
    return made


def frozen_clip(clone: Path, wheel: Path):
    """Return Brain-Diffuser's ``FrozenCLIP`` on the tiny model."""
    from transformers import CLIPModel, CLIPTokenizer

    registry = types.ModuleType("lib.model_zoo.common.get_model")
    registry.register = lambda *name: lambda cls: cls
    for name in ("lib", "lib.model_zoo", "lib.model_zoo.common"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["lib.model_zoo.common.get_model"] = registry
    source = types.ModuleType("reference_clip")
    text = (clone / "versatile_diffusion" / "lib" / "model_zoo" / "clip.py").read_text()
    exec(compile(text, "clip.py", "exec"), source.__dict__)
    frozen = source.FrozenCLIP.__new__(source.FrozenCLIP)
    torch.nn.Module.__init__(frozen)
    frozen.tokenizer = CLIPTokenizer.from_pretrained(GOLDEN)
    frozen.processor = old_processor(wheel)
    frozen.model = CLIPModel.from_pretrained(GOLDEN, torch_dtype=torch.float32).eval()
    frozen.max_length, frozen.fp16 = 12, False
    return frozen


def as_script(image: np.ndarray) -> torch.Tensor:
    """Return an image as clipvision_extract_features.py hands it on: (1, 3, 512, 512)."""
    squashed = Image.fromarray(image).resize((512, 512), Image.Resampling.BILINEAR)
    return (torch.from_numpy(np.array(squashed)).permute(2, 0, 1).float().div(255) * 2 - 1)[None]


def as_vd(frozen, vision: torch.Tensor) -> np.ndarray:
    """Return what ``VD.clip_encode_vision`` makes of a tensor from -1 to 1."""
    values = np.transpose(((vision + 1) / 2).numpy(), (0, 2, 3, 1))
    return frozen.encode_vision(list(values)).numpy()


def main(clone: Path, wheel: Path) -> None:
    """Write the tiny model and what the reference makes of two images and their captions."""
    write_model(GOLDEN, write_tokenizer(GOLDEN))
    frozen = frozen_clip(clone, wheel)
    y, x = np.mgrid[0:36, 0:44]
    dark = np.stack([(x * 2 + y), (3 * y), (x * y) // 12], axis=-1).astype(np.uint8)
    bright = np.random.default_rng(5).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    images = [dark, np.kron(bright, np.ones((4, 4, 1), np.uint8))]
    captions = [frozen.encode_text(list(said)).numpy().mean(0) for said in CAPTIONS]
    size = torch.zeros((1, 3, 32, 32))
    grey = frozen.processor(images=[np.full((32, 32, 3), 0.5, np.float32)], return_tensors="np")
    save_arrays(
        {
            "images": np.stack(images),
            "vision": np.concatenate([as_vd(frozen, as_script(image)) for image in images]),
            "text": np.stack(captions),
            "grey": grey["pixel_values"].astype(np.float32),
            "grey/vision": as_vd(frozen, size),
            "empty/text": frozen.encode_text("").numpy(),
        },
        GOLDEN / "results.safetensors",
    )


if __name__ == "__main__":
    with torch.inference_mode():
        main(Path(sys.argv[1]), Path(sys.argv[2]))
