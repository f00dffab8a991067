"""The decoder keeps the contract, and learns what is not linear."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from neurodiffuse_mlp.decoder import Mlp

from neurodiffuse.testing import check_decoder, example_training


def test_it_keeps_the_contract():
    check_decoder(Mlp(hidden=20, decay=1.0))


def test_it_learns_what_is_not_linear(tmp_path):
    training = example_training()
    responses = training.subjects["01"]
    betas = np.random.default_rng(0).uniform(-1, 1, (36, 40)).astype(np.float32)
    betas[:, 1:] = 0
    latents = np.abs(np.tile(betas[:, :1], 3))
    targets = {"meaning": replace(responses.targets["meaning"], latents=latents)}
    voxels = {"meaning": np.arange(40)}
    part = replace(responses, betas=betas, targets=targets, voxels=voxels)
    training = replace(training, subjects={"01": part}, features=("meaning",))
    decoder = Mlp(decay=0.001)
    decoder.fit(training, tmp_path)
    (made,) = decoder.open(training, tmp_path).predict("01", "meaning", betas)
    assert np.corrcoef(made.values[:, 0], latents[:, 0])[0, 1] > 0.95


def test_the_same_seed_makes_the_same_network(tmp_path):
    training = example_training(single=False)
    found = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        Mlp(hidden=5).fit(training, tmp_path / name)
        fitted = Mlp(hidden=5).open(training, tmp_path / name)
        betas = training.subjects["01"].of("layout")
        found.append(np.hstack([b.values for b in fitted.predict("01", "layout", betas)]))
    np.testing.assert_array_equal(*found)
