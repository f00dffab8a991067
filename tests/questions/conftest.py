"""A decoded run of a recipe that has something to leave out."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import toy
import two_toy

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened


@pytest.fixture(scope="session")
def two_registry() -> Registry:
    return Registry([("builtin", builtin), ("toy", toy), ("two", two_toy)])


def decode(registry: Registry, folder: Path, *settings: str, subjects: tuple[str, ...]) -> Run:
    """Decode the toy recipe of two features, without a report."""
    recipe = folder.with_suffix(".toml")
    recipe.write_text(two_toy.RECIPE)
    config = resolve(
        registry, dataset="toy", subjects=subjects, recipe=str(recipe), settings=settings
    )
    config, dataset = pipeline.open_subjects(dataclasses.replace(config, recipe="two"), registry)
    run = Run(folder, config, registry, dataset, quiet=True)
    with opened(run):
        pipeline.execute(run, until="score")
    return run


@pytest.fixture(scope="session")
def two_once(two_registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("two") / "run"
    return decode(two_registry, folder, "datasets.toy.test=12", subjects=("01",))


@pytest.fixture
def decode_two(two_registry: Registry, two_once: Run, tmp_path: Path) -> Callable[..., Run]:
    """Return a function that gives a decoded run of its own, of other settings where asked."""

    def make(*settings: str, out: str = "run", subjects: tuple[str, ...] = ("01",)) -> Run:
        if settings or subjects != ("01",):
            settings = ("datasets.toy.test=12", *settings)
            return decode(two_registry, tmp_path / out, *settings, subjects=subjects)
        if not (tmp_path / out).exists():
            shutil.copytree(two_once.path, tmp_path / out)
        return dataclasses.replace(two_once, path=tmp_path / out)

    return make


@pytest.fixture
def two(decode_two: Callable[..., Run]) -> Run:
    return decode_two()
