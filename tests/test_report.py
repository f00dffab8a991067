"""The report: the right rows, the right numbers, nothing from outside, nothing unescaped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html
import io
import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib.resources import files

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from report_case import AFFINE, brain, discs, report, score, subject

from neurodiffuse.decoders.ridge import summary as ridge_summary
from neurodiffuse.report import Citation, FeatureRow, ScoreRow, build, charts, pictures, wording
from neurodiffuse.report import brain as brain_pictures
from neurodiffuse.report.ranking import grid_rows
from neurodiffuse.types import Section

VOID = {"meta", "link", "img", "rect", "path", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes, and the text of the page without script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text: list[str] = []
        self.code: dict[str, list[str]] = {"script": [], "style": []}
        self.stack: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.stack.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        inside = self.stack[-1] if self.stack else ""
        (self.code.get(inside, self.text)).append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def page_text():
    return build(report())


@pytest.fixture(scope="module")
def page(page_text):
    return Page(page_text)


def decoded(uri):
    head, body = uri.split(",")
    assert head in {"data:image/png;base64", "data:image/jpeg;base64"}
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))).convert("RGB"))


# --- choosing rows -----------------------------------------------------------------------------


def row_of(values, **more):
    return score("m", "recon", values, **more)


def test_best_median_and_worst_by_one_metric():
    values = np.arange(20)[[3, 0, 19, 7, *range(1, 3), *range(4, 7), *range(8, 19)]]
    choice, first = grid_rows([row_of(values)], 20, each=2)
    found = {g.title: values[list(g.rows)].tolist() for g in choice.groups}
    assert found == {"Best": [19, 18], "Median": [10, 9], "Worst": [1, 0]}
    assert choice.rank[2] == 1
    assert choice.rank[1] == 20
    assert [i for g in first.groups for i in g.rows] == list(range(12))


def test_ranks_of_metrics_are_averaged_and_a_distance_counts_backwards():
    up = row_of([1, 2, 3, 4.0])
    down = row_of([10, 40, 20, 30.0], higher_is_better=False)
    # ranks by up: 4 3 2 1, by down: 1 4 2 3, so means: 2.5 3.5 2 2
    choice, _ = grid_rows([up, down], 4)
    assert [i for g in choice.groups for i in g.rows] == [2, 3, 0, 1]


def test_missing_value_ranks_last_whatever_the_direction():
    for higher in (True, False):
        rows = [row_of([np.nan, 1.0, 2.0], higher_is_better=higher)]
        assert grid_rows(rows, 3)[0].rank[0] == 3


def test_without_scores_the_first_images_are_shown_and_said_to_be_unranked():
    choice, first = grid_rows([], 50, first=12)
    assert [i for g in choice.groups for i in g.rows] == list(range(12))
    assert "unranked" in choice.rule
    assert choice.rank == ()
    assert first is None


def test_metrics_with_another_number_of_values_do_not_rank():
    assert grid_rows([row_of([1.0, 2.0])], 3)[0].rank == ()


def test_one_image():
    choice, first = grid_rows([row_of([0.3])], 1)
    assert [g.rows for g in choice.groups] == [(0,)]
    assert first is None


@pytest.mark.parametrize("n", range(1, 30))
def test_no_image_stands_twice_in_the_ranked_grid(n):
    values = np.random.default_rng(n).permutation(n).astype(float)
    shown = [i for g in grid_rows([row_of(values)], n)[0].groups for i in g.rows]
    assert len(shown) == len(set(shown)) == min(n, 12)


def test_the_rule_is_printed_under_the_grid(page):
    assert "mean of their ranks in Identification and Distance" in page.words
    assert "the 4 at the bottom of 16" in page.words


# --- pictures ----------------------------------------------------------------------------------


def test_small_picture_keeps_every_pixel():
    array = discs(3)[1]
    made = pictures.picture(array, 256)
    np.testing.assert_array_equal(decoded(made.uri), array)
    assert made.pixelated


def test_large_picture_is_made_smaller_and_not_pixelated():
    array = np.zeros((300, 600, 3), np.uint8)
    array[:, 300:] = 255
    made = pictures.picture(array, 256)
    assert (made.width, made.height) == (256, 128)
    assert not made.pixelated
    assert decoded(made.uri)[:, [20, 230]].mean(axis=(0, 2)) == pytest.approx([0, 255], abs=2)


def test_grey_pictures_are_shown_grey():
    made = decoded(pictures.picture(np.full((4, 4, 1), 77, np.uint8), 64).uri)
    assert np.all(made == 77)


def test_page_shows_what_was_given_under_the_right_name():
    data = report(subject(with_brain=False))
    person = data.subjects[0]
    page = Page(build(data))
    shown = {a["alt"]: a["src"] for a in page.all("img")}
    sources = {
        "Seen": person.seen,
        "First guess of": person.made["first-guess"],
        "Reconstruction of": person.made["recon"],
        "Made from the true latents of": person.oracle["recon"],
    }
    for words, array in sources.items():
        for i in (0, 9, 15):
            alt = f"{words} disc{i:03d}, a disc number {i}"
            np.testing.assert_array_equal(decoded(shown[alt]), array[i])


def test_contact_sheet_is_bounded_and_says_so():
    n = 215
    person = subject(
        n=n,
        with_brain=False,
        seen=np.zeros((n, 120, 120, 3), np.uint8),
        made={"recon": np.zeros((n, 130, 130, 3), np.uint8)},
        oracle={},
    )
    page = Page(build(report(person, stages=("recon",))))
    sheet = [a for a in page.all("img") if max(int(a["width"]), int(a["height"])) <= 96]
    assert len(sheet) == 2 * 200
    assert "The first 200 of 215 test images" in page.words


# --- numbers -----------------------------------------------------------------------------------


def test_score_table_shows_mean_interval_p_chance_and_ceiling():
    row = ScoreRow("PixCorr", "recon", 0.2541, -0.012, 0.31, 16, p=0.0004, null_mean=0.031)
    ceiling = ScoreRow("PixCorr", "recon", 0.9876, 0.98, 0.99, 16)
    words = Page(
        build(report(subject(with_brain=False, scores=(row,), oracle_scores=(ceiling,))))
    ).words
    table = words[words.index("PixCorr higher is better") :]
    for text in (
        "0.254",
        "−0.012 to 0.310",
        "p < 0.001",
        "0.031 shuffled",
        "0.988",
        "0.980 to 0.990",
    ):
        assert text in table


@pytest.mark.parametrize(
    ("value", "text"), [(0.5, "0.50"), (-0.126, "−0.13"), (-0.0001, "0.00"), (np.nan, "–")]
)
def test_number(value, text):
    assert wording.number(value) == text


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("pixcorr", "PixCorr"),
        ("identification-hog", "Identification (hog)"),
        ("latent-distance", "Latent distance"),
        ("AlexNet(2)", "AlexNet(2)"),
    ],
)
def test_metric_label(name, label):
    assert wording.metric_label(name) == label


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.31, "0.3 s"),
        (9.97, "10 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration(seconds, text):
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"mean": 0.6, "p": 0.01, "low": 0.55, "high": 0.65}, True),
        ({"mean": 0.6, "p": 0.2, "low": 0.55, "high": 0.65}, False),
        ({"mean": 0.6, "p": 0.01, "low": 0.45, "high": 0.75}, False),
        ({"mean": 0.6, "p": 0.01, "low": np.nan, "high": np.nan}, True),
        ({"mean": 0.4, "p": 0.01, "low": 0.35, "high": 0.45}, False),
        ({"mean": 0.4, "p": 0.01, "low": 0.35, "high": 0.45, "higher_is_better": False}, True),
        ({"mean": 0.6, "p": None, "low": 0.55, "high": 0.65}, True),
        ({"mean": 0.6, "p": None, "low": 0.45, "high": 0.75}, False),
        ({"mean": 0.6, "p": None, "low": np.nan, "high": np.nan}, None),
        ({"mean": 0.6, "p": 0.01, "chance": None}, None),
    ],
)
def test_better_than_chance(row, expected):
    assert wording.beats_chance(row_of([0.5, 0.5], **row)) is expected


def test_headline_says_when_it_did_not_work():
    many = {"with_brain": False, "n_test_images": 40}
    lost = subject(scores=(row_of([0.5, 0.52], p=0.4),), **many)
    assert "do not match what was seen clearly better than chance" in wording.headline(report(lost))
    won = subject("02", with_brain=False, scores=(row_of([0.9, 0.92]),))
    assert "match what was seen better than chance" in wording.headline(report(won))
    assert "In 1 of 2 subjects" in wording.headline(report(lost, won))
    assert "too few" not in wording.headline(report(lost, won))
    assert "not scored" in wording.headline(report(subject(with_brain=False, scores=())))


def test_the_headline_follows_from_the_tested_numbers_of_few_images():
    """Six images: identification's interval reaches chance, though p does not; PixCorr passes."""
    few = {"with_brain": False, "n_test_images": 6}
    named = dataclasses.replace(
        row_of([1.0] * 6, p=0.0015, corrected=0.007), metric="Identification", low=0.48, high=1.0
    )
    correlated = dataclasses.replace(
        row_of([0.998] * 6, chance=None, null_mean=0.11, p=0.0015, corrected=0.007),
        metric="PixCorr",
        low=0.996,
        high=0.999,
    )
    said = wording.headline(report(subject(scores=(named, correlated), **few)))
    assert "of 6 test images match what was seen better than chance: PixCorr 0.998 (95" in said
    assert "; by Identification 1.00 (95" in said
    assert said.endswith("6 images are too few to tell.")
    said = wording.headline(report(subject(scores=(named,), **few)))
    assert said.startswith("6 test images are too few to tell whether the reconstructions from ")
    assert "not match" not in said
    both = wording.headline(
        report(subject(scores=(named,), **few), subject("02", scores=(named,), **few))
    )
    assert both.startswith("In 0 of 2 subjects")
    assert both.endswith("6 test images are too few to tell in any.")
    won = subject("02", scores=(correlated, named), **few)
    assert "In both subjects" in wording.headline(
        report(subject(scores=(named, correlated), **few), won)
    )


