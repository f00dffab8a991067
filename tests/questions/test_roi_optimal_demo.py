"""What the demo generator paints for regions of five simulated brains, read by its evaluator.

The evaluator guided no picture. Categories are compared with what the same generators paint for
voxels drawn at random, bands of eccentricity with one another.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from neurodiffuse.plugins import Registry
from neurodiffuse.questions.roi_optimal.command import roi_optimal
from neurodiffuse.simulate.command import simulate
from neurodiffuse.simulate.scenes import CATEGORIES

pytestmark = pytest.mark.slow

SEEDS = range(5)
PLANTED = {"Face": "face", "Word": "word", "Place": "house", "Body": "person"}
BANDS = ("0-0.5", "0.5-1", "1-2", "2-4", "over4")
NULLS = ("random:130", "random:130/1", "random:130/2", "random:130/3")


def answer(folder, seed):
    """Return where the pictures of one simulated brain are, and its mean stimulus."""
    study = folder / f"brain-{seed}"
    options = ["--subjects", "1", "--train", "1000", "--test", "10", "--seed", str(seed)]
    made = CliRunner().invoke(simulate, [str(study), *options])
    assert made.exit_code == 0, made.output
    words = [word for name in ("category", "eccentricity", *NULLS) for word in ("--roi", name)]
    source = ["--dataset", "bids", "--root", str(study), "--sub", "01", "--recipe", "demo"]
    out = ["--out", str(folder / f"run-{seed}"), "--seeds", "3"]
    result = CliRunner().invoke(roi_optimal, [*source, *out, *words], obj={"quiet": True})
    assert result.exit_code == 0, result.output
    stimuli = sorted((study / "stimuli").glob("*.png"))
    mean = np.mean([np.asarray(Image.open(file).convert("RGB")) for file in stimuli], axis=0)
    return Path(result.output.strip().removeprefix("page: ")).parent, mean


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    if "demo" not in [card.name for card in Registry.installed().cards("recipe")]:
        pytest.skip("the demo plugin is not installed")
    folder = tmp_path_factory.mktemp("brains")
    return [answer(folder, seed) for seed in SEEDS]


def pictures(place, group):
    """Return the pictures (n, height, width, 3) of each region of a group."""
    found: dict[str, list[np.ndarray]] = {}
    with (place / "images.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["group"] == group:
                picture = np.asarray(Image.open(place / row["file"]))
                found.setdefault(row["region"], []).append(picture)
    return {region: np.stack(those) for region, those in found.items()}


def test_the_planted_category_is_raised_most(answers):
    from neurodiffuse_demo.metrics import Evaluator

    evaluator = Evaluator()
    right = dict.fromkeys(PLANTED, 0)
    for place, _ in answers:
        null = np.concatenate(list(pictures(place, "n/a").values()))
        floor = evaluator.scores(null).mean(axis=0)
        for region, those in pictures(place, "category").items():
            raised = evaluator.scores(those).mean(axis=0) - floor
            right[region] += CATEGORIES[int(raised.argmax())] == PLANTED[region]
    assert min(right.values()) >= 4, right


def test_energy_peaks_in_the_planted_band(answers):
    peaks = []
    for place, mean in answers:
        size = mean.shape[0]
        axis = ((np.arange(size) + 0.5) / size - 0.5) * 8.4
        ring = np.digitize(np.hypot(axis[:, None], axis[None]), (0.5, 1, 2, 4))
        shown = list(pictures(place, "eccentricity").values())
        # the mean over seeds leaves what the region says and not what the generator draws
        gap = [((those.mean(axis=0) - mean) ** 2).mean(axis=2) for those in shown]
        energy = np.array([[g[ring == k].mean() for k in range(5)] for g in gap])
        peaks.append((energy / energy.mean(axis=0)).argmax(axis=1))
    assert np.abs(np.median(peaks, axis=0) - np.arange(5)).max() <= 1, peaks
    assert (np.diff(np.median(peaks, axis=0)) >= 0).all(), peaks
