"""The recipe brain-diffuser: as published, and run from end to end on tiny networks."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from PIL import Image
from safetensors.numpy import load_file, save_file

from neurodiffuse import pipeline
from neurodiffuse.config import Choice, default_recipe, resolve
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse_versatile_diffusion import unconditional

ROOT = Path(__file__).parents[3]
VDVAE = ROOT / "plugins/vdvae/tests/golden/tiny.safetensors"
VDVAE_CONFIG = (
    "encoder=8x2,8d2,4x1,4d4,1x1 decoder=1x1,4m1,4x1,8m4,8x1 width=8 bottleneck=4 zdim=2 mixtures=2"
)
CLIP = ROOT / "plugins/clip/tests/golden"
CLIP_LENGTH = 12
NETWORKS = ("alexnet-2", "alexnet-5", "inception", "clip", "effnet-b1", "swav")


@pytest.fixture(scope="module")
def registry():
    return Registry.installed()


@pytest.fixture(scope="module")
def published(registry):
    return tomllib.loads(registry.text(registry.card("recipe", "brain-diffuser")))


def test_the_constants_are_the_published_ones(published):
    """Of Brain-Diffuser's scripts: vdvae_, clipvision_, cliptext_regression.py and stage two's."""
    alphas = {name: part["alpha"] for name, part in published["features"].items()}
    assert alphas == {"vdvae": 50_000, "vision": 60_000, "text": 100_000}
    assert published["features"]["vdvae"]["layers"] == 31
    recon = published["stages"]["recon"]
    expected = {"strength": 0.75, "steps": 50, "guidance": 7.5, "mix": 0.6, "init": "first-guess"}
    assert {key: recon[key] for key in expected} == expected
    assert published["predict"]["rescale"] == "test"


def test_every_key_is_accepted_and_nsd_takes_it_by_itself(registry):
    config = resolve(
        registry, dataset="bids", subjects=["01"], recipe="brain-diffuser", root="bids_example"
    )
    assert set(NETWORKS) < set(config.metrics)
    of_pixels = {k: m.options for k, m in config.metrics.items() if k not in NETWORKS}
    dialect = {"dialect": "brain-diffuser"}
    assert of_pixels == {
        "pixcorr": dialect,
        "ssim-columnwise": dialect | {"variant": "columnwise"},
        "ssim-2d": dialect | {"variant": "2d"},
    }
    assert default_recipe(registry, "nsd") == Choice("brain-diffuser")


@pytest.fixture
def tiny(published, hub_of_clip, tmp_path):
    """Return the recipe with tiny networks, without the metrics' networks."""
    for place in (VDVAE, CLIP, ROOT / "bids_example"):
        if not place.exists():
            pytest.skip(f"{place.name} is not beside the tests")
    golden = load_file(VDVAE)
    mine = {k.removeprefix("weights/"): v for k, v in golden.items() if k.startswith("weights/")}
    save_file(mine, tmp_path / "vdvae.safetensors")
    vdvae = {"weights": str(tmp_path / "vdvae.safetensors"), "config": VDVAE_CONFIG}
    changes = {
        "features": {
            "vdvae": vdvae | {"layers": 3},
            "vision": {"weights": str(CLIP)},
            "text": {"weights": str(CLIP)},
        },
        "stages": {
            "first-guess": vdvae | {"size": 64},
            "recon": {"weights": str(hub_of_clip), "clip": str(CLIP), "size": 64, "steps": 2},
        },
        "metrics": {},
    }
    table = {k: v for k, v in published.items() if k not in changes}
    for section, parts in changes.items():
        table[section] = {k: v | parts.get(k, {}) for k, v in published[section].items()}
    table["metrics"] = {k: v for k, v in table["metrics"].items() if k not in NETWORKS}
    table["score"] = {"oracle": False, "bootstrap": 20}
    path = tmp_path / "tiny.toml"
    path.write_text(tomli_w.dumps(table))
    return path


@pytest.fixture
def hub_of_clip(write_hub, tmp_path):
    return write_hub(tmp_path / "vd", CLIP_LENGTH)


def test_it_runs_on_the_bundled_example(tiny, registry, tmp_path, monkeypatch):
    """From a simulated brain through three tiny networks to pictures, scores and a report."""
    asked = []
    real = unconditional.empty_tokens
    monkeypatch.setattr(
        unconditional, "empty_tokens", lambda name, *more: asked.append(name) or real(name, *more)
    )
    config = resolve(
        registry,
        dataset="bids",
        subjects=["01"],
        recipe=str(tiny),
        root=str(ROOT / "bids_example"),
        settings=["features.vdvae.alpha=500", "mask.select=visual"],
    )
    config, data = pipeline.open_subjects(config, registry)
    run = Run(tmp_path / "run", config, registry, data, quiet=True)
    plan = plan_of(run)
    assert plan.targets["vision"] == 17 * 12
    assert plan.targets["text"] == 12 * 12
    with opened(run):
        pipeline.execute(run)
    painted = {
        stage: sorted((run.folder("generate", "01") / "decoded" / stage).glob("*.png"))
        for stage in ("first-guess", "recon")
    }
    assert [len(files) for files in painted.values()] == [40, 40]
    pictures = [np.asarray(Image.open(files[0])) for files in painted.values()]
    assert [picture.shape for picture in pictures] == [(64, 64, 3), (64, 64, 3)]
    assert not np.array_equal(*pictures)
    assert asked == ["vision", "text"]
    assert (run.path / "report.html").is_file()
    shutil.rmtree(run.path)