def test_settings_are_named_as_the_command_line_takes_them(page):
    assert 'mask = "V1 | V2" features.pca.alpha = 60000' in page.words


def test_test_set_rescaling_is_marked_in_the_table():
    feature = FeatureRow("clip", "clip", 9, "by cross-validation", rescale="test")
    words = Page(build(report(subject(with_brain=False, features=(feature,))))).words
    assert "by cross-validation" in words
    assert "test statistics" in words


# --- charts ------------------------------------------------------------------------------------


def test_every_image_has_its_dot_and_the_chance_line_stands_at_chance():
    values = np.linspace(0.2, 1.0, 41)
    svg = charts.strips([row_of(values)], ["Reconstruction"], ["final"])
    dots = re.search(r'class="dots" d="([^"]+)"', svg).group(1)
    x = np.array([float(v) for v in re.findall(r"M([-\d.]+) ", dots)])
    assert len(x) == 41
    slope, start = np.polyfit(values, np.sort(x), 1)
    chance = float(re.search(r'class="chance" d="M([\d.]+) ', svg).group(1))
    assert chance == pytest.approx(start + slope * 0.5, abs=0.2)
    mean = float(re.search(r'class="mean" d="M([\d.]+) ', svg).group(1))
    assert mean == pytest.approx(start + slope * values.mean(), abs=0.2)


