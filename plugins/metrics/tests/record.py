"""Write ``recorded/``: what torchvision makes of the files and pictures of metric_checkpoints.py.

    python plugins/metrics/tests/record.py [FOLDER_OF_TORCHVISION]

Run it where torchvision is installed, or name a folder that its wheel was unpacked into: where its
compiled part does not fit the installed torch, operators that classifiers never use are declared
empty first. Its code follows the evaluations named in ``neurodiffuse_metrics/dialects.py`` and
shares nothing with that package.
"""

from __future__ import annotations

import gzip
import json
import sys

import metric_checkpoints as checkpoints
import numpy as np
import torch
from PIL import Image

OPERATORS = (
    *("nms", "qnms", "roi_align", "roi_pool", "ps_roi_align", "ps_roi_pool", "deform_conv2d"),
    *("_roi_align_backward", "_roi_pool_backward", "_ps_roi_align_backward"),
    *("_ps_roi_pool_backward", "_deform_conv2d_backward"),
)
KEPT = 257
"""Features of a picture that are recorded: every so-and-so-manieth."""


def torchvision_without_operators() -> None:
    library = torch.library.Library("torchvision", "DEF")
    for name in OPERATORS:
        library.define(f"{name}(Tensor x) -> Tensor")
    globals()["_kept_alive"] = library


def main() -> None:
    if len(sys.argv) > 1:
        sys.path.insert(0, sys.argv[1])
        torchvision_without_operators()
    from torchvision import models, transforms
    from torchvision.models.feature_extraction import create_feature_extractor

    T, bilinear = transforms, transforms.InterpolationMode.BILINEAR
    normal = T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    pil = T.Compose([T.Resize((224, 224), bilinear), T.ToTensor(), normal])
    takagi = T.Compose([T.Resize(299), T.CenterCrop(299), T.ToTensor(), normal])
    before = T.Resize((256, 256), antialias=False)

    def mindeye(side):
        after = T.Compose([T.Resize(side, bilinear, antialias=False), normal])
        return lambda image: after(before(T.functional.to_tensor(image)))

    nets = {
        "alexnet": models.alexnet(weights=None),
        "inception": models.inception_v3(weights=None, transform_input=True, init_weights=False),
        "efficientnet": models.efficientnet_b1(weights=None),
        "resnet": models.resnet50(weights=None),
    }
    named = {n: {k: list(v.shape) for k, v in net.state_dict().items()} for n, net in nets.items()}
    with gzip.GzipFile(checkpoints.HERE / "shapes.json.gz", "wb", mtime=0) as file:
        file.write(json.dumps(named).encode())
    for name, net in nets.items():
        net.load_state_dict(checkpoints.tensors(named[name]))
        net.eval()
    asked = {
        "alexnet-2 brain-diffuser": ("alexnet", "features.4", pil),
        "alexnet-5 brain-diffuser": ("alexnet", "features.11", pil),
        "inception brain-diffuser": ("inception", "avgpool", pil),
        "effnet-b1 brain-diffuser": ("efficientnet", "avgpool", pil),
        "swav brain-diffuser": ("resnet", "avgpool", pil),
        "alexnet-2 mindeye": ("alexnet", "features.4", mindeye(256)),
        "alexnet-5 mindeye": ("alexnet", "features.11", mindeye(256)),
        "inception mindeye": ("inception", "avgpool", mindeye(342)),
        "effnet-b1 mindeye": ("efficientnet", "avgpool", mindeye(255)),
        "swav mindeye": ("resnet", "avgpool", mindeye(224)),
        "alexnet-2 takagi": ("alexnet", "features.5", takagi),
        "alexnet-5 takagi": ("alexnet", "features.12", takagi),
        "alexnet-7 takagi": ("alexnet", "classifier.5", takagi),
        "inception takagi": ("inception", "flatten", takagi),
    }
    seen, made = checkpoints.pictures(3, 425, 425, 1), checkpoints.pictures(3, 512, 512, 2)
    wide = checkpoints.pictures(1, 300, 400, 3)
    found = {}
    for name, (net, layer, view) in asked.items():
        extract = create_feature_extractor(nets[net], {layer: "found"})
        images = [Image.fromarray(p) for p in (*seen, *made, *wide)]
        with torch.inference_mode():
            rows = [extract(view(i)[None])["found"].flatten().numpy() for i in images]
        rows = np.stack(rows)
        step = max(1, rows.shape[1] // KEPT)
        found[name] = rows[:, ::step]
        r = np.corrcoef(rows[:3].astype(np.float64), rows[3:6].astype(np.float64))[:3, 3:]
        found[f"{name} size"] = np.asarray(rows.shape[1])
        found[f"{name} correlations"] = r
    np.savez_compressed(checkpoints.HERE / "features.npz", **found)


if __name__ == "__main__":
    main()
