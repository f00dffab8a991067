"""Names become parts of paths and are never paths themselves, wherever they come from."""

from __future__ import annotations

import pytest
import toy

from neurodiffuse import pipeline
from neurodiffuse.config import Config, resolve
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.names import LONGEST, wrong_with
from neurodiffuse.plugins import Registry

BAD = [
    "", ".", "..", "../../x", "/abs", "a/b", "a\\b", ".hidden", "-flag", "a b", "a\n", "a\0b", "x.",
    "x.partial", "a:b", "~", "*", "\u202eabc", "x" * (LONGEST + 1), "_x",
]  # fmt: skip

GOOD = ["a", "01", "V1", "ssim-2d", "alexnet-5", "first_guess", "layer.3", "größe", "x" * LONGEST]


@pytest.mark.parametrize("name", GOOD)
def test_names(name):
    assert wrong_with(name) == ""


@pytest.mark.parametrize("name", [*BAD, 3, None])
def test_no_names(name, tmp_path):
    said = wrong_with(name)
    assert "cannot be a name" in said
    assert "\n" not in said
    assert said.isprintable()


@pytest.mark.parametrize("table", ["features", "stages", "metrics"])
@pytest.mark.parametrize("name", ["../../x", "/abs", "a/b", ".", "x.partial"])
def test_a_recipe_is_refused(registry, tmp_path, table, name):
    role = {"features": "encoder", "stages": "generator", "metrics": "metric"}[table]
    recipe = tmp_path / "r.toml"
    recipe.write_text(f"extends = 'toy'\n[{table}.{name!r}]\n{role} = 'paint'\n")
    with pytest.raises(ConfigError, match=f"{table}: .*cannot be a name") as told:
        resolve(registry, dataset="toy", subjects=("01",), recipe=str(recipe))
    assert "\n" not in told.value.problems[0]


def test_a_recipe_calls_itself_by_a_name(registry, tmp_path):
    recipe = tmp_path / "my recipe.toml"
    recipe.write_text("extends = 'toy'\nname = '../../../x'\n")
    with pytest.raises(ConfigError, match=r"name: .*cannot be a name"):
        resolve(registry, dataset="toy", subjects=("01",), recipe=str(recipe))


@pytest.mark.parametrize("where", ["features", "stages", "metrics", "subjects"])
def test_a_run_of_a_stranger_is_refused(registry, where):
    stored = resolve(registry, dataset="toy", subjects=("01",), recipe="toy").to_dict()
    Config.from_dict(stored)
    if where == "subjects":
        stored["subjects"] = ["../../x"]
    else:
        stored[where]["../../x"] = next(iter(stored[where].values()))
    with pytest.raises(ConfigError, match=r"'\.\./\.\./x' cannot be a name"):
        Config.from_dict(stored)


def test_a_subject_of_a_data_set_is_refused(monkeypatch):
    data = toy.Toy()
    monkeypatch.setattr(data, "subjects", lambda: ["01", "../../x"])
    assert pipeline.match_subjects(["1"], data) == ("01",)
    with pytest.raises(DataError, match=r"label: .*cannot be a name"):
        pipeline.match_subjects(["../../x"], data)


def test_a_plugin_is_refused():
    class Plugin:
        @hookimpl
        def register_encoders(self, register):
            register("../x", "toy:Colour", summary="s", reads=("images",))

    registry = Registry([("bad", Plugin())])
    assert "encoder: '../x' cannot be a name" in registry.broken[0].error
    assert not registry.cards("encoder")