def test_a_thousand_equal_values_stay_inside_their_row():
    svg = charts.strips([row_of(np.full(1000, 0.7))], ["Reconstruction"], ["final"])
    dots = re.search(r'class="dots" d="([^"]+)"', svg).group(1)
    y = [float(v) for v in re.findall(r" ([-\d.]+)h0", dots)]
    assert len(y) == 1000
    assert max(y) - min(y) <= charts.ROW


@pytest.mark.parametrize("spread", [0.0, 2e-16, 6e-8])
def test_values_equal_but_for_rounding_have_an_axis(spread):
    row = dataclasses.replace(
        row_of(np.array([1.0 - spread, 1.0, 1.0])), chance=None, null_mean=None
    )
    svg = charts.strips([row], ["Reconstruction"], ["final"])
    ticks = [float(t) for t in re.findall(r'class="tick"[^>]*>([^<]+)<', svg)]
    assert len(ticks) >= 3
    assert ticks[0] <= 1 <= ticks[-1]


def test_penalties_show_the_curve_and_who_chose_what():
    rows = np.array([[10.0, -np.inf, 0], [100.0, 0.1, 3], [1000.0, 0.3, 6], [10000.0, 0.2, 0]])
    svg = ridge_summary.chart("f", rows)
    heights = [float(h) for h in re.findall(r'width="6" height="([\d.]+)"', svg)]
    assert heights == [20.0, 40.0]
    points = re.search(r'points="([^"]+)"', svg)[1].split()
    xs, ys = zip(*[map(float, point.split(",")) for point in points], strict=True)
    assert len(points) == 3
    assert xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys[1] < ys[2] < ys[0]
    assert "0.300, at 1e+03; 2 of 3 penalties were chosen" in svg
    assert ridge_summary.chart("f", rows[:1]) == ""


