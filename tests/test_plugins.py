"""The registry: one broken plugin never takes the others down."""

from __future__ import annotations

import types

import pytest
import toy

from neurodiffuse import builtin
from neurodiffuse.errors import PluginError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Model, ModelFile


def module(name: str, **functions: object) -> types.ModuleType:
    made = types.ModuleType(name)
    vars(made).update(functions)
    return made


def offering(name: str, **more: object) -> types.ModuleType:
    @hookimpl
    def register_generators(register):
        register(name, "toy:Paint", summary="x", reads=("colour",))

    return module("m", register_generators=register_generators, **more)


def test_built_in_metrics_come_through_the_same_hooks():
    registry = Registry([("builtin", builtin)])
    assert {"pixcorr", "ssim", "identification"} <= {c.name for c in registry.cards("metric")}


def test_unknown_name_is_told_with_a_near_one(registry):
    with pytest.raises(PluginError, match=r"no generator is called 'pant'. Did you mean 'paint'\?"):
        registry.card("generator", "pant")


def test_same_name_twice_names_both_and_leaves_the_rest():
    registry = Registry([("toy", toy)])
    registry.add("other", offering("paint"), distribution="other-dist")
    registry.add("third", offering("brush"), distribution="third-dist")
    with pytest.raises(PluginError, match=r"two plugins offer .*'paint': toy:Paint and other-dist"):
        registry.card("generator", "paint")
    assert registry.card("generator", "brush").distribution == "third-dist"


def test_misspelt_hook_is_refused_with_the_right_one():
    @hookimpl
    def register_generator(register): ...

    registry = Registry(
        [("bad", module("bad", register_generator=register_generator)), ("toy", toy)]
    )
    assert "Did you mean 'register_generators'?" in registry.broken[0].error
    assert registry.card("dataset", "toy").target == "toy:Toy"


def test_plugin_that_raises_is_listed_and_the_rest_works():
    @hookimpl
    def register_encoders(register):
        raise RuntimeError("no luck\ntoday")

    registry = Registry([("bad", module("bad", register_encoders=register_encoders)), ("toy", toy)])
    assert [(b.entry_point, b.error) for b in registry.broken] == [
        ("bad", "RuntimeError: no luck today")
    ]
    assert registry.card("encoder", "colour")


def test_plugin_that_exits_at_registration_is_listed_too():
    @hookimpl
    def register_encoders(register):
        raise SystemExit(3)

    registry = Registry([("bad", module("bad", register_encoders=register_encoders)), ("toy", toy)])
    assert registry.broken[0].error == "SystemExit: 3"
    assert registry.card("encoder", "colour")


def test_older_contract_is_refused():
    registry = Registry([("old", offering("brush", CONTRACT=0))])
    assert "contract 0" in registry.broken[0].error
    assert not registry.cards("generator")


def test_class_that_cannot_be_imported_says_what_to_install(registry):
    with pytest.raises(PluginError, match="pip install 'some-package'"):
        registry.load(registry.card("encoder", "gone"))


def test_failing_command_hook_does_not_take_the_command_line_down():
    @hookimpl
    def register_commands(cli):
        raise ImportError("half installed")

    registry = Registry([("bad", module("bad", register_commands=register_commands))])
    registry.commands(None)
    assert "half installed" in registry.broken[0].error


def weights(name: str = "tiny", path: str = "tiny.bin", **more: object) -> Model:
    file = ModelFile(path, f"https://example.org/{path}")
    return Model(name=name, files=(file,), summary="s", licence=more.pop("licence", "MIT"), **more)


def with_weights(*models: Model) -> types.ModuleType:
    @hookimpl
    def register_models(register):
        for model in models:
            register(model)

    return module("m", register_models=register_models)


def test_two_plugins_may_share_weights_but_not_a_name():
    registry = Registry([("a", with_weights(weights())), ("b", with_weights(weights()))])
    assert registry.models() == [registry.model("tiny")]
    registry.add("c", with_weights(weights(licence="CC-BY-NC-4.0")), distribution="c-dist")
    with pytest.raises(PluginError, match="a and b and c-dist name different weights 'tiny'"):
        registry.model("tiny")


def test_unknown_weights_are_told_with_a_near_name():
    registry = Registry([("a", with_weights(weights()))])
    with pytest.raises(PluginError, match=r"no model is called 'tinny'. Did you mean 'tiny'\?"):
        registry.model("tinny")


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a\\b", "C:/x", "a/./b", ""])
def test_weights_outside_their_folder_are_refused(path):
    registry = Registry([("bad", with_weights(weights(path=path)))])
    assert not registry.models()
    assert "no path inside its folder" in registry.broken[0].error


@pytest.mark.parametrize("sha256", ["7be5be7", "not digits", "0" * 65])
def test_weights_with_a_checksum_that_is_none_are_refused(sha256):
    file = ModelFile("x", "https://example.org/x", sha256=sha256)
    registry = Registry([("bad", with_weights(Model("tiny", (file,), "s", "MIT")))])
    assert "sha256 needs 8 to 64" in registry.broken[0].error


@pytest.mark.parametrize("name", ["", "../x", "A b", ".x"])
def test_weights_whose_name_is_no_folder_are_refused(name):
    registry = Registry([("bad", with_weights(weights(name=name)))])
    assert "the name is a folder's" in registry.broken[0].error
