"""Comparison: every number says what sets it apart; only what is alike is tested."""

from __future__ import annotations

import csv
import dataclasses
import shutil
import tomllib
from importlib.resources import files

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import stats

from neurodiffuse.errors import ConfigError, DataError, RunError
from neurodiffuse.questions import sheets
from neurodiffuse.questions.ablate.ask import ablate
from neurodiffuse.questions.arms import Arm
from neurodiffuse.questions.compare.ask import compare
from neurodiffuse.questions.compare.columns import Column, placed
from neurodiffuse.questions.compare.command import compare as command
from neurodiffuse.questions.compare.entries import (
    distinct,
    matched,
    named_folder,
    opened_arms,
    pictures_of,
)
from neurodiffuse.questions.compare.exports import latex, markdown
from neurodiffuse.questions.compare.published import STATUS, published
from neurodiffuse.questions.compare.rows import Row, Value, comparable, of_published
from neurodiffuse.store import labels

PIXCORR = Column("pixcorr", "pixcorr", '{"dialect": "brain-diffuser"}')
PLAIN = Column("plain", "pixcorr", '{"dialect": "", "size": 0}')
FLAT = Column("ssim", "ssim", '{"variant": "2d", "dialect": "brain-diffuser"}')
COLUMNWISE = Column("columns", "ssim", '{"variant": "columnwise", "dialect": "brain-diffuser"}')
MINDS = Column("minds", "ssim", '{"variant": "2d", "dialect": "mindeye"}')
COLUMNS = Column("nobodys", "ssim", '{"variant": "columnwise", "size": 16}')
CLIP = Column("clip", "clip", '{"dialect": "mindeye"}')


