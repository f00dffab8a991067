"""How far the links of a data set may lead: told by the plan, chosen by --links, kept in a run."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
import toy
from click.testing import CliRunner

from neurodiffuse import cli, pipeline
from neurodiffuse.errors import DataError
from neurodiffuse.plan import plan_of
from neurodiffuse.readers.reach import check_file, limit
from neurodiffuse.run import opened, stored_config


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A data set of somebody's plugin that names one file, which is a link out of it."""
    folder = tmp_path / "data"
    folder.mkdir()
    (tmp_path / "passwd").write_text("root:x:0:0")
    (folder / "betas.bin").symlink_to(tmp_path / "passwd")
    monkeypatch.setattr(
        toy.Toy, "inputs", lambda self, label: {"responses": (Path(self.root) / "betas.bin",)}
    )
    return folder


@pytest.fixture
def invoke(registry, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "registry", lambda: registry)
    monkeypatch.chdir(tmp_path)
    return lambda *words: CliRunner().invoke(cli.cli, ["--quiet", *map(str, words)])


TOY = ("decode", "--dataset", "toy", "--recipe", "toy", "--sub", "1")


def test_the_plan_names_a_link_that_leaves_whatever_the_plugin_reads(invoke, home):
    for words in ([*TOY], [*TOY, "--dry-run"]):
        done = invoke(*words, "--root", home, "--out", "run")
        assert isinstance(done.exception, DataError)
        assert "betas.bin: is a link" in str(done.exception)
        assert "--links any" in str(done.exception)
    assert not Path("run").exists()


def test_links_any_is_kept_by_the_run_and_by_its_command(invoke, home):
    done = invoke(*TOY, "--root", home, "--out", "run", "--links", "any")
    assert done.exit_code == 0, done.exception
    assert stored_config(Path("run"))["links"] == "any"
    assert "--links any" in Path("run/report.html").read_text()
    assert invoke("weights", "--run", "run", "--no-pictures").exit_code == 0
    done = invoke("roi-optimal", "--run", "run", "--roi", "V1", "--links", "inside")
    assert done.exit_code in (0, 1)


def test_a_run_of_before_goes_on_with_links_any_and_the_same_results(invoke, home, tmp_path):
    (home / "betas.bin").unlink()
    (home / "betas.bin").write_text("root:x:0:0")
    assert invoke(*TOY, "--root", home, "--out", "run").exit_code == 0
    assert "links" not in tomllib.loads(Path("run/config.toml").read_text())
    before = {p: p.read_bytes() for p in Path("run/steps").rglob("*") if p.is_file()}
    (home / "betas.bin").unlink()
    (home / "betas.bin").symlink_to(tmp_path / "passwd")
    assert "is a link" in str(invoke(*TOY, "--root", home, "--out", "run").exception)
    done = invoke(*TOY, "--root", home, "--out", "run", "--links", "any")
    assert done.exit_code == 0, done.exception
    assert stored_config(Path("run"))["links"] == "any"
    assert {p: p.read_bytes() for p in before} == before


def test_other_words_than_inside_and_any_are_refused(invoke, home):
    assert invoke(*TOY, "--root", home, "--links", "some").exit_code == 2


def test_files_that_no_data_set_has_are_not_held_back(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("x")
    (tmp_path / "a" / "link").symlink_to(tmp_path / "b")
    check_file(tmp_path / "a" / "link")
    check_file(tmp_path / "not there")
    limit(tmp_path / "a", {})
    with pytest.raises(DataError, match="leads out of the data set"):
        check_file(tmp_path / "a" / "link")
    limit(tmp_path / "a", {"stimuli_dir": str(tmp_path / "b")})  # a file that the user names
    check_file(tmp_path / "a" / "link")


def test_a_path_below_dots_is_looked_at_as_it_is_opened(tmp_path):
    (tmp_path / "a" / "in").mkdir(parents=True)
    (tmp_path / "secret").write_text("x")
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    limit(tmp_path / "a", {})
    with pytest.raises(DataError, match="leads out"):
        check_file(tmp_path / "a" / "in" / ".." / "link" / "secret")


def test_a_pipe_in_a_plan_is_named(invoke, home):
    (home / "betas.bin").unlink()
    os.mkfifo(home / "betas.bin")
    done = invoke(*TOY, "--root", home, "--out", "run")
    assert "is a named pipe where a file is needed" in str(done.exception)


def test_workers_and_reopened_runs_follow_the_same_rule(make_run, decoded):
    assert pipeline.reopen(decoded.path, decoded.registry).config.links == "inside"
    again = pipeline.reopen(decoded.path, decoded.registry, links="any")
    assert again.config.links == "any"
    with opened(again):
        plan_of(again)
    assert pipeline.reopen(decoded.path, decoded.registry).config.links == "any"
