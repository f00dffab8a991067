"""A toy that is installed: worker processes find it as they find any plugin."""

from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import pytest

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.machine import Machine
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened

TESTS = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def clients_that_could_not_connect_are_gone():
    """Collected while another client starts, what is left of one deadlocks it (a fault of Dask)."""
    yield
    gc.collect()


@pytest.fixture(scope="module")
def installed_toy(tmp_path_factory):
    """Install the toy for this process and those that it starts; return the folder."""
    site = tmp_path_factory.mktemp("site")
    about = site / "toy-0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 0\n")
    (about / "entry_points.txt").write_text("[neurodiffuse]\ntoy = toy\n")
    paths = os.pathsep.join([str(site), str(TESTS), os.environ.get("PYTHONPATH", "")])
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        patch.setenv("PYTHONPATH", paths.rstrip(os.pathsep))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield site


@pytest.fixture
def decode(installed_toy, tmp_path, monkeypatch):
    """Return a function that decodes the toy with an executor into ``where``/run.

    The run has a relative path, which is another one in a worker.
    """

    def decode(executor, *settings: str, where: str, subjects=("01",), until="score") -> Run:
        (tmp_path / where).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / where)
        registry = Registry.installed()
        config = resolve(
            registry, dataset="toy", subjects=subjects, recipe="toy", settings=settings
        )
        config, data = pipeline.open_subjects(config, registry)
        machine = Machine(executor=executor)
        run = Run(Path("run"), config, registry, data, quiet=True, machine=machine)
        with opened(run):
            pipeline.execute(run, until=until)
        return replace(run, path=run.path.resolve())

    return decode
