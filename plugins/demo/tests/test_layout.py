"""All ten layers of the autoencoder, and the recipe that regresses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurodiffuse.cli import cli
from neurodiffuse.simulate.scenes import scene
from neurodiffuse.types import Stimuli
from neurodiffuse_demo.encoders import VaeEncoder
from neurodiffuse_demo.generators import VaeGenerator

EXAMPLE = Path(__file__).parents[3] / "bids_example"
N = 12


@pytest.fixture(scope="module")
def seen():
    images = [scene(i, seed=63).image for i in range(N)]
    return Stimuli(tuple(str(k) for k in range(N)), images, ((),) * N)


def test_ten_layers_have_the_sizes_that_are_said(seen):
    shapes = VaeEncoder(layers=10).shapes()
    assert shapes == (
        *((16, 1, 1),) * 2,
        *((16, 4, 4),) * 3,
        *((8, 8, 8),) * 3,
        *((4, 16, 16),) * 2,
    )
    assert VaeEncoder(layers=10).encode(seen).values.shape == (N, 4384)


def test_layers_above_do_not_depend_on_how_many_are_asked_for(seen):
    few, all_ten = (VaeEncoder(layers=count).encode(seen).values for count in (7, 10))
    np.testing.assert_array_equal(few, all_ten[:, : few.shape[1]])


def test_eight_layers_are_the_default(seen):
    assert VaeEncoder().shapes() == VaeEncoder(layers=8).shapes()
    np.testing.assert_array_equal(*(e.encode(seen).values for e in (VaeEncoder(), VaeEncoder(8))))


def test_true_latents_of_ten_layers_are_nearer_to_every_picture_than_those_of_seven(seen):
    images = np.stack(seen.images).astype(float)
    error = {}
    for count in (7, 10):
        latents = {"vae": VaeEncoder(layers=count).encode(seen)}
        made = VaeGenerator().generate(latents, init=None, seeds=range(N)).values
        error[count] = ((made - images) ** 2).mean(axis=(1, 2, 3))
    assert (error[10] < error[7]).all()
    assert error[10].mean() < 0.5 * error[7].mean()


def test_with_ten_layers_nothing_is_drawn_at_random(seen):
    latents = {"vae": VaeEncoder(layers=10).encode(seen)}
    made = [VaeGenerator().generate(latents, init=None, seeds=range(s, s + N)) for s in (0, 50)]
    np.testing.assert_array_equal(made[0].values, made[1].values)


def test_the_layout_recipe_decodes_the_bundled_example(tmp_path):
    pytest.importorskip("neurodiffuse_bids")
    if not EXAMPLE.exists():
        pytest.skip("bids_example is not in this checkout")
    words = ["decode", "--dataset", "bids", "--root", str(EXAMPLE), "--sub", "01"]
    words += ["--recipe", "demo-layout", "--out", str(tmp_path / "run"), "--dry-run"]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert "4384" in result.output.replace(",", "").replace(" ", "")
