"""No sentence praises what no test tells apart, and bold means that one does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from neurodiffuse.metrics import paired_test
from neurodiffuse.questions import tables
from neurodiffuse.questions.arms import Arm, Cell, corrected
from neurodiffuse.questions.controls.ask import order_of
from neurodiffuse.questions.pages import Page, Part, render
from neurodiffuse.report.model import ScoreRow

METRICS = ("pixcorr", "ssim", "swav")


def cells(shift, n=20, noise=0.05):
    """A reference and an arm that is better by a shift of PixCorr only."""
    rng = np.random.default_rng(4)
    base = {m: rng.normal(0.5, 0.1, n) for m in METRICS}
    moved = {m: base[m] + noise * rng.normal(size=n) for m in METRICS}
    moved["pixcorr"] = moved["pixcorr"] + shift
    full, other = Arm("Full method", "", None), Arm("Without text", "", None)
    out = []
    for arm, values in ((full, base), (other, moved)):
        for m in METRICS:
            v = values[m]
            score = ScoreRow(m, "recon", v.mean(), v.mean() - 0.05, v.mean() + 0.05, n, chance=0.0)
            score = dataclasses.replace(score, values=v, higher_is_better=m != "swav")
            test = None if arm is full else paired_test(v, base[m], 0)
            out.append(Cell(arm, "01", score, test))
    return full, other, corrected(out)


def page_of(full, found):
    table = tables.of_cells(found, full, "sub-01", "s", "against the full method")
    part = Part("sub-01", "s", table, tuple(tables.verdicts(found, full)))
    return render(Page("ablate", "T", "L", (), (), (part,), (), ()))


def test_a_difference_that_is_not_clear_is_neither_best_nor_bold():
    full, _, found = cells(0.001, noise=0.3)
    assert all(c.test.p > 0.05 for c in found if c.test)
    assert tables.verdicts(found, full) == [
        "Without text: no metric tells it from full method (all p ≥ 0.05, Holm)."
    ]
    page = page_of(full, found)
    assert "<strong>" not in page
    assert "best" not in page.lower().replace("best, median", "")


def test_a_clear_difference_is_said_with_its_interval_and_bold():
    full, other, found = cells(0.2)
    (cell,) = (c for c in found if c.arm is other and c.score.metric == "pixcorr")
    assert cell.corrected == pytest.approx(3 * cell.test.p)
    assert tables.verdicts(found, full) == [
        "Without text: better in PixCorr than full method (p < 0.05, Holm)."
    ]
    page = page_of(full, found)
    assert page.count("<strong>") == 1
    assert "Bold: clearly better" in page
    assert "(Holm)" in page


def test_a_p_that_correction_lifts_above_the_level_is_no_difference():
    _, other, found = cells(0.0)
    cell = next(c for c in found if c.arm is other)
    raw = dataclasses.replace(cell, test=dataclasses.replace(cell.test, p=0.03, difference=0.1))
    assert dataclasses.replace(raw, corrected=0.03).better is True
    assert dataclasses.replace(raw, corrected=0.09).better is None


def test_floors_that_are_not_clearly_below_are_named():
    full, other, found = cells(0.001, noise=0.3)
    kinds = {id(full): "decoded", id(other): "floor"}
    said = order_of(found, kinds, "01")
    assert all("decoded is not clearly above without text" in line for line in said)
    assert len(said) == 3


def test_a_ceiling_that_is_exceeded_is_told():
    full, other, found = cells(-0.2)
    kinds = {id(full): "decoded", id(other): "ceiling"}
    said = order_of(found, kinds, "01")
    assert "PixCorr: decoded is above the ceiling (true latents)" in said[0]
