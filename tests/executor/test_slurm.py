"""What SLURM is asked for; no SLURM is needed to see it."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("dask_jobqueue")

import executor_chores
from executor_case import is_running, let_in, listening
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


SBATCH = """#!/bin/sh
script=$(mktemp "$JOBS/XXXXXX.sh") && cp "$1" "$script"
setsid bash "$script" >"$JOBS/log" 2>&1 &
echo $! >"$JOBS/$!.job"
echo "Submitted batch job $!"
"""

SCANCEL = """#!/bin/sh
kill -9 -- "-$1"
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch, installed_toy):
    """Programs with SLURM's names that run a job's script here; yields where jobs are noted."""
    place, programs = tmp_path / "jobs", tmp_path / "bin"
    for folder in (place, programs):
        folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("JOBS", str(place))
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NEURODIFFUSE_CACHE", str(tmp_path / "cache"))
    yield place
    for job in place.glob("*.job"):
        if is_running(int(job.stem)):
            os.killpg(int(job.stem), signal.SIGKILL)


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(f"jobs = 1\ncores = 2\nmemory = '2GB'\npython = '{sys.executable}'\n")
    return path


def group(job: Path) -> list[int]:
    """Return the processes of a job."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit() and is_running(int(place.name)):
            about = (place / "stat").read_text().rsplit(")", 1)[1].split()
            if about[3] == job.stem:  # the session
                found.append(int(place.name))
    return found


def test_a_cluster_lets_in_who_has_its_keys_and_nobody_else(jobs, small, tmp_path, capfd):
    before = set(listening([os.getpid()]))
    with read_executor(f"slurm:{small}") as executor:
        found = dict(executor.run(Square("so"), [(k, 0.1) for k in range(6)]))
        assert found == {k: (k * k, "so") for k in range(6)}
        cluster = executor._cluster
        (keys,) = (tmp_path / "cache" / "cluster").iterdir()
        assert stat.S_IMODE(keys.stat().st_mode) == 0o700
        assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in keys.iterdir()} == {
            "cert": 0o600,
            "key": 0o600,
        }
        assert "PRIVATE KEY" not in executor.job_script()
        assert let_in(cluster.scheduler_address) == []
        own = {place for place in listening([os.getpid()]) if place not in before}
        host = cluster.scheduler_address.split("://")[1].rsplit(":", 1)[0]
        assert {place for place, _ in own} <= {host, "127.0.0.1"}
        (job,) = jobs.glob("*.job")
        workers = group(job)
        assert len(workers) >= 2
        pages = [n for n in listening(workers) if not is_tls(*n)]
        assert {place for place, _ in pages} <= {"127.0.0.1"}
        said = capfd.readouterr().err
        assert re.search(r"small.toml: [12] worker", said)
        assert "dashboard" not in said
    assert not keys.exists()
    assert await_end(workers)


def is_tls(host: str, port: int) -> bool:
    """Return whether a port answers nobody who has no certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    try:
        with (
            socket.create_connection((host, port), timeout=5) as plain,
            context.wrap_socket(plain) as encrypted,
        ):
            return encrypted.recv(1) == b""
    except ssl.SSLError as error:
        return "CERTIFICATE_REQUIRED" in str(error) or "HANDSHAKE_FAILURE" in str(error)
    except OSError:
        return False


def await_end(pids: list[int]) -> bool:
    for _ in range(600):
        if not any(is_running(pid) for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_killed_command_leaves_no_worker_and_its_keys_go_with_the_next(jobs, small, tmp_path):
    code = f"""
import sys
sys.path.insert(0, {str(Path(executor_chores.__file__).parent)!r})
from pathlib import Path
from executor_chores import Lasting
from neurodiffuse.executor import read_executor
with read_executor("slurm:{small}") as executor:
    dict(executor.run(Lasting(Path({str(tmp_path)!r})), [(0,), (1,)]))
"""
    (tmp_path / "main.py").write_text(code)
    command = subprocess.Popen([sys.executable, tmp_path / "main.py"])
    try:
        for _ in range(1200):
            if len(list(tmp_path.glob("worker-*"))) == 2:
                break
            time.sleep(0.05)
    finally:
        command.kill()
        command.wait()
    (job,) = jobs.glob("*.job")
    assert await_end(group(job))
    (left,) = (tmp_path / "cache" / "cluster").iterdir()
    with read_executor(f"slurm:{small}") as executor:
        executor.job_script()
        assert not left.exists()


def test_the_interface_that_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_CACHE", str(tmp_path / "cache"))
    before = set(listening([os.getpid()]))
    path = tmp_path / "c.toml"
    path.write_text("jobs = 1\ncores = 1\nmemory = '1GB'\ninterface = 'lo'")
    with read_executor(f"slurm:{path}") as executor:
        assert "--interface lo" in executor.job_script()
        own = {place for place, _ in listening([os.getpid()]) if (place, _) not in before}
        assert own == {"127.0.0.1"}
    path.write_text("jobs = 1\ncores = 1\nmemory = '1GB'\ninterface = 'none0'")
    with (
        read_executor(f"slurm:{path}") as executor,
        pytest.raises(ConfigError, match="none0") as told,
    ):
        executor.job_script()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("security = false", "security cannot be chosen"),
        ("protocol = 'tcp://'", "protocol cannot be chosen"),
        ("scheduler_options = {dashboard_address = ':8787'}", "there is no dashboard"),
        ("scheduler_options = 3", "a table that takes host, interface, port"),
    ],
)
def test_encryption_cannot_be_left_out(tmp_path, line, said):
    (tmp_path / "c.toml").write_text(f"jobs = 1\ncores = 1\nmemory = '1GB'\n{line}")
    with pytest.raises(ConfigError, match=said) as told:
        read_executor(f"slurm:{tmp_path / 'c.toml'}")
    assert "\n" not in str(told.value)


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
