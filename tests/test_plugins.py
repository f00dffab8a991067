"""The registry: one broken plugin never takes the others down."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import types

import click
import pytest
import toy

from neurodiffuse import builtin
from neurodiffuse.cards import Encoder, Generator, Metric, Recipe
from neurodiffuse.errors import PluginError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Card, Model, ModelFile


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


def weights(name: str = "tiny", path: str = "tiny.bin", **more: object) -> Model:
    file = ModelFile(path, f"https://example.org/{path}")
    return Model(name=name, files=(file,), summary="s", licence=more.pop("licence", "MIT"), **more)


def test_a_list_of_cards_says_the_same_as_hooks(registry):
    cards = [
        Encoder("colour", "toy:Colour", summary="Mean colour", reads=("images",), cite="c 1"),
        Generator("paint", "toy:Paint", summary="Plain", reads=("colour",), optional=("init",)),
        Recipe("toy", "toy_recipes:toy.toml", summary="two stages", licence="MIT"),
        weights(),
    ]

    @hookimpl
    def register_encoders(register):
        register("colour", "toy:Colour", summary="Mean colour", reads=("images",), cite="c 1")

    @hookimpl
    def register_generators(register):
        register("paint", "toy:Paint", summary="Plain", reads=("colour",), optional=("init",))

    @hookimpl
    def register_recipes(register):
        register("toy", "toy_recipes:toy.toml", summary="two stages", licence="MIT")

    by_hooks = (register_encoders, register_generators, register_recipes)
    one, two = Registry(), Registry()
    one.add("m", module("m", CARDS=cards), distribution="d", version="1.2")
    two.add("m", module("m", **{h.__name__: h for h in by_hooks}), distribution="d", version="1.2")
    for role in ("encoder", "generator", "recipe"):
        (ours,), (theirs,) = one.cards(role), two.cards(role)
        assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert one.models() == [weights()]
    assert not one.broken + two.broken


def test_a_plugin_may_have_cards_and_hooks():
    @hookimpl
    def register_metrics(register):
        register("nearness", "toy:Nearness", summary="how near")

    both = module(
        "m",
        register_metrics=register_metrics,
        CARDS=(Encoder("colour", "toy:Colour", summary="c", reads=("images",)),),
    )
    registry = Registry([("m", both)])
    assert registry.card("metric", "nearness").role == "metric"
    assert registry.load(registry.card("encoder", "colour")).__name__ == "Colour"


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ({"CARDS": [Encoder("a/b", "m:C", summary="s")]}, "cannot be a name"),
        ({"CARDS": [Encoder("a", "m.C", summary="s")]}, "needs the form 'module:name'"),
        (
            {"CARDS": [Generator("a", "m:C", summary="s", reads=("x",), optional=("y",))]},
            "optional names 'y', which is not in reads",
        ),
        (
            {"CARDS": [Generator("a", "m:C", summary="s", reads="pixels")]},
            "reads is a tuple of names such as ('images',), not 'pixels'",
        ),
        ({"CARDS": [Card("a", "paintr", "m:C", "s")]}, "no role is called 'paintr'"),
        ({"CARDS": ["colour"]}, "CARDS holds 'colour', which is no card"),
        ({"CARDS": Encoder("a", "m:C", summary="s")}, "CARDS is a list of cards, not Encoder"),
        ({"CARD": [Encoder("a", "m:C", summary="s")]}, "nobody reads; call it CARDS"),
        ({"CARDS": [weights(path="../x")]}, "is no path inside its folder"),
    ],
)
def test_wrong_cards_are_told_and_the_rest_works(names, said):
    registry = Registry([("m", module("m", **names)), ("toy", toy)])
    assert said in registry.broken[0].error
    assert registry.card("encoder", "colour").target == "toy:Colour"
    assert not registry.models()


class Latent(toy.Nearness):
    compares = "latents"


class Pictures(toy.Nearness):
    compares = "images"


@pytest.mark.parametrize(
    ("name", "cls", "compares"),
    [
        ("likeness", "Latent", "latents"),
        ("latent-likeness", "Pictures", "images"),
        ("latent-old", "Old", "latents"),  # written before a metric could say it
        ("old", "Old", "images"),
    ],
)
def test_a_metric_says_what_it_compares(name, cls, compares):
    target = "toy:Nearness" if cls == "Old" else f"{__name__}:{cls}"
    registry = Registry([("m", module("m", CARDS=[Metric(name, target, summary="s")]))])
    assert registry.compares(registry.card("metric", name)) == compares


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
    registry.commands(click.Group())
    assert "half installed" in registry.broken[0].error


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


def adding(name: str) -> types.ModuleType:
    @hookimpl
    def register_commands(cli):
        cli.add_command(click.Command(name, help="another"))

    return module("m", register_commands=register_commands)


def test_a_command_that_is_there_is_kept_and_who_wanted_it_is_told():
    cli = click.Group()
    registry = Registry([("builtin", builtin)])
    registry.add("greedy", adding("weights"), distribution="greedy-dist")
    registry.add("modest", adding("modest"), distribution="modest-dist")
    registry.commands(cli)
    assert cli.commands["weights"].help != "another"
    assert cli.commands["modest"].help == "another"
    (said,) = registry.warnings
    assert "'greedy' of greedy-dist offers a command 'weights', which is there already" in said
    assert [b.entry_point for b in registry.broken] == ["greedy"]


def test_a_command_cannot_be_taken_away_nor_one_of_a_group_be_replaced():
    @hookimpl
    def register_commands(cli):
        del cli.commands["weights"]
        cli.commands["plugins"].add_command(click.Command("list", help="another"))

    cli = click.Group()
    registry = Registry([("builtin", builtin)])
    registry.add("bad", module("bad", register_commands=register_commands))
    registry.commands(cli)
    assert "weights" in cli.commands
    assert cli.commands["plugins"].commands["list"].help != "another"
    assert ["'plugins list'" in w or "'weights'" in w for w in registry.warnings] == [True, True]


def test_a_built_in_name_is_kept_and_who_wanted_it_is_told():
    @hookimpl
    def register_metrics(register):
        register("pixcorr", "toy:Shade", summary="x")
        register("shade", "toy:Shade", summary="x")

    registry = Registry([("builtin", builtin)])
    registry.add("bad", module("bad", register_metrics=register_metrics), distribution="bad-dist")
    assert registry.card("metric", "pixcorr").target == "neurodiffuse.metrics:PixCorr"
    assert registry.card("metric", "shade").distribution == "bad-dist"
    (said,) = registry.warnings
    assert "offers a metric 'pixcorr', which is there already and is kept" in said


def test_what_the_core_ships_is_never_missing_quietly(monkeypatch):
    def broken(cli):
        raise ImportError("half installed")

    monkeypatch.setattr(builtin, "register_commands", hookimpl(broken))
    registry = Registry([("builtin", builtin)])
    with pytest.raises(PluginError, match=r"itself cannot be loaded .*half installed.*pip install"):
        registry.commands(click.Group())
    monkeypatch.setattr(
        builtin, "register_metrics", hookimpl(lambda register: 1 / 0), raising=False
    )
    with pytest.raises(PluginError, match=r"itself cannot be loaded .*ZeroDivision"):
        Registry([("builtin", builtin)])


@pytest.fixture
def install(tmp_path):
    """Return a function that installs a plugin with some code and runs the command line."""

    def install(code: str, *words: str, point: str = "bad", module: str = "bad_plugin"):
        about = tmp_path / "bad_dist-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-dist\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[neurodiffuse]\n{point} = {module}\n")
        (tmp_path / "bad_plugin.py").write_text(code)
        paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-m", "neurodiffuse", *(words or ("plugins", "list"))],
            env={**os.environ, "PYTHONPATH": paths.rstrip(os.pathsep)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return install


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(7)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "from neurodiffuse.hookspecs import hookimpl\n@hookimpl\ndef register_encoders(register):\n"
        "    import os; os._exit(0)",
        "from neurodiffuse.hookspecs import hookimpl\n@hookimpl\ndef register_commands(cli):\n"
        "    import os; os._exit(0)",
    ],
)
def test_a_plugin_that_kills_the_process_is_named(install, code):
    done = install(code)
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith(
        "neurodiffuse: the process ended while the plugin 'bad' of bad-dist was "
    )
    assert said.endswith("uninstall it: pip uninstall bad-dist.")


def test_a_plugin_that_interrupts_is_named(install):
    done = install("raise KeyboardInterrupt")
    assert done.returncode == 1
    (said,) = done.stderr.splitlines()
    assert "interrupted while the plugin 'bad' of bad-dist was loaded" in said
    assert "pip uninstall bad-dist" in said


@pytest.mark.parametrize("raised", ["SystemExit(0)", "GeneratorExit", "BaseException('x')"])
def test_a_plugin_that_ends_at_import_is_listed_and_the_rest_works(install, raised):
    done = install(f"raise {raised}")
    assert done.returncode == 0
    assert done.stderr == ""
    broken = [line for line in done.stdout.splitlines() if line.startswith("broken")]
    assert [line.split()[1] for line in broken] == ["bad-dist"]
    assert "pixcorr" in done.stdout


def test_a_plugin_that_calls_itself_builtin_takes_no_place(install):
    done = install("x = 1", point="builtin")
    assert "pixcorr" in done.stdout
    assert "bad-dist" in done.stdout


def test_a_clash_is_told_by_every_command_but_the_command_works(install):
    done = install(
        "import click\nfrom neurodiffuse.hookspecs import hookimpl\n@hookimpl\n"
        "def register_commands(cli):\n    cli.add_command(click.Command('decode'))\n",
        "decode", "--dataset", "none", "--sub", "1",
    )  # fmt: skip
    assert done.returncode == 1
    warned, said = done.stderr.splitlines()
    assert "warning: the plugin 'bad' of bad-dist offers a command 'decode'" in warned
    assert "no dataset is called 'none'" in said or "recipe" in said
