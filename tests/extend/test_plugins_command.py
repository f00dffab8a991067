"""`neurodiffuse plugins info|check` and `recipes diff`, on the toys."""

from __future__ import annotations

import numpy as np
import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import builtin
from neurodiffuse.errors import ConfigError, MissingDataError, PluginError
from neurodiffuse.extend.command import plugins, recipes
from neurodiffuse.extend.describe import documented
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.types import Download


class Moody(toy.Paint):
    """Paint as it likes.

    Parameters
    ----------
    grain
        How much it
        likes.
    """

    def generate(self, latents, *, init, seeds):
        seeds = [int(s) for s in np.random.default_rng().integers(0, 2**60, len(seeds))]
        return super().generate(latents, init=init, seeds=seeds)


class Absent(toy.Paint):
    def downloads(self):
        return (Download("https://example.org/big.pt", 10, "MIT"),)


class Extra:
    """A plugin whose generators misbehave, and one that no recipe uses."""

    @hookimpl
    def register_generators(self, register):
        register("moody", f"{__name__}:Moody", summary="Paints", reads=("colour",))
        register("absent", f"{__name__}:Absent", summary="Paints", reads=("colour",))
        register("unused", "toy:Paint", summary="Paints", reads=("colour",))

    @hookimpl
    def register_recipes(self, register):
        register("moody", "toy_recipes:moody.toml", summary="A recipe of it")


@pytest.fixture
def given(tmp_path):
    registry = Registry([("builtin", builtin), ("toy", toy), ("extra", Extra())])
    files = {
        "moody": 'extends = "toy"\n[stages.recon]\ngenerator = "moody"\ngrain = 0.5\n',
        "absent": 'extends = "toy"\n[stages.recon]\ngenerator = "absent"\n',
    }
    for name, text in files.items():
        (tmp_path / f"{name}.toml").write_text(text)
    original = registry.text
    registry.text = lambda card: files.get(card.name) or original(card)
    return {"registry": registry, "folder": tmp_path}


def run(group, words, given):
    return CliRunner().invoke(group, words, obj={"registry": given["registry"]})


def test_a_good_generator_keeps_all_promises(given):
    done = run(plugins, ["check", "paint"], given)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith("generator paint")
    assert not [line for line in lines if "BROKEN" in line]
    total = int(lines[-1].split()[0])
    assert lines[-1].strip() == f"{total} of {total} promises are kept"
    assert total == len(lines) - 2


def test_a_broken_promise_is_told_and_the_status_is_1(given):
    done = run(plugins, ["check", "moody"], given)
    assert done.exit_code == 1
    broken = [line for line in done.output.splitlines() if "BROKEN" in line]
    assert any("the same latents and seeds give the same pictures" in line for line in broken)


def test_options_may_be_set(given):
    # without grain nothing is random, so that the same class keeps its promises
    done = run(plugins, ["check", "moody", "--set", "grain=0.0"], given)
    assert done.exit_code == 0, done.output


def test_the_recipe_may_be_named(given):
    recipe = str(given["folder"] / "moody.toml")
    assert run(plugins, ["check", "moody", "--recipe", recipe], given).exit_code == 1
    other = run(plugins, ["check", "moody", "--recipe", "toy"], given)
    assert isinstance(other.exception, ConfigError)
    assert "does not use the generator 'moody'" in str(other.exception)


def test_a_generator_in_no_recipe_asks_for_one(given):
    done = run(plugins, ["check", "unused"], given)
    assert isinstance(done.exception, ConfigError)
    assert "reads colour" in str(done.exception)
    assert "--recipe" in str(done.exception)


def test_missing_weights_are_told_before_anything_is_tried(given):
    recipe = str(given["folder"] / "absent.toml")
    done = run(plugins, ["check", "absent", "--recipe", recipe], given)
    assert isinstance(done.exception, MissingDataError)
    assert "https://example.org/big.pt" in str(done.exception)


def test_wrong_names_and_options_are_told(given):
    for words, kind, said in (
        (["check", "piant"], PluginError, "Did you mean 'paint'"),
        (["info", "nothing"], PluginError, "Installed: "),
        (["check", "moody", "--set", "grian=1"], ConfigError, "Did you mean 'grain'"),
        (["check", "moody", "--set", "grain"], ConfigError, "write section.key=value"),
    ):
        done = run(plugins, words, given)
        assert isinstance(done.exception, kind), words
        assert said in str(done.exception), words


def test_every_role_can_be_checked(given):
    for name in ("colour", "toy", "nearness", "nearest", "ridge", "latent-retrieval"):
        done = run(plugins, ["check", name], given)
        assert done.exit_code == 0, (name, done.output)


def test_the_recipe_gives_a_decoder_its_options(given):
    recipe = given["folder"] / "nearest.toml"
    for fault, status in (("", 0), ("together", 1)):
        recipe.write_text(
            f'extends = "toy"\n[decoders.a]\ndecoder = "nearest"\nfault = "{fault}"\n'
        )
        done = run(plugins, ["check", "nearest", "--recipe", str(recipe)], given)
        assert done.exit_code == status, done.output
        done = run(plugins, ["check", "ridge", "--recipe", str(recipe)], given)
        assert "does not use the decoder 'ridge'" in str(done.exception)
    done = run(plugins, ["check", "ridge", "--recipe", "toy", "--set", "alpha=-1"], given)
    assert "alpha: the ridge penalty must be a number above 0" in str(done.exception)
    assert isinstance(done.exception, ConfigError)


def test_info_says_options_types_defaults_and_docs(given):
    done = run(plugins, ["info", "moody", "--role", "generator"], given)
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines[0] == "generator moody: Paints"
    at = next(k for k, line in enumerate(lines) if line.startswith("grain ("))
    assert lines[at] == "grain (a number; 0.0)"
    assert lines[at + 1] == "How much it likes."
    assert "used by  moody" in lines


def test_info_of_a_recipe_says_how_to_see_it(given):
    assert "neurodiffuse recipes show toy" in run(plugins, ["info", "toy"], given).output


def test_parameters_are_read_from_the_numpydoc_section_alone():
    class Two:
        """Do something.

        Parameters
        ----------
        first, second : int
            Both of them.
        third
            A longer
            text with ``code``.

        Notes
        -----
        fourth
            Not a parameter.
        """

    assert documented(Two) == {
        "first": "Both of them.",
        "second": "Both of them.",
        "third": "A longer text with code.",
    }
    assert documented(type("None", (), {"__doc__": None})) == {}


def test_recipes_diff_names_every_setting_that_differs_and_no_other(given):
    done = run(recipes, ["diff", "toy", "moody"], given)
    assert done.output.splitlines() == [
        "stages.recon.generator: 'paint' -> 'moody'",
        "stages.recon.grain: 0.01 -> 0.5",
    ]
    same = run(recipes, ["diff", "toy", "toy"], given)
    assert same.output.strip() == "toy and toy do the same."
