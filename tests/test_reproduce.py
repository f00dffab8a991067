"""The command and the methods of a report tell the run as it was."""

from __future__ import annotations

import dataclasses
import itertools
import shlex
from pathlib import Path

import pytest
import toy
import two_toy

from neurodiffuse import builtin, reproduce
from neurodiffuse.config import SECTIONS, TABLES, Config, read_settings, resolve
from neurodiffuse.config.sections import leaves
from neurodiffuse.plugins import Registry

CHANGES = {
    "mask": {"select": "V1 + FFA1", "repetitions": "single", "nonfinite": "drop"},
    "encode": {"dtype": "float16"},
    "predict": {"rescale": "none", "calibration": 77, "folds": 3},
    "score": {"bootstrap": 123, "oracle": "false", "size": 32},
    "features": {
        "encoder": "words", "alpha": "loo", "roi": "V1", "alphas": "[1.0, 2e3]",
        "alpha_per": "target", "bands": '["V1", "FFA1"]', "leave_out": "cluster:3:colour",
        "intercept": "false", "store": "false",
    },
    "decoders": {"decoder": "nearest", "predicts": '["colour"]'},
    "refiners": {"refiner": "retrieval", "refines": '["colour"]'},
    "stages": {"generator": "guided", "init": "first", "samples": 3, "without": '["text"]',
               "features": '{colour = "colour"}'},
    "metrics": {"metric": "latent-distance", "feature": "colour"},
}  # fmt: skip
"""A value of each key of each section that is not its default."""

TEXT = ("features.text.encoder=caption", "features.text.alpha=2")
BASE = {
    "features": ("colour", ("alpha=loo",), ("predict.rescale=none",)),
    "decoders": ("main", ("decoder=ridge",), ()),
    "refiners": ("main", ("refiner=retrieval",), ()),
    "stages": ("zz", ("generator=guided",), TEXT),
    "metrics": ("far", ("metric=latent-distance", "feature=colour"), ()),
}
"""An entry of each table, what makes it complete, and what it needs elsewhere."""


@pytest.fixture
def wide() -> Registry:
    return Registry([("builtin", builtin), ("toy", toy), ("two", two_toy)])


def again(registry: Registry, config: Config) -> Config:
    """Resolve what the printed command says, read as a shell and click would."""
    words = shlex.split(reproduce.command(config, registry, Path("out")))
    assert words[:2] == ["neurodiffuse", "decode"]
    flags = list(zip(words[2::2], words[3::2], strict=True))
    given = {flag: value for flag, value in flags if flag != "--set"}
    return resolve(
        registry,
        dataset=given["--dataset"],
        subjects=[value for flag, value in flags if flag == "--sub"],
        recipe=given["--recipe"],
        root=given.get("--root", ""),
        settings=[value for flag, value in flags if flag == "--set"],
    )


def made(registry: Registry, *settings: str, subjects: tuple[str, ...] = ("01",)) -> Config:
    return resolve(registry, dataset="toy", subjects=subjects, recipe="toy", settings=settings)


def test_every_key_of_every_section_is_known_here():
    """A key that is added to a configuration is tried below, or this fails."""
    for name, cls in {**SECTIONS, **TABLES}.items():
        own = {part.name for part in dataclasses.fields(cls)} - {"options"}
        assert set(CHANGES[name]) == own, name


@pytest.mark.parametrize("key", [f"{s}.{k}" for s, keys in CHANGES.items() for k in keys])
def test_a_changed_setting_is_in_the_command_and_gives_the_run_again(wide, key):
    section, name = key.split(".")
    entry, whole, elsewhere = BASE.get(section, ("", (), ()))
    if key == "features.store":  # no penalty can be chosen
        whole = ()
    where = f"{section}.{entry}" if entry else section
    also = [*elsewhere, *(f"{where}.{setting}" for setting in whole)]
    if key == "features.encoder":  # the generators need the feature that is there
        where, also = "features.text", list(TEXT)
    config = made(wide, *also, f"{where}.{name}={CHANGES[section][name]}")
    assert again(wide, config) == config
    assert f"{where}.{name}=" in reproduce.command(config, wide, Path("out"))


def test_new_entries_come_in_their_order(wide):
    config = made(
        wide,
        "stages.zz.generator=paint", "stages.aa.generator=paint", "stages.aa.init=zz",
        "features.new-one.encoder=colour", "features.new-one.alpha=3.5",
        "seed=7", "datasets.toy.test=5",
        subjects=("01", "10"),
    )  # fmt: skip
    back = again(wide, config)
    assert back == config
    assert list(back.stages) == list(config.stages) == ["first", "recon", "zz", "aa"]


def test_odd_values_of_options_survive(wide):
    options = {
        "odd": {"a.b": [1, "x\ny"], "c": {"d": True}},
        "empty": {},
        "quoted": 'it\'s "so" = 5',
        "none": [],
    }
    config = dataclasses.replace(made(wide), dataset_options=options)
    line = reproduce.command(config, wide, Path("out"))
    assert "\n" not in line
    words = shlex.split(line)
    given = [word for flag, word in itertools.pairwise(words) if flag == "--set"]
    assert read_settings(given) == {"datasets": {"toy": options}}


def test_what_the_recipe_says_itself_is_not_repeated(wide, tmp_path):
    recipe = tmp_path / "own.toml"
    recipe.write_text(
        'extends = "toy"\n[encode]\ndtype = "float16"\n[datasets.toy]\ntest = 4\n', "utf-8"
    )
    config = resolve(wide, dataset="toy", subjects=("01",), recipe=str(recipe))
    assert "--set" not in reproduce.command(config, wide, Path("out"))
    assert again(wide, config) == config
    assert leaves(config.to_dict())["encode.dtype"] == "float16"


def methods(config: Config) -> str:
    return " ".join(reproduce.methods(config, {}))


def test_methods_say_how_training_rows_were_left_out(wide):
    plain = methods(made(wide))
    assert "left out one image at a time, of at most 1,000 training images" in plain
    clusters = methods(made(wide, "features.colour.leave_out=cluster:3", "predict.calibration=50"))
    assert "one of 3 clusters of images (k-means in colour) at a time" in clusters
    assert "of at most 50 training images" in clusters
    assert "one image at a time" not in clusters
    session = methods(made(wide, "features.colour.leave_out=session", "mask.repetitions=single"))
    assert "one session at a time, with all other trials of its images" in session
    two = methods(
        made(
            wide, "features.colour.leave_out=session", "features.more.encoder=colour",
            "features.more.alpha=1",
        )
    )  # fmt: skip
    assert "one session at a time (colour); one image at a time (more)" in two
    assert "left out" not in methods(made(wide, "predict.rescale=none"))


def test_methods_say_what_differs_from_the_plain_way(wide):
    text = methods(
        made(
            wide, "mask.nonfinite=drop", "encode.dtype=float16", "features.colour.alpha=gcv",
            "features.colour.alphas=[1.0, 10.0, 100.0]", "features.colour.bands=[\"V1\"]",
            "score.size=48",
        )
    )  # fmt: skip
    assert "not finite were left out" in text
    assert "float16" in text
    assert "generalised cross-validation among 3 from 1 to 100" in text
    assert "bands: V1 and all others" in text
    assert "compared at 48 px" in text
    plain = methods(made(wide))
    for word in ("not finite", "float16", "bands"):
        assert word not in plain
