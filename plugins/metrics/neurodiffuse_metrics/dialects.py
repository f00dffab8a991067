"""How each published evaluation shows pictures to a network, and which layer it reads.

Brain-Diffuser: every network gets 224 pixels. MindEye: first 256 pixels, then each network its own
size. Takagi & Nishimoto: 299 pixels for all but CLIP, other layers, and identification along the
made pictures. From the published code: ``scripts/eval_extract_features.py`` of
ozcelikfu/brain-diffuser, ``src/Reconstruction_Metrics.py`` of MedARC-AI/fMRI-reconstruction-NSD
(torchvision 0.15, whose tensors are resized without antialiasing), ``codes/utils/
img2feat_decoded.py`` and ``identification.py`` of yu-takagi/StableDiffusionReconstruction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Dialect = Literal["brain-diffuser", "mindeye", "takagi"]
TwoDialects = Literal["brain-diffuser", "mindeye"]
OnlyTakagi = Literal["takagi"]

Scale = tuple[tuple[float, float, float], tuple[float, float, float]]

IMAGENET: Scale = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
OPENAI: Scale = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))


@dataclass(frozen=True)
class View:
    """What a network sees: a square of ``side`` pixels.

    ``first`` is a square that pictures are brought to before, as tensors without antialiasing; 0
    is Pillow's resizing at once. ``crop`` resizes the shorter side and cuts out the middle rather
    than squash. ``filter`` is Pillow's. ``along`` says what is told apart in two-way
    identification: the ``seen`` pictures for a made one, or the ``made`` ones for a seen one.
    """

    side: int
    layer: str = ""
    first: int = 0
    crop: bool = False
    filter: Literal["bilinear", "bicubic"] = "bilinear"
    along: Literal["seen", "made"] = "seen"


def _takagi(side: int, layer: str = "", *, bicubic: bool = False) -> View:
    return View(side, layer, 0, True, "bicubic" if bicubic else "bilinear", "made")


ALEXNET_2: Mapping[str, View] = {
    "brain-diffuser": View(224, "features.4"),
    "mindeye": View(256, "features.4", first=256),
    "takagi": _takagi(299, "features.5"),
}
ALEXNET_5: Mapping[str, View] = {
    "brain-diffuser": View(224, "features.11"),
    "mindeye": View(256, "features.11", first=256),
    "takagi": _takagi(299, "features.12"),
}
ALEXNET_7: Mapping[str, View] = {"takagi": _takagi(299, "classifier.5")}
INCEPTION: Mapping[str, View] = {
    "brain-diffuser": View(224),
    "mindeye": View(342, first=256),
    "takagi": _takagi(299),
}
CLIP: Mapping[str, View] = {
    "brain-diffuser": View(224),
    "mindeye": View(224, first=256),
    "takagi": _takagi(224, bicubic=True),
}
EFFNET_B1: Mapping[str, View] = {
    "brain-diffuser": View(224),
    "mindeye": View(255, first=256),
}
SWAV: Mapping[str, View] = {
    "brain-diffuser": View(224),
    "mindeye": View(224, first=256),
}
