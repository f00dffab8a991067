"""The gate's own arithmetic, against small answers known by hand."""

from __future__ import annotations

import numpy as np
import pytest

from neurodiffuse.simulate.scenes import scene
from neurodiffuse.types import Images, Latents
from neurodiffuse_demo.gate.card import write_card
from neurodiffuse_demo.gate.decode import Decoder, alphas, encoders, recipe
from neurodiffuse_demo.gate.regions import energies, rings
from neurodiffuse_demo.gate.scores import area
from neurodiffuse_demo.gate.sheets import median_rows
from neurodiffuse_demo.gate.subjects import PLANTED, subject
from neurodiffuse_demo.generators import DiffusionGenerator


def test_area_is_the_share_of_pairs_in_the_right_order():
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 0]], bool)
    scores = np.array([[3.0, 0], [1.0, 0], [0.0, 0], [-1.0, 0]])
    assert area(labels, scores) == pytest.approx(3 / 4)  # 3 > 1, 3 > -1, 0 > -1, not 0 > 1


def test_area_of_nothing_is_not_a_number():
    assert np.isnan(area(np.zeros((0, 8), bool), np.zeros((0, 8))))
    assert np.isnan(area(np.ones((3, 8), bool), np.zeros((3, 8))))


def test_rings_are_degrees_from_the_middle():
    ring = rings(84, 8.4)
    assert ring[42, 42] == 0
    assert ring[42, 42 + 8] == 1
    assert ring[42, 42 + 15] == 2
    assert ring[42, 42 + 30] == 3
    assert ring[0, 0] == 4


def test_energy_lies_where_the_picture_differs_from_the_mean():
    ring = rings(64, 8.4)
    values = np.full((2, 64, 64, 3), 100, np.uint8)
    values[:, ring == 2] = 200
    found = energies(Images(("a", "b"), values), np.full((64, 64, 3), 100.0), ring)
    assert found.argmax() == 2
    assert found[2] == pytest.approx((100 / 255) ** 2)
    assert not found[[0, 1, 3, 4]].any()


def test_median_rows_are_neither_best_nor_worst():
    assert list(median_rows(np.array([9, 1, 5, 7, 3]), 3)) == [2, 3, 4]


def test_numbers_replace_what_stood_between_the_marks(tmp_path):
    card = tmp_path / "card.md"
    card.write_text("before\n<!-- measured: begin -->\nold\n<!-- measured: end -->\nafter\n")
    write_card(card, "new")
    assert card.read_text() == (
        "before\n<!-- measured: begin -->\nnew\n<!-- measured: end -->\nafter\n"
    )


def test_planted_regions_respond_to_their_category():
    scenes = [scene(i, seed=63) for i in range(150)]
    who = subject(1, scenes, {"again": scenes[:10]}, noise=0.1)
    for category in PLANTED:
        there = np.array([category in {o.category for o in s.objects} for s in scenes])
        response = who.train[:, who.rois[category]].mean(axis=1)
        assert response[there].mean() > response[~there].mean() + 0.5


def test_every_early_voxel_lies_in_one_band():
    scenes = [scene(i, seed=63) for i in range(5)]
    who = subject(1, scenes, {}, noise=1.0)
    assert np.array_equal(np.sum(who.bands, axis=0) > 0, who.early)
    assert np.sum(who.bands, axis=0).max() == 1


def test_a_decoder_recovers_a_linear_map_and_the_spread_of_its_targets():
    rng = np.random.default_rng(0)
    betas, weights = rng.standard_normal((300, 20)), rng.standard_normal((20, 6))
    betas -= betas.mean(axis=0)
    ids = tuple(str(k) for k in range(300))
    target = Latents(ids, (betas @ weights).astype(np.float32), ((6,),))
    decoder = Decoder(betas.astype(np.float32), {"vae": target}, {"vae": 1.0})
    new = rng.standard_normal((50, 20)).astype(np.float32)
    found = decoder.predict(new)["vae"].values
    np.testing.assert_allclose(found, new @ weights, atol=0.2)
    pattern = decoder.pattern(np.arange(20) < 3)["vae"].values[0]
    direction = weights[:3].sum(axis=0)
    away = pattern - target.values.mean(axis=0)
    assert np.corrcoef(away, direction)[0, 1] > 0.99
    assert np.sum(away**2) == pytest.approx(target.values.var(axis=0).sum(), rel=0.01)


def test_the_gate_measures_the_recipe():
    assert alphas() == {name: part["alpha"] for name, part in recipe()["features"].items()}
    assert len(encoders()["vae"].shapes()) == recipe()["features"]["vae"]["layers"]
    stage = {k: v for k, v in recipe()["stages"]["recon"].items() if k not in ("generator", "init")}
    made = DiffusionGenerator()
    assert stage == {name: getattr(made, name) for name in stage}
    assert set(stage) == {"strength", "mix", "guidance", "steps"}