def test_penalties_at_an_end_are_warned_about():
    rows = np.array([[10.0, 0.1, 4], [100.0, 0.2, 3], [1000.0, 0.1, 3]])
    (said, other) = ridge_summary.widen("clip", rows)
    assert "40% of the targets of clip chose the smallest" in said.text
    assert "30% of the targets of clip chose the largest" in other.text
    assert "a larger one might predict better. Widen features.clip.alphas" in other.text
    rows[2, 1] = 0.001  # where nothing is predicted, a wider list is no help
    (same, other) = ridge_summary.widen("clip", rows)
    assert same == said
    assert "30% of the targets of clip chose the largest" in other.text
    assert "hardly better than by their mean" in other.text
    assert "Widen" not in other.text
    assert ridge_summary.widen("clip", rows[:1]) == ()


def test_targets_that_no_penalty_predicts_are_remarked_on():
    (whole,) = ridge_summary.unpredicted("clip", 8, 8)
    assert whole.kind == "warning"
    assert whole.text.startswith("clip: no penalty predicts left-out training images better than")
    (part,) = ridge_summary.unpredicted("clip", 1500, 3000)
    assert part.kind == "note"
    assert "1,500 of 3,000 targets (50%)" in part.text
    assert ridge_summary.unpredicted("clip", 1, 8) == ridge_summary.unpredicted("clip", 0, 0) == ()


def test_penalty_in_words():
    rows = np.array([[10.0, 0.1, 4], [100.0, 0.2, 3], [1000.0, 0.1, 3]])
    assert ridge_summary.chosen_penalty("gcv", rows) == "10–1e+03 (gcv)"
    assert ridge_summary.chosen_penalty(5.0, None) == "5"


def test_histogram_heights_follow_the_counts():
    r2 = np.concatenate([np.full(30, 0.0), np.full(60, 0.5), np.full(15, 1.0)])
    svg = charts.histogram(FeatureRow("f", "e", r2.size, 1.0, r2=r2))
    heights = [float(h) for h in re.findall(r'height="([\d.]+)"', svg)]
    assert [h / max(heights) for h in heights] == pytest.approx([0.5, 1.0, 0.25], abs=0.01)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-0.3, 0.9), (0.41, 0.44), (-5, 900)])
def test_ticks_are_evenly_spaced_inside_the_limits(low, high):
    found = charts.ticks(low, high)
    assert 2 <= len(found) <= 9
    assert np.allclose(np.diff(found), found[1] - found[0])
    assert low <= found[0] + 1e-9
    assert found[-1] <= high + 1e-9


# --- brain -------------------------------------------------------------------------------------


def test_cuts_go_through_the_mask_in_millimetres():
    values = np.zeros((5, 5, 30), np.uint8)
    values[2, 2, 10:21] = 1
    heights = brain_pictures.cut_heights(nib.Nifti1Image(values, AFFINE))
    assert len(heights) == 6
    assert heights[0] >= -16 + 2 * 10
    assert heights[-1] <= -16 + 2 * 20


def drawn_brain(person):
    drawn = brain_pictures.regions_picture(person.mask_image, person.regions, person.anatomy)
    return np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))


def test_brain_picture_shows_the_own_anatomy_and_no_template():
    _, mask, _ = brain()
    black = nib.Nifti1Image(np.zeros(mask.shape, np.float32), AFFINE)
    person = subject(anatomy=black, mask_image=mask, regions=None)
    shown = drawn_brain(person).astype(int)
    lit = (shown > 30).any(axis=-1).mean()
    assert 0 < lit < 0.05  # only the outline and the labels; a template would fill the slices


def test_regions_are_drawn_in_the_colours_of_their_table():
    anatomy, mask, regions = brain()
    black = nib.Nifti1Image(np.zeros(anatomy.shape, np.float32), AFFINE)
    person = subject(anatomy=black, mask_image=mask, regions=regions)
    shown = drawn_brain(person).astype(int)
    for value in (1, 2):
        colour = brain_pictures.region_colour(value)
        wanted = 0.85 * np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
        near = (np.abs(shown - wanted) < 12).all(axis=-1)
        assert near.mean() > 0.02


