"""Recipe and flags: every problem is told at once, with what is possible."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
import tomli_w

from neurodiffuse.config import Config, dataset_options, resolve, vary
from neurodiffuse.config.ridge import in_words
from neurodiffuse.errors import ConfigError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.options import check_options
from neurodiffuse.plugins import Registry


def problems(
    registry: Registry, *settings: str, recipe: str = "toy", **more: str
) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        resolve(registry, dataset="toy", subjects=("01",), recipe=recipe, settings=settings, **more)
    return caught.value.problems


def good(registry: Registry, *settings: str, recipe: str = "toy", **more: str) -> Config:
    return resolve(
        registry, dataset="toy", subjects=("01",), recipe=recipe, settings=settings, **more
    )


def test_settings_reach_their_place(registry):
    config = good(
        registry, "features.colour.alpha=7", "stages.recon.grain=0.5", "mask.select=V1", "seed=3"
    )
    assert config.features["colour"].alpha == 7
    assert config.stages["recon"].options == {"grain": 0.5}
    assert (config.mask.select, config.seed) == ("V1", 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["features.colour.alphas=[1, -2]"], "alphas: a list of penalties above 0 is needed"),
        (
            ["features.colour.alphas=7"],
            "penalties above 0 is needed, such as [1e3, 1e4, 1e5]; 7 is not.",
        ),
        (["features.colour.alphas=['x']"], "[1e3, 1e4, 1e5]; ['x'] is not."),
        (["features.colour.alpha_per=layer"], "alpha_per: 'layer' is not one of: 'feature'"),
        (["mask.repetitions=single"], "write 'loo', which leaves out images"),
    ],
)
def test_choosing_alpha_is_checked(registry, settings, said):
    assert said in "\n".join(problems(registry, "features.colour.alpha=gcv", *settings))


def test_a_needed_option_says_how_to_give_it():
    class Needy:
        def __init__(self, root: str, width: int) -> None: ...

    assert check_options("datasets.needy", Needy, {}) == [
        "datasets.needy: the option 'root' is needed. Give --root DIR.",
        "datasets.needy: the option 'width' is needed. Give --set datasets.needy.width=…",
    ]
    assert check_options("needy", Needy, {"width": 3}) == ["needy: the option 'root' is needed."]


def test_old_configurations_have_the_defaults_of_what_came_later(registry):
    config = good(registry)
    stored = config.to_dict()
    del stored["encode"]
    for key in ("alphas", "alpha_per", "bands"):
        del stored["features"]["colour"][key]
    assert config.first_difference(stored) is None
    assert Config.from_dict(stored) == config


def test_configuration_survives_being_written(registry):
    config = good(registry, "stages.recon.grain=0.5", root="somewhere")
    stored = tomllib.loads(tomli_w.dumps(config.to_dict()))
    assert config.first_difference(stored) is None
    assert Config.from_dict(stored) == config


@pytest.mark.parametrize(
    ("setting", "step"),
    [
        ("mask.select=V1", "mask"),
        ("datasets.toy.train=50", "mask"),
        ("features.colour.copies=2", "encode"),
        ("features.colour.alpha=3", "fit"),
        ("features.colour.alpha=gcv", "fit"),
        ("encode.dtype=float16", "encode"),
        ("predict.rescale=none", "predict"),
        ("stages.recon.grain=0.2", "generate"),
        ("seed=4", "generate"),
        ("metrics.pixcorr.size=4", "score"),
    ],
)
def test_difference_names_the_first_step_that_it_touches(registry, setting, step):
    found = good(registry, setting).first_difference(good(registry).to_dict())
    assert found is not None
    assert found[0] == step


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("features.colour.encoder=color", "no encoder is called 'color'. Did you mean 'colour'?"),
        ("features.colour.copy=2", "features.colour.copy: no such option. Did you mean 'copies'?"),
        ("features.colour.alhpa=2", "features.colour.alhpa: no such option. Did you mean 'alpha'?"),
        ("features.colour.copies=two", "features.colour.copies: 'two' is not a whole number"),
        (
            "features.colour.alpha=0",
            "features.colour.alpha: the ridge penalty must be a number above 0",
        ),
        ("features.colour.alpha=nan", "nan is not one"),
        ("features.colour.alpha=much", "'much' is not one"),
        ("features.colour.alpha=[1, 2]", "[1, 2] is not one"),
        ("features.colour.alphas=[1, 2]", "features.colour.alphas: only matters when alpha is"),
        ("features.colour.alpha_per=token", "features.colour.alpha_per: only matters when alpha"),
        ("features.colour.bands=['V1']", "features.colour.bands: only matters when alpha is"),
        ("encode.dtype=float8", "encode.dtype: 'float8' is not one of: 'float32', 'float16'"),
        ("stages.recon.grain=-1", "stages.recon: grain must be 0 or more, not -1"),
        ("stages.recon.init=later", "no earlier stage is called 'later'"),
        ("stages.recon.features={colour = 'vae'}", "there is no feature 'vae'"),
        ("metrics.pixcorr.metric=pixcor", "Did you mean 'pixcorr'?"),
        ("metrics.greedy.metric=greedy", "takes *options"),
        ("metrics.words.metric=latent-identification", "needs feature = one of: colour"),
        ("predict.rescale=both", "predict.rescale: 'both' is not one of: 'train', 'test', 'none'"),
        ("predict.calibration=1", "predict.calibration: 1 is too few"),
        ("maks.select=V1", "maks: no such section or key. Did you mean 'mask'?"),
        ("mask.slect=V1", "mask.slect: no such option. Did you mean 'select'?"),
        ("datasets.toy.trian=3", "datasets.toy.trian: no such option. Did you mean 'train'?"),
        ("noequals", "write section.key=value"),
        ("seed=-1", "seed: -1 is not"),
        (
            "mask=V1",
            "mask: expected a section, found 'V1'. Write mask.KEY = VALUE; its keys: select, ",
        ),
        ("features=3", "features: expected a section, found 3. Write features.NAME.KEY = VALUE."),
        ("datasets=3", "datasets: expected a section, found 3. Write datasets.NAME.KEY = VALUE."),
        ("datasets.toy=3", "datasets.toy: expected a section, found 3. Write datasets.toy.KEY ="),
        (
            "features.colour.encoder.x=3",
            "features.colour.encoder is a value, not a section. Write features.colour.encoder=",
        ),
        ("metrics.greedy=3", "Set one of its keys: metrics.greedy.metric = NAME"),
        ("features.other.alpha=1", "features.other: the recipe has no 'other' in features."),
        ("features.color.alpha=1", "no 'color' in features. Did you mean 'colour'? It has: colour"),
        ("stages.recn.grain=1", "no 'recn' in stages. Did you mean 'recon'?"),
        ("metrics.pixcor.size=4", "no 'pixcor' in metrics. Did you mean 'pixcorr'?"),
        ("datasets.tyo.train=3", "no data set is called 'tyo'. Did you mean 'toy'?"),
        ("datasets.tyo=3", "no data set is called 'tyo'. Did you mean 'toy'?"),
        ("datasets.latent.train=3", "'toy' is decoded: write datasets.toy."),
        (
            "extends=other",
            "extends stands in a recipe's file. To decode with that recipe: --recipe other",
        ),
        ("name=mine", "name is said in a recipe's file and not for a run."),
        ("domain=any", "domain is said in a recipe's file and not for a run."),
        ("features.colour.intercept=no", "features.colour.intercept: 'no' is not true or false"),
        ("features.colour.intercept=false", "intercept: false would change nothing, since"),
        ("encode.dtype=16", "encode.dtype: 16 is not one of: 'float32', 'float16'"),
        ("score.oracle=yes", "score.oracle: 'yes' is not true or false"),
        ("mask.select=7", """mask.select: 7 is not a text. In quotes it is: '"7"'."""),
        ("datasets.toy.root=7", """datasets.toy.root: 7 is not a text. In quotes it is: '"7"'."""),
        ("features.colour.roi=['V1']", "features.colour.roi: ['V1'] is not a text"),
        ("stages.recon.without=colour", "'colour' is not a list, each item a text"),
    ],
)
def test_problem_is_one_line_with_what_is_possible(registry, setting, said):
    found = problems(registry, setting)
    assert len(found) == 1
    assert said in found[0]
    assert "\n" not in found[0]


def test_a_setting_of_another_installed_data_set_is_refused(registry):
    registry.add("more", SecondDataset)
    found = problems(registry, "datasets.toy2.train=3")
    assert found == (
        "--set datasets.toy2.train=3: 'toy' is decoded, not 'toy2'. Write datasets.toy.…, or "
        "--dataset.",
    )


class SecondDataset:
    """A plugin with another data set."""

    @staticmethod
    @hookimpl
    def register_datasets(register) -> None:
        register("toy2", "toy:Toy", summary="colours again")


def test_a_recipe_may_have_tables_for_other_data_sets_and_no_misspelt_one(registry, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('extends = "toy"\n[datasets.elsewhere]\nn = 3\n')
    assert good(registry, recipe=str(recipe)).dataset_options == {}
    recipe.write_text('extends = "toy"\n[datasets.tyo]\ntrain = 3\n')
    (found,) = problems(registry, recipe=str(recipe))
    assert "datasets.tyo: no data set is called 'tyo'. Did you mean 'toy'?" in found


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("summary = 3", "summary: 3 is not a text"),
        ("name = 3", "name: 3 is not a text"),
        ("cite = 'Me 2026'", "cite: 'Me 2026' is not a list, each item a text"),
        ("cite = [2026]", "cite: [2026] is not a list, each item a text"),
        ("needs = 'numpy'", "needs: 'numpy' is not a list, each item a text"),
        ("extends = 3", "extends: 3 is not a recipe's name or path"),
        ("domain = 3", "domain: 3 is not a text or a list, each item a text"),
        ("notes = 'n'", "notes: 'n' is not a list, each item a text"),
        ("seed = '3'", "seed: '3' is not a whole number"),
        ("features = 3", "features: expected a section"),
        ("datasets = 3", "datasets: expected a section"),
        ("[datasets]\ntoy = 3", "datasets.toy: expected a section"),
        ("[score]\nbootstrap = '2000'", "score.bootstrap: '2000' is not a whole number"),
        ("[predict]\ncalibration = 1e3", "predict.calibration: 1000.0 is not a whole number"),
        ("[stages.recon]\nsamples = '2'", "stages.recon.samples: '2' is not a whole number"),
        ("[stages.recon]\ngrain = '.5'", "stages.recon.grain: '.5' is not a number"),
        ("[features.colour]\nalpha = '100'", "alpha: the ridge penalty must be a number"),
        ("[features.colour]\nencoder = 3", "features.colour.encoder: 3 is not a text"),
    ],
)
def test_a_wrong_type_in_a_recipe_is_told(registry, tmp_path, line, said):
    recipe = tmp_path / "mine.toml"
    start = "" if line.startswith("extends") else 'extends = "toy"\n'
    recipe.write_text(start + line + "\n")
    assert said in problems(registry, recipe=str(recipe))[0]


@pytest.mark.parametrize(
    ("parent", "said"),
    [
        ("tyo", "mine.toml: extends: no recipe is called 'tyo'. Did you mean 'toy'?"),
        ("no/base.toml", "mine.toml: extends: no/base.toml cannot be read: there is no such file."),
    ],
)
def test_a_recipe_that_another_one_extends_is_not_blamed_on_the_flag(
    registry, tmp_path, parent, said
):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f'extends = "{parent}"\n')
    (found,) = problems(registry, recipe=str(recipe))
    assert said in found
    assert "--recipe" not in found


def test_annotations_for_type_checkers_do_not_keep_the_others_from_being_checked():
    class Half:
        def __init__(self, width: int, about: OnlyForTypeCheckers = None): ...  # noqa: F821

    assert check_options("x", Half, {"width": "wide"}) == ["x.width: 'wide' is not a whole number."]


def test_lists_of_fixed_length_are_checked():
    class Pair:
        def __init__(self, size: tuple[int, int], names: Sequence[str] = ()) -> None: ...

    assert check_options("x", Pair, {"size": [1, 2]}) == []
    assert check_options("x", Pair, {"size": [1]}) == [
        "x.size: [1] is not a list of 2: a whole number, a whole number."
    ]


def test_the_same_thing_said_twice_is_refused(registry):
    found = problems(registry, "mask.select=V1", mask="FFA1")
    assert found == ("--mask FFA1 and --set mask.select=…: they say the same; give one.",)
    found = problems(registry, "datasets.toy.root=a", root="b")
    assert found == ("--root b and --set datasets.toy.root=…: they say the same; give one.",)


def test_options_of_a_data_set_are_checked_without_a_recipe(registry):
    for setting, said in (
        ("datasets.tyo.train=3", "no data set is called 'tyo'. Did you mean 'toy'?"),
        ("datasets.toy.trian=3", "Did you mean 'train'?"),
        ("mask.select=V1", "only datasets.toy.key=value matters here"),
    ):
        with pytest.raises(ConfigError) as refused:
            dataset_options(registry, "toy", settings=[setting])
        assert said in str(refused.value)
    assert dataset_options(registry, "toy", settings=["datasets.toy.train=3"]) == {"train": 3}


def test_the_same_folder_spelt_otherwise_is_the_same_setting(registry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stored = good(registry, root="data").to_dict()
    assert stored["dataset_options"]["root"] == str(tmp_path / "data")
    assert good(registry, root=str(tmp_path / "data")).first_difference(stored) is None
    assert good(registry, root="data/../data").first_difference(stored) is None
    assert good(registry, root="other").first_difference(stored) is not None


def test_every_problem_is_told_at_once(registry):
    assert (
        len(problems(registry, "features.colour.alpha=-1", "maks.x=1", "stages.recon.grian=1")) == 3
    )


def test_feature_of_captions_cannot_compare_pictures(registry):
    found = problems(
        registry,
        "features.words.encoder=words",
        "features.words.alpha=1",
        "metrics.w.metric=latent-identification",
        "metrics.w.feature=words",
    )
    assert "encoded from captions" in found[0]


def test_recipe_file_can_extend_an_installed_one(registry, tmp_path: Path):
    mine = tmp_path / "mine.toml"
    mine.write_text('name = "mine"\nextends = "toy"\n[stages.recon]\ngrain = 0.3\n')
    config = good(registry, recipe=str(mine))
    assert config.name == "mine"
    assert config.stages["recon"].options["grain"] == 0.3
    assert config.stages["recon"].init == "first"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[mask", "not valid TOML"),
        ('extends = "mine.toml"', "extends itself"),
        ('extends = "tyo"', "no recipe is called 'tyo'. Did you mean 'toy'?"),
    ],
)
def test_bad_recipe_file(registry, tmp_path: Path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(text)
    assert said in problems(registry, recipe="mine.toml")[0]


def test_unknown_dataset_and_recipe(registry):
    with pytest.raises(
        ConfigError, match=r"--dataset: no dataset is called 'tyo'. Did you mean 'toy'"
    ):
        resolve(registry, dataset="tyo", subjects=("01",), recipe="toy")
    assert "--recipe: no recipe is called 'demmo'" in problems(registry, recipe="demmo")[0]
    assert "cannot be read" in problems(registry, recipe="./none.toml")[0]


def test_vary_changes_what_is_named_and_nothing_else(registry):
    base = resolve(registry, dataset="toy", subjects=["01"], recipe="toy", settings=["seed=3"])
    assert vary(registry, base, []) == base
    other = vary(registry, base, ["stages.recon.grain=0.5", "datasets.toy.test=9"])
    assert other.stages["recon"].options == {"grain": 0.5}
    assert other.dataset_options == {"test": 9}
    assert other.seed == 3
    assert base.first_difference(other.to_dict()) == (
        "mask",
        ["dataset_options.test", "stages.recon.options.grain"],
    )
    with pytest.raises(ConfigError, match=r"stages\.recon\.grian: no such option"):
        vary(registry, base, ["stages.recon.grian=0.5"])


def test_a_generator_is_only_left_without_what_it_can_do_without(registry):
    with pytest.raises(ConfigError) as refused:
        resolve(
            registry,
            dataset="toy",
            subjects=["01"],
            recipe="toy",
            settings=['stages.recon.without=["colour"]'],
        )
    assert "generator 'paint' cannot do without 'colour'" in str(refused.value)
    assert "nothing is left for 'paint' to read" in str(refused.value)


def test_leaving_the_intercept_out_touches_predictions_alone(registry):
    plain = good(registry, "predict.rescale=none")
    without = good(registry, "predict.rescale=none", "features.colour.intercept=false")
    assert without.first_difference(plain.to_dict()) == (
        "predict",
        ["features.colour.intercept"],
    )
    assert in_words(without.features["colour"]) == "penalty 1, without an intercept"
    stored = plain.to_dict()
    del stored["features"]["colour"]["intercept"]
    assert plain.first_difference(stored) is None


def test_settings_that_a_later_version_added_are_no_difference(registry):
    base = resolve(registry, dataset="toy", subjects=["01"], recipe="toy")
    stored = base.to_dict()
    del stored["stages"]["recon"]["without"]
    assert base.first_difference(stored) is None


def test_what_a_recipe_needs_and_is_not_installed_is_told_when_a_plugin_lacks(registry, tmp_path):
    recipe = tmp_path / "strange.toml"
    text = 'needs = ["neurodiffuse", "neurodiffuse-strange"]\nextends = "toy"\n'
    recipe.write_text(text + '[stages.last]\ngenerator = "strange"\n')
    with pytest.raises(ConfigError) as error:
        resolve(registry, dataset="toy", subjects=("01",), recipe=str(recipe))
    last = str(error.value).splitlines()[-1]
    assert last.endswith("pip install neurodiffuse-strange.")
    recipe.write_text(text)  # nothing lacks: what else might be needed does not matter
    assert resolve(registry, dataset="toy", subjects=("01",), recipe=str(recipe)).stages
    recipe.write_text(text.replace('"toy"', '"absent"'))
    with pytest.raises(ConfigError, match="pip install neurodiffuse-strange"):
        resolve(registry, dataset="toy", subjects=("01",), recipe=str(recipe))
