"""`neurodiffuse plugins new`: what it writes works, installed as a stranger's distribution."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import builtin
from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.extend.command import NEW, plugins
from neurodiffuse.extend.new import STARTERS, new
from neurodiffuse.plugins import Registry

EXAMPLE = Path(__file__).parents[2] / "bids_example"


@pytest.fixture
def registry():
    return Registry([("builtin", builtin), ("toy", toy)])


@pytest.mark.parametrize("role", NEW)
def test_only_the_name_is_changed_and_everywhere(role, tmp_path, registry):
    place = new("my-thing2", role, tmp_path, registry)
    texts = {p: p.read_text() for p in place.rglob("*") if p.is_file()}
    word = STARTERS[role]
    for path, text in texts.items():
        assert word not in text.lower(), path
        assert word not in str(path.relative_to(place)), path
    project = tomllib.loads((place / "pyproject.toml").read_text())["project"]
    assert project["name"] == "neurodiffuse-my-thing2"
    assert project["entry-points"]["neurodiffuse"] == {"my-thing2": "neurodiffuse_my_thing2.hooks"}
    assert any("class MyThing2(" in text for text in texts.values())
    assert (place / ".github/workflows/tests.yml").is_file()


@pytest.mark.parametrize("role", NEW)
def test_its_own_tests_pass(role, tmp_path, registry):
    place = new("fresh", role, tmp_path, registry)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=place,
        env={**os.environ, "PYTHONPATH": str(place)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


@pytest.mark.parametrize("name", ["My-Gen", "9lives", "a b", "a--b", "-a", "../up", "", "ünter"])
def test_names_that_cannot_be_a_distribution_are_refused(name, tmp_path, registry):
    with pytest.raises(ConfigError, match="small letters"):
        new(name, "generator", tmp_path, registry)
    assert not list(tmp_path.iterdir())


def test_a_taken_name_or_folder_is_refused(tmp_path, registry):
    with pytest.raises(ConfigError, match="there is a generator of this name"):
        new("paint", "generator", tmp_path, registry)
    new("mine", "metric", tmp_path, registry)
    with pytest.raises(RunError, match="exists already"):
        new("mine", "metric", tmp_path, registry)
    done = CliRunner().invoke(
        plugins,
        ["new", "paint", "--role", "encoder", "--out", str(tmp_path)],
        obj={"registry": registry},
    )
    assert done.exit_code == 0  # the name is taken by a generator only
    assert "an encoder called paint" in done.output
    assert "neurodiffuse plugins check paint" in done.output


def test_nothing_half_written_stays(tmp_path, registry, monkeypatch):
    original = Path.write_text

    def full(self, *args, **kwargs):
        if self.name == "README.md":
            raise OSError(28, "No space left on device", str(self))
        return original(self, *args, **kwargs)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunError, match="no space left"):
        new("mine", "metric", tmp_path, registry)
    assert not list(tmp_path.iterdir())


PAINTER = '''
import numpy as np
from neurodiffuse.types import Generator, Images


class Cells(Generator):
    """Paint the cells of a layout, each as a square of ``side`` pixels."""

    def __init__(self, side: int = 16) -> None:
        self.side = side

    def generate(self, latents, *, init, seeds):
        (cells,) = latents["grid"].blocks()
        large = cells.clip(0, 1).repeat(self.side, 1).repeat(self.side, 2)
        return Images(latents["grid"].ids, (255 * large).round().astype(np.uint8))
'''

RECIPE = """
[features.colours]
encoder = "coarse"
alpha = 1000.0
cells = 4

[stages.recon]
generator = "cells"
side = 8
features = { grid = "colours" }

[metrics.pixcorr]
metric = "pixcorr"

[score]
bootstrap = 50
"""


def test_an_encoder_and_a_generator_of_two_strangers_in_one_recipe(tmp_path, environment, registry):
    """The encoder comes as an sdist, the generator from a folder; the core knows neither."""
    if not EXAMPLE.exists():
        pytest.skip("the bundled example is not beside the tests")
    pytest.importorskip("hatchling")
    encoder = new("coarse", "encoder", tmp_path, registry)
    generator = new("cells", "generator", tmp_path, registry)
    package = generator / "neurodiffuse_cells"
    (package / "generator.py").write_text(PAINTER)
    hooks = package / "hooks.py"
    hooks.write_text(hooks.read_text().replace('reads=("pixels",)', 'reads=("grid",)'))
    shutil.rmtree(package / "recipes")
    hooks.write_text(hooks.read_text().split("    Recipe(")[0] + "]\n")
    recipe = tmp_path / "both.toml"
    recipe.write_text(RECIPE)

    def run(*words, cwd=tmp_path):
        done = subprocess.run(
            [str(w) for w in words], cwd=cwd, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout

    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", cwd=encoder)
    (sdist,) = (encoder / "dist").glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert any(name.endswith("recipes/coarse.toml") for name in archive.getnames())
    pip = [environment, "-m", "pip", "install", "-q", "--no-deps", "--no-index"]
    run(*pip, "--no-build-isolation", sdist, generator)

    command = [environment, "-m", "neurodiffuse"]
    listed = run(*command, "plugins", "list")
    assert "neurodiffuse-coarse 0.1.0" in listed
    assert "neurodiffuse-cells 0.1.0" in listed
    assert "promises are kept" in run(*command, "plugins", "check", "coarse")
    assert "BROKEN" not in run(*command, "plugins", "check", "cells", "--recipe", recipe)
    given = ["--dataset", "bids", "--root", EXAMPLE, "--sub", "01", "--recipe", recipe]
    run(*command, "decode", *given, "--out", tmp_path / "run")
    assert (tmp_path / "run" / "report.html").is_file()
    pictures = tmp_path / "run/steps/sub-01/generate/decoded/recon"
    assert len(list(pictures.glob("*.png"))) == 40
