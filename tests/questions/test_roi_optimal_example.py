"""Regions of the bundled brain stand for what was planted in them, as far as pixels can show."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from neurodiffuse.questions.roi_optimal.command import roi_optimal

ROOT = Path(__file__).parents[2] / "bids_example"
DEGREES = 8.4  # width of a picture
CATEGORIES = {"Face": "face", "Word": "word", "Place": "place", "Body": "body"}
BANDS = ("0-0.5", "0.5-1", "1-2", "2-4", "over4")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    pytest.importorskip("neurodiffuse_bids")
    pytest.importorskip("neurodiffuse_pixels")
    if not ROOT.exists():
        pytest.skip("bids_example is not in this checkout")
    out = tmp_path_factory.mktemp("roi") / "run"
    source = ("--dataset", "bids", "--root", str(ROOT), "--sub", "01", "--sub", "02")
    command = (*source, "--recipe", "pixels", "--out", str(out), "--roi", "all")
    result = CliRunner().invoke(roi_optimal, command, obj={"quiet": True})
    assert result.exit_code == 0, result.output
    return Path(result.output.strip().removeprefix("page: ")).parent


@pytest.fixture(scope="module")
def stimuli():
    """Return training pictures (n, 64, 64, 3), 0 to 1, and how much of each label they show."""
    with (ROOT / "sourcedata/truth/stimuli.tsv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["split"] == "train"]
    files = [ROOT / "stimuli" / f"{row['stim_id']}_image.png" for row in rows]
    pictures = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in files]) / 255
    labels = {c: np.array([float(r[f"label_{c}"]) for r in rows]) for c in CATEGORIES.values()}
    return pictures, labels


def painted(place, who, group, region):
    (file,) = (place / who / group / region).glob("*_stage-recon.png")
    return np.asarray(Image.open(file)) / 255


def test_category_regions_show_their_category(place, stimuli):
    pictures, labels = stimuli
    mean = pictures.mean(axis=0)
    templates = {c: pictures[shown > 0.5].mean(axis=0) - mean for c, shown in labels.items()}
    right = 0
    for who in ("sub-01", "sub-02", "average"):
        for region, category in CATEGORIES.items():
            made = painted(place, who, "category", region) - mean
            near = {c: np.corrcoef(made.ravel(), t.ravel())[0, 1] for c, t in templates.items()}
            right += max(near, key=near.__getitem__) == category
    assert right >= 11  # of 12; 3 by chance


def test_bands_of_eccentricity_have_their_energy_where_they_look(place, stimuli):
    mean = stimuli[0].mean(axis=0)
    axis = ((np.arange(64) + 0.5) / 64 - 0.5) * DEGREES
    ring = np.digitize(np.hypot(axis[:, None], axis[None]), (0.5, 1, 2, 4))
    peaks = []
    for who in ("sub-01", "sub-02", "average"):
        gap = [((painted(place, who, "eccentricity", b) - mean) ** 2).mean(axis=2) for b in BANDS]
        energy = np.array([[g[ring == k].mean() for k in range(5)] for g in gap])
        peaks.append((energy / energy.mean(axis=0)).argmax(axis=1))
    apart = np.abs(np.array(peaks) - np.arange(5))
    assert apart.max() <= 1  # receptive fields are wider than the bands
    assert (apart == 0).sum() >= 9  # of 15; 3 by chance
