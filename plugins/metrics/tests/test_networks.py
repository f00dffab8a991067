"""Features equal those of torchvision and transformers on the same random weights.

torchvision's are recorded (``record.py``), because its wheel fits only some builds of torch;
transformers' are computed here.
"""

from __future__ import annotations

import metric_checkpoints as checkpoints
import numpy as np
import pytest
import torch
from PIL import Image

from neurodiffuse.errors import DataError
from neurodiffuse.types import Images
from neurodiffuse_metrics import metrics

RECORDED = np.load(checkpoints.HERE / "features.npz")
CLASSES = {
    "alexnet-2": (metrics.AlexNet2, "alexnet"),
    "alexnet-5": (metrics.AlexNet5, "alexnet"),
    "alexnet-7": (metrics.AlexNet7, "alexnet"),
    "inception": (metrics.Inception, "inception"),
    "effnet-b1": (metrics.EffNetB1, "efficientnet"),
    "swav": (metrics.Swav, "resnet"),
}
CASES = [name for name in RECORDED.files if name.count(" ") == 1]
SEEN, MADE = checkpoints.pictures(3, 425, 425, 1), checkpoints.pictures(3, 512, 512, 2)
WIDE = checkpoints.pictures(1, 300, 400, 3)
IDS = ("a", "b", "c")


def rows(metric, *several):
    return np.concatenate([part for pictures in several for part in metric.features(pictures)])


@pytest.mark.parametrize("case", CASES)
def test_features_and_values_equal_those_of_torchvision(case, files):
    name, dialect = case.split(" ")
    cls, network = CLASSES[name]
    metric = cls(dialect, str(files[network]), "cpu")
    found = rows(metric, SEEN, MADE, WIDE)
    size = int(RECORDED[f"{case} size"])
    assert found.shape == (7, size)
    expected = RECORDED[case]
    found = found[:, :: max(1, size // 257)]
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())

    r = RECORDED[f"{case} correlations"]
    values = metric.compare(Images(IDS, SEEN), Images(IDS, MADE))
    if metric.higher_is_better:
        others = r if dialect != "takagi" else r.T
        expected = [np.mean([others[i, j] < r[j, j] for i in range(3) if i != j]) for j in range(3)]
        np.testing.assert_allclose(values, expected)
    else:
        np.testing.assert_allclose(values, 1 - np.diag(r), atol=2e-5)


def test_the_recorded_sizes_are_those_of_the_published_protocol():
    sizes = {case: int(RECORDED[f"{case} size"]) for case in CASES}
    assert sizes["alexnet-2 brain-diffuser"] == 139_968
    assert sizes["alexnet-5 brain-diffuser"] == 43_264
    assert sizes["inception brain-diffuser"] == sizes["swav mindeye"] == 2048
    assert sizes["effnet-b1 mindeye"] == 1280


def openai(picture, side, resample):
    """Return a picture as CLIP takes it, by hand."""
    image = Image.fromarray(picture).resize((side, side), resample)
    x = np.asarray(image, np.float64) / 255
    x = (x - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
    return torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32))


def two_bilinear_steps(picture):
    """Return 256 and then 224 pixels by bilinear interpolation between pixel centres."""
    x = picture.astype(np.float64) / 255
    for side in (256, 224):
        for axis in (0, 1):
            n = x.shape[axis]
            at = np.clip((np.arange(side) + 0.5) * n / side - 0.5, 0, n - 1)
            low = np.floor(at).astype(int)
            high, part = np.minimum(low + 1, n - 1), (at - low)
            part = part[:, None, None] if axis == 0 else part[None, :, None]
            x = np.take(x, low, axis) * (1 - part) + np.take(x, high, axis) * part
    x = (x - [0.48145466, 0.4578275, 0.40821073]) / [0.26862954, 0.26130258, 0.27577711]
    return torch.from_numpy(x.transpose(2, 0, 1).astype(np.float32))


@pytest.mark.parametrize("dialect", ["brain-diffuser", "mindeye", "takagi"])
def test_clip_equals_transformers(dialect, files):
    shown = {
        "brain-diffuser": lambda p: openai(p, 224, Image.Resampling.BILINEAR),
        "takagi": lambda p: openai(p, 224, Image.Resampling.BICUBIC),
        "mindeye": two_bilinear_steps,
    }[dialect]
    model = checkpoints.clip_model()
    with torch.inference_mode():
        x = torch.stack([shown(p) for p in (*SEEN, *MADE)])
        whole = model.vision_model(pixel_values=x).pooler_output
        expected = model.visual_projection(whole).numpy()
    metric = metrics.Clip(dialect, str(files["clip"]), device="cpu")
    np.testing.assert_allclose(
        rows(metric, SEEN, MADE), expected, atol=1e-4 * np.abs(expected).max()
    )


def test_wrong_weights_are_refused_in_one_line(files, tmp_path):
    with pytest.raises(DataError, match=r"not the weights of AlexNet.*missing") as told:
        metrics.AlexNet2(weights=str(files["resnet"]), device="cpu").compare(
            Images(IDS, SEEN), Images(IDS, MADE)
        )
    assert "\n" not in str(told.value)
    with pytest.raises(DataError, match="visual_projection"):
        rows(metrics.Clip(weights=str(files["alexnet"]), device="cpu"), SEEN)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(files["efficientnet"].read_bytes()[:100_000])
    with pytest.raises(DataError, match="damaged or cut short"):
        rows(metrics.EffNetB1(weights=str(cut), device="cpu"), SEEN)
