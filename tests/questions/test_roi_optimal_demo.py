"""The demo on five simulated brains: what regions are painted as, and where features are read from.

The evaluator guided no picture. Categories are compared with what the same generators paint for
voxels drawn at random, bands of eccentricity with one another, maps with what was planted.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from neurodiffuse.plugins import Registry
from neurodiffuse.questions.roi_optimal.command import roi_optimal
from neurodiffuse.questions.weights.command import weights
from neurodiffuse.simulate.command import simulate
from neurodiffuse.simulate.scenes import CATEGORIES

pytestmark = pytest.mark.slow

SEEDS = range(5)
PLANTED = {"Face": "face", "Word": "word", "Place": "house", "Body": "person"}
NULLS = ("random:130", "random:130/1", "random:130/2", "random:130/3")


@dataclass(frozen=True)
class Answer:
    """A simulated study, the run fitted on it and the folder with pictures of its regions."""

    study: Path
    run: Path
    place: Path


def answer(folder, seed):
    study, run = folder / f"brain-{seed}", folder / f"run-{seed}"
    options = ["--subjects", "1", "--train", "1000", "--test", "10", "--seed", str(seed)]
    made = CliRunner().invoke(simulate, [str(study), *options])
    assert made.exit_code == 0, made.output
    words = [word for name in ("category", "eccentricity", *NULLS) for word in ("--roi", name)]
    source = ["--dataset", "bids", "--root", str(study), "--sub", "01", "--recipe", "demo"]
    out = ["--out", str(run), "--seeds", "3"]
    result = CliRunner().invoke(roi_optimal, [*source, *out, *words], obj={"quiet": True})
    assert result.exit_code == 0, result.output
    return Answer(study, run, Path(result.output.strip().removeprefix("page: ")).parent)


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    if "demo" not in [card.name for card in Registry.installed().cards("recipe")]:
        pytest.skip("the demo plugin is not installed")
    folder = tmp_path_factory.mktemp("brains")
    return [answer(folder, seed) for seed in SEEDS]


def pictures(place, group, stage="recon"):
    """Return what a stage made (n, height, width, 3) of each region of a group."""
    found: dict[str, list[np.ndarray]] = {}
    with (place / "images.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if row["group"] == group:
                name = row["file"].replace("stage-recon", f"stage-{stage}")
                found.setdefault(row["region"], []).append(np.asarray(Image.open(place / name)))
    return {region: np.stack(those) for region, those in found.items()}


def test_the_planted_category_is_raised_most(answers):
    from neurodiffuse_demo.metrics import Evaluator

    evaluator = Evaluator()
    right = dict.fromkeys(PLANTED, 0)
    for one in answers:
        null = np.concatenate(list(pictures(one.place, "n/a").values()))
        floor = evaluator.scores(null).mean(axis=0)
        for region, those in pictures(one.place, "category").items():
            raised = evaluator.scores(those).mean(axis=0) - floor
            right[region] += CATEGORIES[int(raised.argmax())] == PLANTED[region]
    assert min(right.values()) >= 4, right


def energies(one, place, *, together):
    """Return the energy over the mean training stimulus of each band's first guesses by ring.

    ``together`` averages the pictures first: what remains is what the region says and not what
    the generator draws.
    """
    with (one.study / "sourcedata" / "truth" / "stimuli.tsv").open(encoding="utf-8") as file:
        rows = [r for r in csv.DictReader(file, delimiter="\t") if r["split"] == "train"]
    files = [one.study / "stimuli" / f"{row['stim_id']}_image.png" for row in rows]
    mean = np.mean([np.asarray(Image.open(file).convert("RGB")) for file in files], axis=0)
    axis = ((np.arange(len(mean)) + 0.5) / len(mean) - 0.5) * 8.4
    ring = np.digitize(np.hypot(axis[:, None], axis[None]), (0.5, 1, 2, 4))
    shown = pictures(place, "eccentricity", "first-guess").values()
    shown = [those.mean(axis=0, keepdims=True) if together else those for those in shown]
    gap = [((those - mean) ** 2).mean(axis=(0, 3)) for those in shown]
    return np.array([[g[ring == k].mean() for k in range(5)] for g in gap])


def test_energy_moves_outwards_with_the_planted_band(answers):
    """The paper's pattern: voxels that prefer opposite things cancel, so one brain is noisy."""
    tables = [energies(one, one.place, together=True) for one in answers]
    peaks = np.median([(t / t.mean(axis=0)).argmax(axis=1) for t in tables], axis=0)
    assert (peaks == np.arange(5)).sum() >= 4, peaks
    assert np.abs(peaks - np.arange(5)).max() <= 1, peaks
    assert (np.diff(peaks) >= 0).all(), peaks


