"""Which recipe is taken where none is named, and what is said of one that does not suit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import cli, pipeline, plan_text
from neurodiffuse.config import Choice, Config, default_recipe, remarks_on, resolve
from neurodiffuse.errors import ConfigError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.types import Remark

RECIPES = {"floor": "any", "photos": "natural photographs", "scenes": "drawn scenes"}


class Described(toy.Toy):
    """Toys that say what they hold and what suits them."""

    def __init__(self, pictures: str = "", suited: str = "", test: int = 6) -> None:
        super().__init__(test=test)
        self.pictures, self.suited = pictures, suited

    def about(self) -> Mapping[str, str]:
        said = {"pictures": self.pictures, "recipe": self.suited}
        return {k: v for k, v in said.items() if v} | {"recipe_distribution": "neurodiffuse-far"}


class Recipes:
    """A plugin with recipes for other pictures."""

    @staticmethod
    @hookimpl
    def register_datasets(register) -> None:
        register("described", f"{__name__}:Described", summary="colours")

    @staticmethod
    @hookimpl
    def register_recipes(register) -> None:
        for name in RECIPES:
            register(name, f"recipes_of_domains:{name}.toml", summary=name)


@pytest.fixture
def several(registry: Registry, tmp_path: Path, monkeypatch) -> Registry:
    package = tmp_path / "recipes_of_domains"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, domain in RECIPES.items():
        text = f'name = "{name}"\nextends = "toy"\ndomain = "{domain}"\nnotes = ["made of toys"]\n'
        (package / f"{name}.toml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    registry.add("several", Recipes)
    return registry


def chosen(registry: Registry, **options: str) -> Choice:
    settings = [f"datasets.described.{k}={v}" for k, v in options.items()]
    return default_recipe(registry, "described", settings=settings)


def test_the_data_set_names_what_suits_it(several):
    assert chosen(several, suited="scenes") == Choice("scenes")
    assert chosen(several, suited="photos", pictures="anything") == Choice("photos")


def test_a_recipe_that_is_not_installed_is_told_and_no_other_is_taken(several):
    with pytest.raises(ConfigError) as refused:
        chosen(several, suited="far")
    said = str(refused.value)
    assert "'far' is the recipe for the data set 'described', and it is not installed." in said
    assert "pip install neurodiffuse-far" in said
    assert "floor (any pictures), photos (natural photographs), scenes (drawn scenes), toy" in said
    assert "\n" not in said


def test_the_file_that_names_a_recipe_is_blamed_for_it(several, monkeypatch):
    with pytest.raises(ConfigError, match=r"^no --recipe is given, and 'far' is"):
        chosen(several, suited="far")
    named = {"recipe": "scnes", "recipe_source": "/data/dataset_description.json"}
    monkeypatch.setattr(Described, "about", lambda self: named)
    with pytest.raises(ConfigError) as refused:
        chosen(several)
    said = str(refused.value)
    assert said.startswith("/data/dataset_description.json: Recipe: 'scnes' is the recipe for")
    assert "Did you mean 'scenes'?" in said
    assert "pip install" not in said


@pytest.mark.parametrize("pictures", ["", "drawn scenes", "natural photographs"])
def test_where_none_is_named_the_one_for_any_pictures_is_taken_and_others_are_told(
    several, pictures
):
    found = chosen(several, pictures=pictures)
    assert found.recipe == "floor"
    assert ("holds " + pictures if pictures else "does not say what its pictures are") in found.why
    assert "photos (natural photographs), scenes (drawn scenes)" in found.why


def test_without_exactly_one_for_any_pictures_one_has_to_be_named(registry, several, monkeypatch):
    monkeypatch.setitem(RECIPES, "second", "any")
    package = Path(__import__("recipes_of_domains").__file__).parent
    (package / "second.toml").write_text('extends = "floor"\n')
    more = Registry([("toy", toy), ("several", Recipes)])
    with pytest.raises(ConfigError, match="2 of those that are installed are for any pictures"):
        chosen(more)


def test_a_misspelt_data_set_or_option_is_told_first(several):
    with pytest.raises(ConfigError, match="Did you mean 'described'"):
        default_recipe(several, "descried")
    with pytest.raises(ConfigError, match="Did you mean 'suited'"):
        chosen(several, siuted="scenes")


def config(registry: Registry, recipe: str, **options: str) -> Config:
    settings = [f"datasets.described.{k}={v}" for k, v in options.items()]
    return resolve(registry, dataset="described", subjects=["01"], recipe=recipe, settings=settings)


@pytest.mark.parametrize(
    ("recipe", "pictures", "said"),
    [
        ("floor", "drawn scenes", ""),
        ("floor", "", ""),
        ("toy", "drawn scenes", ""),  # a recipe that says nothing
        ("scenes", "drawn scenes", ""),
        ("scenes", "natural photographs", "is for drawn scenes, and the data set described holds"),
        ("photos", "drawn scenes", "is for natural photographs, and the data set described holds"),
        ("scenes", "", "is for drawn scenes, and the data set described does not say what"),
    ],
)
def test_what_does_not_suit_is_a_warning(several, recipe, pictures, said):
    found = remarks_on(config(several, recipe), {"pictures": pictures})
    warnings = [remark.text for remark in found if remark.kind == "warning"]
    assert len(warnings) == bool(said)
    assert not said or said in warnings[0]


def test_notes_of_a_recipe_are_remarks(several):
    assert Remark("recipe floor: made of toys") in remarks_on(config(several, "floor"), {})


def test_the_warning_is_at_the_top_of_plan_and_report(several, tmp_path):
    unfit, data = pipeline.open_subjects(
        config(several, "scenes", pictures="natural photographs"), several
    )
    run = Run(tmp_path / "run", unfit, several, data, quiet=True)
    warning = "recipe scenes is for drawn scenes, and the data set described holds natural"
    plan = plan_text.describe(run, plan_of(run)).splitlines()
    assert plan[0].startswith(f"warning    {warning}")
    assert "remark     recipe scenes: made of toys" in plan
    with opened(run):
        pipeline.execute(run)
    page = (run.path / "report.html").read_text()
    assert page.count(warning) == 1
    assert page.index(warning) < page.index("<table")


def test_decode_says_why_a_recipe_was_taken(several, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "registry", lambda: several)
    monkeypatch.chdir(tmp_path)
    words = ["decode", "--dataset", "described", "--sub", "1", "--dry-run"]
    plan = CliRunner().invoke(cli.cli, words).stdout.splitlines()
    plan = [line for line in plan if not line.startswith("warning")]
    assert plan[0].startswith("recipe     floor")
    assert plan[1].startswith("default    floor is taken, which is for any pictures")
    named = CliRunner().invoke(cli.cli, [*words, "--recipe", "floor"]).stdout
    assert "default" not in named


EXAMPLE = Path(__file__).parents[1] / "bids_example"


def described(root: Path, **keys: object) -> str:
    """Write a BIDS data set's description, which is all that is looked at."""
    root.mkdir()
    (root / "dataset_description.json").write_text(json.dumps({"Name": "Mine", **keys}))
    return str(root)


