"""What tests of the core share: a registry of toys and a way to run a recipe on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import toy

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened


@pytest.fixture
def registry() -> Registry:
    return Registry([("builtin", builtin), ("toy", toy)])


@pytest.fixture
def make_run(registry: Registry, tmp_path: Path) -> Callable[..., Run]:
    """Return a function that resolves the toy recipe with settings and gives its run."""

    def make(
        *settings: str, subjects: tuple[str, ...] = ("01",), out: str = "run", mask: str = ""
    ) -> Run:
        config = resolve(
            registry, dataset="toy", subjects=subjects, recipe="toy", settings=settings, mask=mask
        )
        config, dataset = pipeline.open_subjects(config, registry)
        return Run(tmp_path / out, config, registry, dataset, quiet=True)

    return make


@pytest.fixture
def decoded(make_run: Callable[..., Run]) -> Run:
    """Return a finished run of the toy recipe."""
    run = make_run()
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    return run