def test_energy_of_random_signs_peaks_at_the_planted_band_in_every_brain(answers):
    """All five bands, by the table that is written and by what its pictures show."""
    for one in answers:
        run = one.run.with_name(f"{one.run.name}-layout")
        source = ["--dataset", "bids", "--root", str(one.study), "--sub", "01", "--out", str(run)]
        words = ["--roi", "eccentricity", "--pattern", "signs", "--seeds", "512"]
        asked = [*source, "--recipe", "demo-layout", *words]
        result = CliRunner().invoke(roi_optimal, asked, obj={"quiet": True})
        assert result.exit_code == 0, result.output
        place = Path(result.output.strip().removeprefix("page: ")).parent
        with (place / "energy.tsv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        assert {row["unit"] for row in rows} == {"degree"}  # as the data set says
        table = energies(one, place, together=False)
        written = np.reshape([float(row["energy"]) for row in rows], (5, 5))
        np.testing.assert_allclose(written, table, rtol=1e-4)
        assert table.argmax(axis=1).tolist() == [0, 1, 2, 3, 4], table
        assert [row["ring"] for row in rows if row["peak"] == "true"] == list("01234")


def read_from(one, feature, stat, *more):
    """Return the percentile of each planted voxel, by the map that ``weights`` writes."""
    out = one.run.parent / f"{one.run.name}-{feature}-{stat}"
    words = ["--run", str(one.run), "--feature", feature, *more, "--no-pictures"]
    measure = {"weight": "l1"}.get(stat, stat)
    asked = [*words, "--measure", measure, "--permutations", "9", "--out", str(out)]
    result = CliRunner().invoke(weights, asked, obj={"quiet": True})
    assert result.exit_code == 0, result.output
    (path,) = out.glob(f"sub-01/func/*stat-{stat}_*.nii.gz")
    at = tuple(planted(one, name).astype(int) for name in "ijk")
    values = nib.load(path).get_fdata()[at]
    return 100 * (stats.rankdata(values) - 0.5) / len(values)


def planted(one, column):
    """Return a column of the table of what was planted in each voxel."""
    with (one.study / "sourcedata" / "truth" / "sub-01_voxels.tsv").open() as file:
        return np.array([row[column] for row in csv.DictReader(file, delimiter="\t")])


def groups(one):
    """Return the voxels of V1 to V4, and those of each kind of category region."""
    region, prefers = planted(one, "region"), planted(one, "prefers")
    early = [np.char.startswith(region, name) for name in ("V1", "V2", "V3", "hV4")]
    return early, [prefers == label for label in ("face", "word", "place", "body")]


def test_layout_is_read_from_v1_to_v4(answers):
    for one in answers:
        early, category = groups(one)
        level = read_from(one, "vae", "weight")
        assert min(level[m].mean() for m in early) > max(level[m].mean() for m in category)


def test_weights_of_captions_against_layout_are_those_of_category_regions(answers):
    """Fig 8: percentile of one feature's weights less that of the autoencoder's."""
    for one in answers:
        early, category = groups(one)
        apart = read_from(one, "text", "weight") - read_from(one, "vae", "weight")
        least, most = min(apart[m].mean() for m in category), max(apart[m].mean() for m in early)
        assert least > most
        assert most < 0


def test_meaning_explains_category_regions_and_layout_v1_to_v4(answers):
    for one in answers:
        early, category = groups(one)
        level = {f: read_from(one, f, "explained") for f in ("vae", "vision", "text")}
        text = level["text"]
        assert min(text[m].mean() for m in category) > max(text[m].mean() for m in early)
        share = planted(one, "share").astype(float)
        for feature in ("vision", "text"):
            apart = level[feature] - level["vae"]
            assert min(apart[m].mean() for m in category) > 0
            assert max(apart[m].mean() for m in early) < 0
            assert stats.spearmanr(apart, share).statistic > 0.6
        silent = planted(one, "ncsnr").astype(float) == 0
        assert max(values[silent].max() for values in level.values()) < 15


@pytest.mark.parametrize("feature", ["vision", "text"])
def test_the_pooled_token_follows_category_regions(answers, feature):
    for one in answers:
        early, category = groups(one)
        level = read_from(one, feature, "pattern", "--token", "0")
        assert min(level[m].mean() for m in category) > max(level[m].mean() for m in early)
        share = planted(one, "share").astype(float)
        assert stats.spearmanr(level, share).statistic > 0.6
        assert level[planted(one, "ncsnr").astype(float) == 0].max() < 25
