"""Where random signs are seen: energies of toy pictures, computed again from the files."""

from __future__ import annotations

import csv
import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.questions.roi_optimal import energy as energies
from neurodiffuse.questions.roi_optimal import regions
from neurodiffuse.questions.roi_optimal.ask import roi_optimal
from neurodiffuse.questions.roi_optimal.command import roi_optimal as command
from neurodiffuse.questions.roi_optimal.energy_page import unsure
from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.questions.roi_optimal.rings import Rings
from neurodiffuse.questions.roi_optimal.source import fitted
from neurodiffuse.run import opened

DEGREES, HALF_WIDTHS = (0.5, 1, 2, 4), (0.125, 0.25, 0.5, 1)


@pytest.fixture
def fit(make_run):
    """Return a function that gives a fitted run of two subjects."""

    def make(out="run"):
        run = make_run(
            "features.colour.alpha=3", "stages.first.grain=0.2", subjects=("01", "02"), out=out
        )
        with opened(run):
            fitted(run)
        return run

    return make


@pytest.fixture
def run(fit):
    return fit()


def question(*words, **options):
    options = {"subjects": ("01", "02"), "pattern": "signs", "seeds": 5, **options}
    return Question(regions=regions.wanted(words), **options)


def table(place):
    with (place / "energy.tsv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def numbers(rows, column):
    return [float(row[column].replace("n/a", "nan")) for row in rows]


def mean_of(run, subject):
    """Return the mean of a toy subject's training pictures, each of which has one colour."""
    trials = run.subject(subject).trials
    ids = {s for s, split in zip(trials.stimulus, trials.split, strict=True) if split == "train"}
    return np.mean([np.trunc(run.dataset._colour(i) * 255) for i in ids], axis=0)


def by_hand(place, folder, stage, mean, borders, width):
    """Return map, and energies (n_pictures, 5) pixel by pixel, of what a stage made of a region."""
    files = sorted((place / folder).glob(f"sample-*_stage-{stage}.png"))
    total, rows = np.zeros((8, 8)), []
    for file in files:
        picture, rings = Image.open(file).convert("RGB"), [[] for _ in range(5)]
        for y in range(8):
            for x in range(8):
                away = math.dist((x + 0.5, y + 0.5), (4, 4)) * width / 8
                channels = zip(picture.getpixel((x, y)), mean, strict=True)
                squared = sum((value - m) ** 2 for value, m in channels) / 3
                total[y, x] += squared / len(files)
                rings[sum(away >= border for border in borders)].append(squared)
        rows.append([np.mean(ring) if ring else math.nan for ring in rings])
    return total, np.array(rows)


@pytest.mark.parametrize(
    ("width", "borders", "wide"), [(8.4, DEGREES, 8.4), (3.0, DEGREES, 3.0), (None, HALF_WIDTHS, 2)]
)
def test_energies_are_those_of_the_written_pictures(run, width, borders, wide):
    place = roi_optimal(run, question("V1", "FFA1", width=width))
    means = {s: mean_of(run, s) for s in ("01", "02")}
    means["average"] = np.mean(list(means.values()), axis=0)
    for who, mean in means.items():
        folder = who if who == "average" else f"sub-{who}"
        for region, stage in itertools.product(("V1", "FFA1"), ("first", "recon")):
            at = f"{folder}/regions/{region}"
            total, expected = by_hand(place, at, stage, mean, borders, wide)
            np.testing.assert_allclose(
                np.load(place / at / f"energy_stage-{stage}.npy"), total, rtol=1e-5
            )
            rows = [
                r
                for r in table(place)
                if (r["region"], r["subject"], r["stage"]) == (region, who, stage)
            ]
            np.testing.assert_allclose(numbers(rows, "energy"), expected.mean(axis=0), rtol=1e-5)
            errors = stats.sem(expected, axis=0)
            np.testing.assert_allclose(numbers(rows, "standard_error"), errors, rtol=1e-3)
            peak = int(np.nanargmax(expected.mean(axis=0)))
            assert [r["peak"] for r in rows] == ["true" if k == peak else "false" for k in range(5)]
            assert sum(int(r["pixels"]) for r in rows) == 64
            assert {r["pictures"] for r in rows} == {"5"}
            assert {r["unit"] for r in rows} == {"degree" if width else "half-width"}
            assert [float(r["inner"]) for r in rows] == [0, *borders]
            shares = numbers(rows, "peak_share")
            assert sum(shares) == pytest.approx(1, abs=5e-4)
            assert all(s == 0 for s, r in zip(shares, rows, strict=True) if r["energy"] == "n/a")


def test_relative_is_over_the_mean_of_the_regions_asked_in_the_same_ring(run):
    rows = table(roi_optimal(run, question("V1", "FFA1", "ecc:2-3", width=4)))
    assert len(rows) == 3 * 3 * 2 * 5
    for row in rows:
        same = ("subject", "stage", "ring")
        those = numbers([r for r in rows if all(r[n] == row[n] for n in same)], "energy")
        (found,), (own,) = numbers([row], "relative"), numbers([row], "energy")
        assert found == pytest.approx(own / np.mean(those), abs=1e-4, nan_ok=True)
    alone = table(roi_optimal(run, question("V1", width=4)))
    assert {row["relative"] for row in alone} == {"n/a"}
    same = [{**r, "relative": "n/a"} for r in rows if r["region"] == "V1"]
    assert same == alone  # energies of a region do not depend on the others asked for


def test_the_same_question_gives_the_same_bytes(fit):
    places = [roi_optimal(fit(out), question("V1", "eccentricity")) for out in ("one", "two")]
    files = [sorted(p.relative_to(at) for p in at.rglob("*") if p.is_file()) for at in places]
    assert files[0] == files[1]
    assert {"energy-eccentricity_stage-first.png", "energy-regions_stage-recon.png"} < {
        str(p) for p in files[0]
    }
    assert all((places[0] / p).read_bytes() == (places[1] / p).read_bytes() for p in files[0])


def test_the_page_begins_with_energies_and_folds_the_pictures_away(run):
    place = roi_optimal(run, question("V1", "eccentricity", seeds=6, width=8.4))
    html = (place / "index.html").read_text(encoding="utf-8")
    assert "<h1>Where regions look</h1>" in html
    assert html.index("energies") < html.index("Random pictures (4 of 6)")
    assert html.count('class="light-plate energies"') == 2 * 2  # groups, stages
    assert html.count('alt="V1, sub-01, sample') == 4
    assert "Predicted activation" not in html
    assert not list(place.glob("figure-*.png"))  # of single pictures, which mean nothing
    assert "http" not in html.replace("http-equiv", "")


def test_ones_have_pictures_and_no_energies(run):
    place = roi_optimal(run, question("V1", pattern="ones"))
    assert not list(place.rglob("energy*"))
    assert '"width"' not in (place / "question.json").read_text()
    with pytest.raises(ConfigError, match="--pattern signs"):
        question("V1", pattern="ones", width=8.4)


def test_a_single_picture_has_no_error_and_it_is_said(run):
    place = roi_optimal(run, question("V1", seeds=1, width=8.4))
    rows = table(place)
    assert {(row["standard_error"], row["peak_share"]) for row in rows} == {("n/a", "n/a")}
    html = (place / "index.html").read_text(encoding="utf-8")
    assert "One picture of random signs means nothing" in html


# --- how sure -----------------------------------------------------------------------------------


def made(densities, panel=None):
    return energies.Energy(panel, "first", Rings(8.4), np.zeros((8, 8)), densities, 3)


def test_the_share_of_resamplings_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    densities = np.zeros((200, 5))
    densities[:, :2] = rng.standard_normal((200, 2)) + np.array([10.0, 10.0])
    one = made(densities)
    gap = densities[:, 1] - densities[:, 0]
    expected = stats.norm.cdf(gap.mean() / (gap.std(ddof=0) / np.sqrt(200)))
    assert one.shares[1] == pytest.approx(expected, abs=0.04)
    assert one.shares.sum() == pytest.approx(1)
    assert 0.05 < one.shares[1] < 0.95


def test_a_ring_without_pixels_is_never_the_peak():
    one = made(np.array([[np.nan, 2.0, 1.0, 0, 0], [np.nan, 3.0, 1.0, 0, 0]]))
    assert one.peak == 1
    assert one.shares.tolist() == [0, 1, 0, 0, 0]


def test_a_peak_that_other_signs_would_move_is_told(run):
    place = roi_optimal(run, question("V1", seeds=3, width=8.4))
    notes = (place / "question.json").read_text()
    rows = [r for r in table(place) if r["stage"] == "first" and r["peak"] == "true"]
    unsettled = [r for r in rows if float(r["peak_share"]) < 0.95]
    assert ("too few to be sure" in notes) == bool(unsettled)
    sure = made(np.array([[5.0, 1, 1, 1, 1], [6.0, 1, 1, 1, 1]]))
    assert unsure([sure], "first") == []


# --- how wide -----------------------------------------------------------------------------------


def test_rings_are_the_bands_of_the_paper_in_degrees():
    rings = Rings(8.4)
    bands = [region.name for region in regions.PRESETS["eccentricity"]]
    assert rings.names == bands
    assert [rings.own(name) for name in bands] == list(range(5))
    assert Rings(None).own(bands[0]) is None
    ring = rings.of(64, 64)
    assert ring[32, 32] == ring[31, 31] == 0
    assert ring[0, 0] == ring[32, 0] == 4  # 4.13 degrees to the left
    assert ring[32, 2] == 3


def test_a_picture_that_is_not_square_has_square_pixels():
    radius = Rings(10.0).radius(20, 40)
    assert radius[10, 0] == pytest.approx(math.hypot(0.125, 4.875))
    assert radius[0, 20] == pytest.approx(math.hypot(2.375, 0.125))


def test_the_data_set_says_how_wide_and_the_option_is_heard_first(run, monkeypatch):
    monkeypatch.setattr(run.dataset, "about", lambda: {"degrees": "8.4"})
    stated = roi_optimal(run, question("V1"))
    assert {row["unit"] for row in table(stated)} == {"degree"}
    assert stated == roi_optimal(run, question("V1", width=8.4))
    other = roi_optimal(run, question("V1", width=4.0))
    assert other != stated
    pixels = [[r["pixels"] for r in table(place)[:5]] for place in (stated, other)]
    assert pixels[0] != pixels[1]


def test_without_a_width_it_is_said_that_rings_are_in_half_widths(run):
    place = roi_optimal(run, question("V1"))
    assert "Say it with --width" in (place / "index.html").read_text(encoding="utf-8")


def test_a_width_that_no_picture_has_is_refused(run):
    for width in (0.0, -8.4, math.nan, math.inf, 1000.0):
        with pytest.raises(ConfigError, match="--width"):
            roi_optimal(run, question("V1", width=width))


def test_a_data_set_that_says_nonsense_is_named(run, monkeypatch):
    for said in ("wide", "-1", "nan"):
        monkeypatch.setattr(run.dataset, "about", lambda said=said: {"degrees": said})
        with pytest.raises(PluginError, match=f"toy: says that its pictures are '{said}' degrees"):
            roi_optimal(run, question("V1"))


# --- the mean stimulus --------------------------------------------------------------------------


def test_pictures_of_several_sizes_have_one_mean(run):
    rng = np.random.default_rng(4)
    images = [rng.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (12, 8, 12, 16)]
    sums = energies._sums(images)
    found = sum(energies._resized(total, (8, 8)) for total in sums.values()) / 4
    planes = [
        [
            Image.fromarray(image[..., c].astype(np.float32)).resize((8, 8), Image.BICUBIC)
            for c in range(3)
        ]
        for image in images
    ]
    expected = np.mean([[np.asarray(p) for p in those] for those in planes], axis=0)
    np.testing.assert_allclose(found, np.moveaxis(expected, 0, -1), atol=1e-3)


def test_larger_stimuli_are_brought_to_the_size_of_the_pictures(run, monkeypatch):
    stimuli = run.dataset.stimuli

    def large(ids):
        found = stimuli(ids)
        return replace(found, images=[np.repeat(np.repeat(i, 5, 0), 5, 1) for i in found.images])

    plain = table(roi_optimal(run, question("V1", width=8.4)))
    monkeypatch.setattr(run.dataset, "stimuli", large)
    again = table(roi_optimal(run, question("FFA1", "V1", width=8.4)))
    found = numbers([r for r in again if r["region"] == "V1"], "energy")
    np.testing.assert_allclose(found, numbers(plain, "energy"), rtol=1e-5)


# --- the command --------------------------------------------------------------------------------


def test_command_takes_the_width(registry, run):
    words = ["--run", str(run.path), "--roi", "V1", "--pattern", "signs", "--seeds", "2"]
    found = CliRunner().invoke(
        command, [*words, "--width", "8.4"], obj={"registry": registry, "quiet": True}
    )
    assert found.exit_code == 0, found.output
    wrong = CliRunner().invoke(
        command, [*words, "--width", "0"], obj={"registry": registry, "quiet": True}
    )
    assert wrong.exit_code == 1
    assert "--width: 0 degrees" in str(wrong.exception)
