"""The reference pages name every option, hook, card field and recipe key, and no other."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from neurodiffuse import cards, config, hookspecs, types
from neurodiffuse.cli import cli
from neurodiffuse.errors import ConfigError
from neurodiffuse.plugins import Registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("how-to/*.md")), *sorted(DOCS.glob("ref*/*.md"))]


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield commands by the words that call them."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


INSTALLED = dict(commands(cli))
COMMANDS = {n: c for n, c in INSTALLED.items() if c.callback.__module__.startswith("neurodiffuse.")}


def names_of(command: click.Command) -> set[str]:
    """Return option names, and arguments as the help writes them."""
    return {
        parameter.name.upper() if isinstance(parameter, click.Argument) else name
        for parameter in command.params
        for name in (*parameter.opts, *parameter.secondary_opts)
    }


def sections(page: str) -> dict[str, str]:
    """Return the text below each heading of a page; what is above the first one has no name."""
    parts = re.split(r"^#{2,3} (.+)$", (DOCS / "reference" / page).read_text("utf-8"), flags=re.M)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def first_cells(text: str) -> list[str]:
    return re.findall(r"^\| `([^`]+)`", text, flags=re.M)


def blocks(path: Path) -> list[str]:
    return re.findall(r"^```[^\n]*\n(.*?)^```", path.read_text("utf-8"), flags=re.M | re.S)


def test_every_command_has_a_section():
    found = {name for name in sections("command-line.md") if name}
    assert found == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_options_of_a_command(name):
    documented = {cell.split()[0] for cell in first_cells(sections("command-line.md")[name])}
    assert documented == names_of(COMMANDS[name])


def test_options_of_every_command():
    documented = set(first_cells(sections("command-line.md")[""]))
    assert documented == names_of(cli)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_commands_shown_are_commands(page):
    for block in blocks(page):
        for line in re.findall(r"^neurodiffuse (.+)$", block.replace("\\\n", " "), flags=re.M):
            if line.startswith(("COMMAND", "OUT", "--")) or ": " in line:
                continue  # a schema, or what the program says
            words = shlex.split(line, comments=True)
            known = next((n for n in INSTALLED if words[: len(n.split())] == n.split()), None)
            assert known, f"{page.name}: {line}"
            used = {word.strip("[]") for word in words if word.strip("[").startswith("--")}
            assert used <= names_of(INSTALLED[known]), f"{page.name}: {line}"


def test_every_hook_has_a_section_with_its_arguments():
    specs = {
        f"{name}({', '.join(inspect.signature(hook).parameters)})"
        for name, hook in vars(hookspecs).items()
        if hasattr(hook, "neurodiffuse_spec")
    }
    assert len(specs) >= 7
    assert {name for name in sections("plugins.md") if "(" in name} == specs


def test_card_fields():
    documented = first_cells(sections("plugins.md")["What a card says"])
    assert sorted(documented) == sorted(f.name for f in dataclasses.fields(types.Card))


def test_every_card_is_in_the_table():
    documented = set(first_cells(sections("plugins.md")["Cards"]))
    offered = {
        n for n, c in vars(cards).items() if inspect.isclass(c) and issubclass(c, types.Card)
    }
    assert documented == offered - {"Card"}


def test_the_cards_shown_are_cards():
    shown = next(b for b in blocks(DOCS / "reference" / "plugins.md") if "CARDS" in b)
    made: dict[str, object] = {}
    exec(shown, made)
    registry = Registry([("shown", type("Plugin", (), {"CARDS": made["CARDS"]}))])
    assert not registry.broken
    assert registry.card("generator", "mosaic").reads == ("layout",)


def test_capabilities_of_decoders():
    text = sections("plugins.md")["Decoders"].partition("| protocol |")[2]
    rows = re.findall(r"^\| `(\w+)` \| ((?:`\w+`(?:, )?)+)", text, flags=re.M)
    assert {name for name, _ in rows} == {"HasLeftOut", "HasWeights", "HasSensitivity", "InBlocks"}
    for name, methods in rows:
        own = {n for n, f in vars(getattr(types, name)).items() if inspect.isfunction(f)}
        assert set(re.findall(r"`(\w+)`", methods)) == {n for n in own if n[0] != "_"}


def test_roles():
    """Abstract methods stand before the parenthesis, those with a default in it."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", sections("plugins.md")["Roles"], flags=re.M)
    assert {name for name, _ in rows} == {cls.__name__ for cls in types.Role.__subclasses__()}
    for name, text in rows:
        needed, _, optional = text.partition("(")
        cls = getattr(types, name)
        own = {n for n, f in vars(cls).items() if inspect.isfunction(f) and n[0] != "_"}
        assert set(re.findall(r"`(\w+)`", needed)) == cls.__abstractmethods__
        assert set(re.findall(r"`(\w+)`", optional)) == own - cls.__abstractmethods__


def recipe_keys() -> dict[str, str]:
    text = sections("recipes.md")["Every key"]
    return dict(re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", text, flags=re.M))


def test_recipe_keys_and_defaults():
    tables = {
        "mask": config.MaskConfig,
        "encode": config.EncodeConfig,
        "features.NAME": config.FeatureConfig,
        "decoders.NAME": config.DecoderConfig,
        "refiners.NAME": config.RefinerConfig,
        "predict": config.PredictConfig,
        "stages.NAME": config.StageConfig,
        "metrics.NAME": config.MetricConfig,
        "score": config.ScoreConfig,
    }
    documented, expected = recipe_keys(), set()
    for section, cls in tables.items():
        for field in dataclasses.fields(cls):
            if field.name == "options":
                continue
            expected.add(f"{section}.{field.name}")
            said = documented.get(f"{section}.{field.name}", "")
            if field.default is not dataclasses.MISSING:
                default = list(field.default) if field.default == () else field.default
                assert tomllib.loads(f"v = {said.strip('`')}")["v"] == default
            elif field.default_factory is dataclasses.MISSING:
                assert said == "needed"
    assert {k for k in documented if "." in k} == expected | {"datasets.NAME.…"}


def test_recipe_sections_are_those_that_are_accepted(tmp_path):
    """The refusal of an unknown key lists what a recipe can hold."""
    recipe = tmp_path / "r.toml"
    recipe.write_text("nonsense = 1")
    with pytest.raises(ConfigError) as refused:
        config.resolve(Registry(), dataset="x", subjects=["1"], recipe=str(recipe))
    possible = re.search(r"nonsense.*Possible: (.*)\.", str(refused.value))[1].split(", ")
    assert {key.split(".")[0] for key in recipe_keys()} == set(possible)


def test_example_of_a_recipe_is_toml_with_known_keys():
    example = tomllib.loads(blocks(DOCS / "reference" / "recipes.md")[0])
    assert set(example) <= {key.split(".")[0] for key in recipe_keys()}


def test_dry_run_shown_is_what_it_prints(monkeypatch):
    pytest.importorskip("neurodiffuse_bids")
    pytest.importorskip("neurodiffuse_pixels")
    monkeypatch.chdir(ROOT)
    words = "decode --dataset bids --root bids_example --sub 01 --recipe pixels --dry-run"
    from click.testing import CliRunner

    printed = CliRunner().invoke(cli, words.split(), catch_exceptions=False).output
    shown = next(b for b in blocks(DOCS / "how-to" / "decode.md") if b.startswith("recipe "))
    assert re.sub(r" \(exists.*", "", printed) == shown