def table(place):
    with (place / "table.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def arm(run, name="mine"):
    return Arm(name, "A run.", run)


def test_every_published_number_has_a_source_and_a_confirmed_status():
    found = published()
    assert len({r.name for r in found}) == len(found)
    for result in found:
        assert result.status in STATUS
        assert result.source
        assert result.dataset == "nsd"
        assert result.scores
        for metric, value in result.scores.items():
            assert 0 < value < 1
            assert metric in (
                *("pixcorr", "ssim", "alexnet-2", "alexnet-5"),
                *("inception", "clip", "effnet-b1", "swav"),
            )


def test_table_2_has_the_ordinal_facts_of_the_paper():
    """A slip in copying the numbers would break one of them."""
    rows = {r.name.partition(", ")[2]: r.scores for r in published() if "Table 2" in r.source}
    only, none = rows["only VDVAE"], rows["without VDVAE"]
    for metric in ("pixcorr", "ssim", "alexnet-2", "alexnet-5"):
        column = [r[metric] for r in rows.values()]
        assert only[metric] == max(column)
        assert none[metric] == min(column)
    for metric, worst in (("inception", min), ("clip", min), ("effnet-b1", max), ("swav", max)):
        assert only[metric] == worst(r[metric] for r in rows.values())
    full, mute = rows["subject 1"], rows["without CLIP-Text"]
    better = {m for m in full if (full[m] > mute[m]) == (m not in ("effnet-b1", "swav"))}
    assert better == set(full) - {"inception"}
    text = files("neurodiffuse.questions.compare").joinpath("published.toml").read_text()
    assert all(
        len(r["scores"]) == 8 for r in tomllib.loads(text)["result"] if "subject 1" in r["name"]
    )


def test_a_published_score_stands_in_the_column_of_its_protocol():
    bd = next(r for r in published() if r.name == "Brain-Diffuser")
    there = placed(bd, [FLAT, COLUMNWISE, PLAIN, PIXCORR, CLIP])
    assert there == {
        COLUMNWISE: (0.356, True),
        PIXCORR: (0.254, True),
        CLIP: (0.915, False),
    }
    there = placed(bd, [Column("flat", "ssim", '{"variant": "2d"}'), COLUMNS])
    assert there == {COLUMNS: (0.356, False)}  # of nobody's size, but of its own variant
    retrieval = Column("found", "clip", '{"dialect": "brain-diffuser", "top": 1}')
    assert placed(bd, [retrieval]) == {}
    assert placed(bd, [retrieval, CLIP]) == {CLIP: (0.915, False)}
    mind = next(r for r in published() if r.name.startswith("MindEye,"))
    assert placed(mind, [FLAT, MINDS, PIXCORR, CLIP]) == {
        MINDS: (0.347, True),
        PIXCORR: (0.392, False),
        CLIP: (0.9434, True),
    }


def test_marks_say_what_differs(two, monkeypatch):
    nsd = dataclasses.replace(two, config=dataclasses.replace(two.config, dataset="nsd"))
    monkeypatch.setattr(Arm, "ids", lambda *_: ("i",) * 982)
    rows = of_published(published(), [PIXCORR, FLAT], arm(nsd))
    marks = {r.name: (r.marks, {c.name: v.marks for c, v in r.values.items()}) for r in rows}
    assert marks["Brain-Diffuser, subject 1"] == ((), {"pixcorr": (), "ssim": ("protocol",)})
    assert marks["Brain-Diffuser"][0] == ("subjects",)
    assert marks["MindEye2, subject 1"] == (
        ("images",),
        {"pixcorr": ("protocol",), "ssim": ("protocol",)},
    )
    assert marks["Gu et al. 2023"] == (
        ("subjects",),
        {"pixcorr": ("unknown",), "ssim": ("unknown",)},
    )
    assert marks["Brain-IT"][1] == {"pixcorr": ("protocol",), "ssim": ("unknown",)}
    toys = of_published(published(), [PLAIN], arm(two))
    quoted = {r.name for r in published() if r.status == "quoted"}
    assert {"MindEye", "MindEye2", "Brain-IT"} == quoted & {r.name for r in toys}
    for row in toys:
        assert row.marks == (("data", "quoted") if row.name in quoted else ("data",))
    assert {r.values[PLAIN].marks for r in toys} == {("protocol",), ("unknown",)}


def test_two_runs_are_tested_on_the_same_images(decode_two):
    one, two = decode_two(), decode_two("stages.recon.weight=0.9", out="heavy")
    rows = table(compare([arm(one), arm(two, "heavy")]))
    (row,) = (r for r in rows if (r["name"], r["metric"]) == ("heavy", "nearness"))
    assert 0 < float(row["p"]) <= 1
    assert row["differs"] == "n/a"
    (first,) = (r for r in rows if (r["name"], r["metric"]) == ("mine", "nearness"))
    assert first["p"] == "n/a"
    assert float(first["low"]) < float(first["value"]) < float(first["high"])


def test_other_test_images_are_marked_and_not_tested(decode_two, capsys):
    one, few = decode_two(), decode_two("datasets.toy.test=6", out="few")
    few = dataclasses.replace(few, quiet=False)
    place = compare([arm(dataclasses.replace(one, quiet=False)), arm(few, "few")])
    rows = [r for r in table(place) if r["name"] == "few"]
    assert {r["differs"] for r in rows} == {"other test images"}
    assert {r["p"] for r in rows} == {"n/a"}
    line = "few: has other test images than mine; its scores are marked, not tested"
    assert line in capsys.readouterr().err
    assert f"<li>{line}" in (place / "index.html").read_text()


def test_one_metric_with_other_options_gets_another_column(decode_two):
    one = decode_two('metrics.ssim={metric="ssim",size=16}', out="one")
    two = decode_two('metrics.ssim={metric="ssim",variant="columnwise",size=16}', out="other")
    place = compare([arm(one), arm(two, "other")], with_published=False)
    head = (place / "table.md").read_text().partition("\n")[0]
    assert "| SSIM (2d) | SSIM (columnwise) |" in head
    rows = [r for r in table(place) if r["metric"] == "ssim"]
    assert {r["name"]: r["protocol"] for r in rows} == {"mine": "2d", "other": "columnwise"}
    assert {r["p"] for r in rows} == {"n/a"}


def test_somebody_s_pictures_are_scored_as_the_run_s_own(two, tmp_path):
    """The run's own pictures, given as a folder, have the run's own scores."""
    own = two.folder("generate", "01") / "decoded" / "recon"
    made = pictures_of(two, "Copy", own)
    for name, score in arm(two).scores("01").items():
        assert made.scores("01")[name].mean == pytest.approx(score.mean, abs=1e-9)
    ids = arm(two).ids("01")
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    for k, name in enumerate(labels(ids)):
        shutil.copy(own / f"{name}.png", numbered / f"{k}.png")
    assert [p.stem for p in matched(numbered, ids)] == [str(k) for k in range(len(ids))]
    assert pictures_of(two, "Numbers", numbered).scores("01")["nearness"].mean == pytest.approx(
        arm(two).scores("01")["nearness"].mean, abs=1e-9
    )


def test_folders_that_do_not_fit_are_told_in_one_line(two, tmp_path):
    names = labels(arm(two).ids("01"))
    folder = tmp_path / "theirs"
    folder.mkdir()
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / f"{name}.png")
    (folder / f"{names[3]}.png").unlink()
    with pytest.raises(DataError, match=f"none for 1 of 12 test images, such as {names[3]}"):
        pictures_of(two, "x", folder)
    Image.new("RGB", (9, 8)).save(folder / f"{names[3]}.png")
    with pytest.raises(DataError, match="is 9 x 8 pixels, others are 8 x 8"):
        pictures_of(two, "x", folder)
    (folder / f"{names[3]}.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="not an image that can be read"):
        pictures_of(two, "x", folder)
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(folder / f"{names[3]}.png", "TIFF")
    with pytest.raises(DataError, match="of a kind that is not read"):
        pictures_of(two, "x", folder)
    Image.new("RGB", (8, 8)).save(folder / f"{names[3]}.jpg")
    with pytest.raises(DataError, match=f"more than one picture is called {names[3]}"):
        pictures_of(two, "x", folder)
    (folder / f"{names[3]}.jpg").unlink()
    assert not list((two.path / "branches").glob("*/steps/sub-01/generate"))
    with pytest.raises(DataError, match="is no folder"):
        pictures_of(two, "x", tmp_path / "nowhere")
    for wrong in ("x", "=x", "x="):
        with pytest.raises(ConfigError, match="NAME=DIR"):
            named_folder(wrong)


def test_an_ablation_is_rows_of_the_comparison(two, monkeypatch):
    place = ablate(two)
    monkeypatch.setattr("neurodiffuse.questions.branches.__version__", "later")
    arms = opened_arms(place, two.registry, quiet=True)
    assert [a.name for a in arms] == [
        f"run: {name}" for name in ("Only first", "Without first", "Without text", "Without colour")
    ]
    shutil.rmtree(next((two.path / "branches").glob("without-text-*")))
    with pytest.raises(RunError, match="are gone"):
        opened_arms(place, two.registry)


def test_every_number_carries_its_own_protocol_test_set_status_and_source(decode_two):
    """Also a published one in a column that was computed in another way."""
    run = decode_two('metrics.ssim={metric="ssim",size=16}', "metrics.pix.metric=pixcorr", out="r")
    place = compare([arm(run)], with_published=True)
    rows = {(r["name"], r["metric"]): r for r in table(place)}
    row = rows["Brain-Diffuser", "ssim"]
    assert row["protocol"] == "brain-diffuser, columnwise"
    assert rows["Brain-Diffuser", "pix"]["protocol"] == "brain-diffuser"
    assert row["subject"] == "mean of subjects 01, 02, 05, 07"
    assert (row["images"], row["dataset"]) == ("982", "nsd")
    assert (row["status"], row["source"][:20]) == ("read in the paper", "Ozcelik & VanRullen ")
    assert "another protocol" in row["differs"]
    assert rows["Gu et al. 2023", "ssim"]["protocol"] == "not stated"
    assert rows["Brain-IT", "ssim"]["protocol"] == "mindeye, variant not stated"
    assert rows["Brain-IT", "ssim"]["status"].startswith("quoted by others")
    assert rows["mine", "ssim"]["protocol"] == "2d"
    (line,) = (x for x in (place / "table.md").read_text().split("\n") if "Brain-IT" in x)
    for said in ("number not stated", "variant not stated", "quoted by others", "2510.25976"):
        assert said in line
    tex = (place / "table.tex").read_text()
    assert "982 images of nsd, subject 01 & brain-diffuser, columnwise" in tex
    assert "Table 1. As Table 1 gives it (read in the paper)." in tex
    page = (place / "index.html").read_text()
    assert "982 images of nsd, subject 01; protocol mindeye, 2d; printed by the authors" in page


def test_labels_say_the_variant_once():
    assert Column("ssim-columnwise", "ssim", '{"variant": "columnwise"}').label == (
        "SSIM (columnwise)"
    )
    both = '{"variant": "2d", "dialect": "mindeye"}'
    assert Column("ssim-2d", "ssim", both).label == "SSIM (2-D, mindeye)"
    assert Column("ssim", "ssim", both).label == "SSIM (mindeye, 2d)"


def test_exports_escape_and_explain():
    row = Row("a_b & 5%|<c\n", "sub-01", 12, "nsd", "x | y", "computed here", ("images",), {})
    row.values[PIXCORR] = Value(0.25, "brain-diffuser", marks=("protocol",))
    tex, md = latex([row], [PIXCORR, CLIP]), markdown([row], [PIXCORR, CLIP])
    name = r"a\_b \& 5\%\textbar{}\textless{}c , sub-01"
    about = "12 images of nsd & brain-diffuser"
    assert rf"{name} & 0.250$^{{bd}}$ & -- & {about} \\" in tex
    assert "$^{b}$ other test images." in tex
    start = r"| a_b & 5%\|&lt;c , sub-01 | 0.250<sup>bd</sup> | – | 12 images of nsd |"
    assert rf"{start} brain-diffuser | computed here | x \| y |" in md
    assert "<sup>d</sup> another protocol of this metric" in md
    alone = Row("m", "", None, "nsd", "x", "computed here", (), {PIXCORR: Value(0.25)})
    assert "m & 0.250 & images of nsd, number not stated & -- " in latex([alone], [PIXCORR])


def test_subjects_stand_side_by_side_whatever_order_they_saw_images_in(decode_two):
    run = decode_two(subjects=("01", "02"), out="both")
    place = compare([arm(run)], with_published=False)
    assert {p.name for p in place.glob("*.png")} == {
        "sheet-sub-01.png",
        "sheet-sub-02.png",
        "sheet-subjects-of-mine.png",
    }
    mean = [r for r in table(place) if r["subject"] == "mean of 2 subjects"]
    one = [r for r in table(place) if r["subject"].startswith("sub-")]
    for row in mean:
        values = [float(r["value"]) for r in one if r["metric"] == row["metric"]]
        assert float(row["value"]) == pytest.approx(np.mean(values), abs=1e-6)
        assert float(row["sem"]) == pytest.approx(np.std(values, ddof=1) / 2**0.5, abs=1e-6)


def test_sheets_draw_names_that_are_not_english():
    """Letters that a font lacks would all be drawn as the same box."""

    def drawn(name):
        return sheets.png(sheets.Sheet((name,), (), ""))

    assert len({drawn(name) for name in ("ü", "é", "ø", "β", "ж", "±", "\uffff")}) == 7


def test_same_names_are_numbered(two):
    assert [a.name for a in distinct([arm(two), arm(two), arm(two)])] == [
        "mine",
        "mine 2",
        "mine 3",
    ]


def test_a_folder_that_is_no_comparison_is_not_replaced(two, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="is no comparison"):
        compare([arm(two)], out=precious)
    with pytest.raises(RunError, match=r"thesis.txt is a file"):
        compare([arm(two)], out=precious / "thesis.txt" / "new")
    assert (precious / "thesis.txt").exists()
    place = compare([arm(two)], out=tmp_path / "new")
    assert compare([arm(two)], out=place) == place


def test_command(two):
    done = CliRunner().invoke(
        command,
        [
            str(two.path),
            "--pictures",
            f"Copy={two.folder('generate', '01')}/decoded/recon",
            "--quiet",
        ],
        obj={"registry": two.registry},
        catch_exceptions=False,
    )
    assert "page: " in done.output
    unfinished = CliRunner().invoke(command, ["nowhere"], obj={"registry": two.registry})
    assert "not a run folder" in str(unfinished.exception)


def test_runs_scored_at_other_sizes_are_other_columns_and_not_tested(decode_two):
    one, two = decode_two("score.size=16", out="a"), decode_two("score.size=24", out="b")
    place = compare([arm(one), arm(two, "other")])
    rows = {(r["name"], r["protocol"]): r for r in table(place) if r["metric"] == "nearness"}
    assert set(rows) == {("mine", "at 16 px"), ("other", "at 24 px")}
    assert {r["p"] for r in rows.values()} == {"n/a"}
    page = (place / "index.html").read_text()
    assert "Nearness (16 px)" in page
    assert "Nearness (24 px)" in page


def test_published_rows_need_the_data_set_and_the_test_images_or_to_be_asked_for(two, monkeypatch):
    names = {r.name for r in published()}
    assert not any(comparable(r, arm(two)) for r in published())
    nsd = dataclasses.replace(two, config=dataclasses.replace(two.config, dataset="nsd"))
    monkeypatch.setattr(Arm, "ids", lambda *_: ("i",) * 982)
    fit = {r.name for r in published() if comparable(r, arm(nsd))}
    assert "Brain-Diffuser" in fit
    assert names - fit == {"MindEye2", "MindEye2, subject 1", "Lin et al. 2022", "Brain-IT"}


def test_published_rows_are_there_when_asked_for_only(decode_two):
    run = decode_two("metrics.pix.metric=pixcorr", "score.size=16", out="r")
    shown = [
        {r["name"] for r in table(compare([arm(run)], with_published=asked))} - {"mine"}
        for asked in (None, False, True)
    ]
    assert shown[0] == shown[1] == set()
    assert "Brain-Diffuser" in shown[2]


def test_differences_have_intervals_and_corrected_tests(decode_two):
    one, two = decode_two(), decode_two("stages.recon.weight=0.9", out="heavy")
    place = compare([arm(one), arm(two, "heavy")])
    rows = [r for r in table(place) if r["name"] == "heavy" and r["p"] != "n/a"]
    mine, theirs = arm(one).scores("01"), arm(two, "heavy").scores("01")
    ps = []
    for row in rows:
        a, b = (np.asarray(s[row["metric"]].values) for s in (theirs, mine))
        assert float(row["difference"]) == pytest.approx(np.mean(a - b), abs=1e-5)
        if row["difference_low"] != "n/a":
            expected = stats.ttest_1samp(a - b, 0).confidence_interval(0.95)
            assert float(row["difference_low"]) == pytest.approx(expected.low, abs=1e-4)
            assert float(row["difference_high"]) == pytest.approx(expected.high, abs=1e-4)
        ps.append(float(row["p"]))
    assert len(ps) == 2
    smallest = min(rows, key=lambda r: float(r["p"]))
    assert float(smallest["p_holm"]) == pytest.approx(min(1, 2 * min(ps)), rel=1e-4)
