"""What SLURM is asked for; no SLURM is needed to see it."""

from __future__ import annotations

import pytest

pytest.importorskip("dask_jobqueue")

from executor_chores import Square

from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.executor import read_executor

SETTINGS = """
jobs = 5
queue = "long"
account = "vision"
cores = 4
memory = "32GB"
walltime = "08:00:00"
job_extra_directives = ["--gres=gpu:1"]
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "cluster.toml"
    path.write_text(SETTINGS)
    return path


def test_the_job_script_says_what_the_settings_say(config, tmp_path):
    with read_executor(f"slurm:{config}") as executor:
        executor.note(tmp_path)
        script = (tmp_path / "slurm-job.sh").read_text()
        assert script == executor.job_script()
    lines = script.splitlines()
    assert lines[0].startswith("#!")
    for directive in ("-p long", "-A vision", "-n 1", "--cpus-per-task=4", "-t 08:00:00"):
        assert f"#SBATCH {directive}" in lines
    assert "#SBATCH --gres=gpu:1" in lines
    assert [line for line in lines if line.startswith("#SBATCH --mem=")] == ["#SBATCH --mem=30G"]
    worker = next(line for line in lines if "distributed" in line)
    assert "--nworkers 4" in worker  # one process a core
    assert "--nthreads 1" in worker


def test_without_slurm_it_is_one_line(config, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        read_executor(f"slurm:{config}") as executor,
        pytest.raises(RunError, match=r"no sbatch on this machine") as told,
    ):
        dict(executor.run(Square(), [(1,)], quiet=True))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cores = 4\nmemory = '1GB'", "jobs is not there; it needs jobs, cores, memory"),
        ("jobs = 2\ncores = 4", "memory is not there"),
        ("jobs = 0\ncores = 4\nmemory = '1GB'", "jobs = 0; a number from 1"),
        ("jobs = 'many'\ncores = 4\nmemory = '1GB'", "jobs = 'many'"),
        ("jobs = ", "not TOML"),
    ],
)
def test_settings_that_cannot_be_used(tmp_path, text, said):
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(ConfigError, match=said) as told:
        read_executor(f"slurm:{tmp_path / 'bad.toml'}")
    assert "\n" not in str(told.value)


def test_no_file(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_executor(f"slurm:{tmp_path / 'none.toml'}")


def test_an_option_that_dask_jobqueue_does_not_know(tmp_path):
    (tmp_path / "c.toml").write_text("jobs = 1\ncores = 1\nmemory = '1GB'\nnonsense = 3")
    with (
        read_executor(f"slurm:{tmp_path / 'c.toml'}") as executor,
        pytest.raises(ConfigError, match="nonsense"),
    ):
        executor.job_script()