def test_outline_closes_where_the_mask_ends_at_the_edge_of_the_volume():
    whole = nib.Nifti1Image(np.ones((12, 12, 12), np.uint8), AFFINE)
    black = nib.Nifti1Image(np.zeros((12, 12, 12), np.float32), AFFINE)
    person = subject(anatomy=black, mask_image=whole, regions=None)
    shown = drawn_brain(person).astype(int)
    white = (shown > 200).all(axis=-1)
    assert (white.sum(axis=0) > 200).sum() >= 4
    assert (white.sum(axis=1) > 200).sum() >= 4


def test_empty_mask_draws_no_brain():
    _, mask, _ = brain()
    empty = nib.Nifti1Image(np.zeros(mask.shape, np.uint8), AFFINE)
    page = Page(build(report(subject(mask_image=empty, regions=None, maps=()))))
    assert not [a for a in page.all("img") if "Axial" in a["alt"]]


# --- the page ----------------------------------------------------------------------------------


def test_same_data_same_bytes(page_text):
    assert build(report()) == page_text


def test_nothing_is_loaded_and_only_our_script_may_run(page, page_text):
    for _, attrs in page.elements:
        assert attrs.get("src", "data:").startswith("data:")
        assert "srcset" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
    for attrs in page.all("link"):
        assert attrs["href"].startswith("data:")
    (style,) = ["".join(page.code["style"])]
    assert "url(" not in style
    assert "@import" not in style
    (script,) = re.findall(r"<script>(.*?)</script>", page_text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy


HOSTILE = "<script>alert('x')</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}" + "long" * 60


def hostile_report():
    seven = subject(n=7, label=HOSTILE, with_brain=False)
    person = dataclasses.replace(
        seven,
        ids=tuple(HOSTILE + str(i) for i in range(7)),
        captions=(HOSTILE,) * 7,
        mask_expression=HOSTILE,
        scores=tuple(dataclasses.replace(s, metric=HOSTILE, note=HOSTILE) for s in seven.scores),
        features=tuple(
            dataclasses.replace(f, name=HOSTILE, roi="R" + HOSTILE) for f in seven.features
        ),
        rois=tuple(dataclasses.replace(r, name=HOSTILE) for r in seven.rois),
        facts=((HOSTILE, HOSTILE),),
    )
    return report(
        person,
        title=HOSTILE,
        created=HOSTILE,
        recipe=HOSTILE,
        command=HOSTILE,
        dataset=dict.fromkeys(("name", "version", "licence", "cite"), HOSTILE),
        config={HOSTILE: {"a": HOSTILE}},
        machine={HOSTILE: HOSTILE},
        warnings=(HOSTILE,),
        methods=(HOSTILE,),
        citations=(Citation(HOSTILE, "javascript:alert(3)"), Citation("x", 'https://a"onload=b')),
        licences=((HOSTILE, HOSTILE),),
    )


def test_nothing_given_becomes_markup():
    text = build(hostile_report())
    page = Page(text)
    assert not page.stack
    assert len(page.all("script")) == 1
    for tag, attrs in page.elements:
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
        assert not attrs.get("href", "").startswith("javascript:")
    assert all(a["src"].startswith("data:") for a in page.all("img"))
    assert HOSTILE[:60] in page.words
    assert html.escape("{{ 7*7 }}") in text


def test_accessible_structure(page):
    tags = [tag for tag, _ in page.elements]
    assert tags.count("h1") == tags.count("main") == tags.count("header") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(a.get("alt", "").strip() for a in page.all("img"))
    assert all(a["scope"] in {"row", "col"} for a in page.all("th"))
    assert tags.count("table") == tags.count("caption") > 3
    assert all("aria-label" in a or a.get("aria-hidden") for a in page.all("svg"))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    links = [a["href"][1:] for a in page.all("a") if a["href"].startswith("#")]
    named = [a[k] for _, a in page.elements for k in ("aria-labelledby",) if k in a]
    assert set(links) | set(named) <= set(ids)


def test_subjects_with_clashing_anchors_and_plugin_sections_in_order():
    people = [subject(label, n=2, with_brain=False) for label in ("a b", "a-b", "A.B")]
    sections = (
        Section("Methods", "<p>second <em>own</em> markup</p>", order=60),
        Section("Extra & more", "<p>first</p>", order=10),
    )
    page = Page(build(report(*people, sections=sections)))
    ids = [a["id"] for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert {"sub-a-b", "sub-a-b-2", "sub-a-b-3", "extra-more", "methods", "methods-2"} <= set(ids)
    assert page.words.index("first") < page.words.index("second own markup")
    assert "3 subjects" in page.words


def test_least_report():
    bare = subject(
        n=1,
        with_brain=False,
        scores=(),
        oracle={},
        oracle_scores=(),
        features=(),
        rois=(),
        facts=(),
        captions=(),
        constant_voxels=0,
    )
    empty = dict.fromkeys(("warnings", "methods", "citations", "licences", "steps"), ())
    text = build(report(bare, created="", machine={}, config={}, dataset={}, **empty))
    page = Page(text)
    assert not page.stack
    assert "The only test image" in page.words
    for absent in ("Methods", "Licences", "Provenance", "Scores", "Made<"):
        assert f">{absent}" not in text


def luminance(colour):
    rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_colours_reach_wcag_aa(theme):
    style = files("neurodiffuse.templates").joinpath("report.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", blocks[theme]))
    inks = [n for n in colours if n in {"ink", "soft", "accent"} or "stage" in n]
    inks += ["seen", "final", "ceiling"]
    pairs = [(ink, "paper") for ink in inks]
    pairs += [("ink", "sheet"), ("warn", "warn-sheet"), ("ink", "warn-sheet")]
    weak = {p: contrast(colours[p[0]], colours[p[1]]) for p in pairs}
    assert not {p: c for p, c in weak.items() if c < 4.5}


def test_describing_a_report_imports_nothing_heavy():
    code = (
        "import sys, neurodiffuse.report; "
        "print([m for m in ('numpy', 'jinja2', 'matplotlib', 'nilearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_noise_is_shown_like_any_picture():
    """Pillow's optimised JPEG runs out of room on noise."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3), np.uint8)
    assert pictures.picture(noise, 256).uri.startswith("data:image/jpeg")


def test_mean_over_subjects_with_its_standard_error():
    assert wording.mean_and_sem([0.2, 0.3, 0.4]) == "0.300 ± 0.058"
    assert wording.mean_and_sem([0.25]) == "0.250"
    assert wording.mean_and_sem([float("nan")]) == "–"


def test_bold_is_what_the_corrected_test_says_and_is_explained():
    data = report()
    one = dataclasses.replace(data.subjects[0], n_test_images=40)
    clear = tuple(dataclasses.replace(s, p=0.03, corrected=0.03) for s in one.scores)
    unclear = tuple(dataclasses.replace(s, p=0.03, corrected=0.06) for s in one.scores)
    for rows, bold in ((clear, 4), (unclear, 0)):
        page = build(report(dataclasses.replace(one, scores=rows)))
        assert page.count("<strong>") == bold
        assert "Bold: better than chance" in page
    assert "p = 0.030 (Holm: 0.060)" in page
    assert "do not match what was seen clearly better than chance" in page


def test_tests_of_earlier_stages_are_called_uncorrected():
    (one,) = report().subjects
    rows = tuple(
        dataclasses.replace(s, corrected=s.p if s.stage == "recon" else None) for s in one.scores
    )
    page = build(report(dataclasses.replace(one, scores=rows)))
    assert page.count("p = 0.005, uncorrected") == 2


@pytest.mark.parametrize(("mean", "told"), [(0.5, True), (0.99, False)])
def test_a_ceiling_that_is_exceeded_is_remarked(mean, told):
    (one,) = report().subjects
    ceiling = tuple(dataclasses.replace(s, mean=mean) for s in one.oracle_scores)
    page = build(report(dataclasses.replace(one, oracle_scores=ceiling)))
    assert ("of what was decoded exceeds it" in page) is told
    assert "Ceiling (true latents): what the same generators make" in page


def test_p_values_in_words():
    assert wording.p_value(0.004, 0.012) == "p = 0.004 (Holm: 0.012)"
    assert wording.p_value(0.0001, 0.0002) == "p < 0.001 (Holm: < 0.001)"
    assert wording.p_value(0.2, 0.2) == wording.p_value(0.2) == "p = 0.20"
    assert wording.p_value(None, None) == ""