def test_drawn_scenes_are_decoded_with_the_demo_and_own_pictures_are_not(tmp_path):
    installed = Registry.installed()
    assert default_recipe(installed, "bids", root=str(EXAMPLE)) == Choice("demo")
    own = default_recipe(installed, "bids", root=described(tmp_path / "own"))
    assert own.recipe == "pixels"
    assert "'bids' does not say what its pictures are" in own.why
    assert "demo (drawn scenes)" in own.why
    natural = described(tmp_path / "natural", StimulusContent="natural photographs")
    assert "'bids' holds natural photographs" in default_recipe(installed, "bids", root=natural).why
    suited = described(tmp_path / "suited", Recipe="brain-diffuser")
    assert default_recipe(installed, "bids", root=suited) == Choice("brain-diffuser")


def test_what_a_description_names_is_not_taken_for_something_to_install(tmp_path):
    root = described(tmp_path / "far", Recipe="strange; rm -r .")
    with pytest.raises(ConfigError) as refused:
        default_recipe(Registry.installed(), "bids", root=root)
    assert "'strange; rm -r .' is the recipe for the data set 'bids'" in str(refused.value)
    assert "pip install" not in str(refused.value)


def test_without_brain_diffuser_nsd_says_what_to_install():
    few = Registry.installed()
    del few._cards["recipe", "brain-diffuser"]
    with pytest.raises(ConfigError, match="pip install neurodiffuse-versatile-diffusion"):
        default_recipe(few, "nsd")
    assert default_recipe(Registry.installed(), "nsd") == Choice("brain-diffuser")


def test_a_run_from_before_recipes_said_what_they_are_for_goes_on(several):
    run = config(several, "photos")
    stored = run.to_dict()
    del stored["domain"], stored["notes"]
    assert run.first_difference(stored) is None
    assert Config.from_dict(stored).domain == ()
