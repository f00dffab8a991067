"""What the plan and `rois` tell of a subject's input, and what a lost region says."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from toy import Toy

from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.pipeline import execute
from neurodiffuse.plan import plan_of
from neurodiffuse.plan_text import describe
from neurodiffuse.questions.rois.ask import listing
from neurodiffuse.run import opened, remarks_of
from neurodiffuse.types import Remark

FEW = "6 test images only: intervals and p-values say little."
LEFT = Remark("sub-01_label-V7_mask.nii.gz (on another grid)", "left out")


@pytest.fixture
def losing(monkeypatch):
    """A data set that left a file of the region V7 out."""
    plain, roi = Toy.subject, Toy.roi

    def subject(self, label):
        about = plain(self, label)
        remarks = (LEFT, Remark("something was understood"), Remark("look out", "warning"))
        return dataclasses.replace(about, remarks=remarks, absent=("V7",))

    def region(self, label, name):
        if name == "V7":
            raise DataError("sub-01: no region 'V7': FILE was left out: on another grid.")
        return roi(self, label, name)

    monkeypatch.setattr(Toy, "subject", subject)
    monkeypatch.setattr(Toy, "roi", region)


def lines(run) -> list[str]:
    """Return what is told, but for the toy's few test images."""
    text = describe(run, plan_of(run)).splitlines()
    assert any(line.endswith(f": {FEW}") for line in text)
    text = [line for line in text if not line.endswith(f": {FEW}")]
    return [line for line in text if line.split()[0] in ("warning", "remark", "left")]


def test_a_region_of_an_expression_without_a_voxel_is_told_in_the_plan(make_run):
    run = make_run(mask="V1+nothing")
    assert lines(run) == ["warning    sub-01: mask.select 'V1+nothing': nothing has no voxel."]
    assert not [line for line in lines(make_run(mask="V1+FFA1")) if "voxel" in line]


def test_a_map_or_a_whole_difference_is_no_empty_region(make_run):
    run = make_run(mask="left - V1 & ecc>3")
    assert [remark.text for remark in remarks_of(run, "01")] == [FEW]


def test_plan_and_listing_end_with_what_was_left_out(losing, make_run):
    assert lines(make_run()) == [
        "warning    sub-01: look out",
        "remark     sub-01: something was understood",
        f"left out   sub-01: {LEFT.text}",
    ]
    assert str(listing(Toy(), "01")).splitlines()[-3:] == [
        "warning: look out",
        "something was understood",
        f"left out: {LEFT.text}",
    ]


def test_a_lost_region_stops_only_who_asks_for_it(losing, make_run):
    assert np.any(make_run().select("01", "V1"))
    with pytest.raises(DataError, match="no region 'V7': FILE was left out"):
        make_run().select("01", "V1+V7")
    with pytest.raises(DataError, match="no region 'V7': FILE was left out"):
        listing(Toy(), "01", expressions=["V7"])


def test_an_unknown_region_may_be_in_a_file_that_was_left_out(losing, make_run):
    with pytest.raises(ConfigError, match=r"V77.*Left out: sub-01_label-V7_mask"):
        make_run().select("01", "V77")


def test_betas_that_go_wrong_late_are_told_when_read_and_in_the_report(
    make_run, monkeypatch, capsys
):
    plain = Toy.betas

    def lost(self, label, voxels):
        first, second = plain(self, label, voxels)
        second[-5:] = 0
        yield first
        yield second

    monkeypatch.setattr(Toy, "betas", lost)
    run = make_run()
    assert lines(run) == []
    with opened(run):
        execute(run)
    said = "betas: all that were looked at are 0 in 5 of 72 trials"
    assert f"warning: sub-01: {said}" in capsys.readouterr().err
    assert said in (run.path / "report.html").read_text()
    assert any(said in line for line in lines(run))


def test_the_plan_says_what_only_the_run_reads(make_run, decoded):
    def last(run, start_from=""):
        return describe(run, plan_of(run), start_from).splitlines()[-1]

    pictures, betas = "pictures (a damaged file)", "betas (NaN, a run that ends wrongly)"
    said = "checked    settings, tables, headers and regions"
    assert last(make_run(out="new")) == f"{said}; the run reads {pictures} and {betas} first"
    assert last(decoded, "encode") == f"{said}; the run reads {pictures} first"
    assert last(decoded, "mask") == last(make_run(out="new"))
    assert last(decoded, "fit") == last(decoded) == said


def test_the_plan_says_which_steps_hold_no_more(make_run, decoded):
    def steps(run, start_from=""):
        text = describe(run, plan_of(run), start_from).splitlines()
        return [line for line in text if line.split()[0] in ("done", "outdated", "now")]

    early = ["sub-01 mask", "sub-01 encode"]
    late = ["sub-01 fit", "sub-01 predict", "sub-01 generate", "sub-01 score"]
    assert steps(decoded) == [f"done       {', '.join(early + late)}"]
    other = make_run("features.colour.alpha=9")
    assert steps(other) == [f"done       {', '.join(early)}", f"outdated   {', '.join(late)}"]
    assert steps(other, "fit") == [f"done       {', '.join(early)}"]
    narrow = make_run(mask="V1")
    assert steps(narrow) == [
        "now        the data set has 20 voxels of 'V1'; train 40 images (60 trials), test 6 (12)",
        f"outdated   {', '.join(early + late)}",
    ]
