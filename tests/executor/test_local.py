"""Processes of one machine do what this process does, and outlive a worker that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import executor_chores
import pytest
from executor_case import files_of, is_running, let_in, listening
from executor_chores import Keeping, Mortal, Square, Trouble

from neurodiffuse.errors import ConfigError, DataError, PluginError, RunError
from neurodiffuse.executor import InProcess, Processes, read_executor

WIDE = ("features.colour.copies=1500", "mask.repetitions=single")
"""Three blocks of target columns, and rows that share their latents."""

CHOSEN = ("features.colour.alpha='loo'", "features.colour.alpha_per='target'")


@pytest.fixture(scope="module")
def two(installed_toy):
    """Two processes that serve all tests: starting them takes longer than what they do."""
    with Processes(2) as executor:
        yield executor


def test_results_belong_to_their_tasks(two):
    tasks = [(k,) for k in range(7)]
    for executor in (InProcess(), two):
        found = dict(executor.run(Square("so"), tasks))
        assert found == {k: (k * k, "so") for k in range(7)}
        assert dict(executor.run(Square("else"), tasks[:2])) == {0: (0, "else"), 1: (1, "else")}


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("dask:tcp://nobody:1", "distributed"),
        ("local:2", "distributed"),
        ("local:2", "cryptography"),
        ("slurm:none.toml", "dask_jobqueue"),
        ("slurm:none.toml", "cryptography"),
    ],
)
def test_without_dask_it_is_said_what_to_install(monkeypatch, text, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(PluginError, match=r"pip install 'neurodiffuse\[dask\]'") as told:
        read_executor(text)
    assert "\n" not in str(told.value)
    assert "local needs nothing" in str(told.value)
    assert dict(read_executor("local").run(Square(), [(1,)])) == {0: (1, "")}


def test_an_error_arrives_as_it_was_raised(two):
    with pytest.raises(DataError, match="stimulus i3: damaged"):
        dict(two.run(Trouble(), [(k,) for k in range(6)]))
    assert dict(two.run(Square(), [(2,)])) == {0: (4, "")}


def test_a_worker_that_is_killed_costs_its_task_alone(two, tmp_path, capsys):
    found = dict(two.run(Mortal(tmp_path), [(k,) for k in range(6)]))
    assert found == {k: k for k in range(6)}
    begun = Counter(p.name.split("-")[0] for p in tmp_path.iterdir())
    assert begun.pop("2") == 2
    # what a worker had finished and not told yet may be done again with it
    assert sum(begun.values()) <= 6
    assert "a worker process was lost" in capsys.readouterr().err


def test_a_worker_that_is_started_again_gets_what_tasks_share(two, tmp_path):
    """The other worker has it, and has kept things in it meanwhile."""
    done = ThreadPoolExecutor(1).submit(
        lambda: dict(two.run(Keeping(tmp_path), [(k,) for k in range(24)], quiet=True))
    )
    found = done.result(timeout=90)
    assert sorted(found) == list(range(24))
    assert len(set(found.values())) >= 2


def test_a_task_that_kills_every_worker_is_one_line(two, tmp_path):
    with pytest.raises(RunError, match="ended 4 times at the same task") as told:
        dict(two.run(Mortal(tmp_path, times=9), [(2,)], quiet=True))
    assert "\n" not in str(told.value)


def test_the_budget_is_shared(two):
    assert two.share(8 * 2**30) == 4 * 2**30
    assert two.share(None) is None
    assert InProcess().share(5) == 5


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_same_bytes_as_in_this_process(two, decode, monkeypatch, dtype):
    from neurodiffuse.steps import encode, generate

    monkeypatch.setattr(encode, "BATCH", 16)
    monkeypatch.setattr(generate, "BATCH", 4)
    both = {"subjects": ("01", "02"), "until": "report" if dtype == "float32" else "score"}
    settings = (f"encode.dtype={dtype}", "stages.recon.samples=2", "datasets.toy.test=18", *WIDE)
    settings += CHOSEN if dtype == "float32" else ()
    here = decode(InProcess(), *settings, where="here", **both)
    there = decode(two, *settings, where="there", **both)
    one, other = files_of(here), files_of(there)
    assert len(one) > 80
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_subjects_take_whole_steps_at_once_and_a_killed_one_costs_its_own(
    two, decode, tmp_path, capsys
):
    (tmp_path / "root").mkdir()
    settings = (f"datasets.toy.root={tmp_path / 'root'}", "datasets.toy.fault=killed")
    three = {"subjects": ("01", "02", "10"), "until": "fit"}
    there = decode(two, *settings, where="there", **three)
    assert (tmp_path / "root" / "killed").exists()  # a worker, since this process is alive
    here = decode(InProcess(), *settings, where="here", **three)
    one, other = files_of(here), files_of(there)
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []
    log = [line.split("\t") for line in (there.path / "logs/steps.tsv").read_text().splitlines()]
    assert log[0] == ["ended", "step", "subject", "seconds", "host"]
    done = [(step, subject) for _, step, subject, _, _ in log[1:]]
    assert sorted(done) == sorted(
        (s, w) for s in ("mask", "encode", "fit") for w in three["subjects"]
    )
    assert [step for step, _ in done] == ["mask"] * 3 + ["encode"] * 3 + ["fit"] * 3


def test_subjects_follow_one_another_where_a_part_of_the_budget_is_too_small(
    two, decode, monkeypatch
):
    from neurodiffuse import budget, pipeline

    here = []
    real = pipeline._timed
    monkeypatch.setattr(pipeline, "_timed", lambda *given: (here.append(given[1:]), real(*given)))
    both = {"subjects": ("01", "02"), "until": "mask"}
    for part, alone in ((2 * budget.BASE, []), (budget.BASE, [("mask", "01"), ("mask", "02")])):
        monkeypatch.setattr(two, "share", lambda memory, part=part: part)
        decode(two, where=f"part{part}", **both)
        assert here == alone


@pytest.mark.parametrize(
    "text",
    [
        "",
        "locale",
        "local:",
        "local:0",
        "local:-2",
        "local:x",
        "local:10000",
        "dask",
        "dask:",
        "slurm:",
    ],
)
def test_other_executors_are_refused(text):
    with pytest.raises(
        ConfigError, match=r"write local, local:N \(1 to 9999\), dask:ADDRESS or slurm:"
    ):
        read_executor(text)


def test_what_is_no_scheduler_is_told_before_anything_is_computed(tmp_path):
    for rest in ("nonsense", str(tmp_path), str(tmp_path / "gone.json")):
        with pytest.raises(ConfigError, match=r"no scheduler file .* tcp://HOST:8786"):
            read_executor(f"dask:{rest}")
    (tmp_path / "there.json").write_text("{}")
    for rest in ("tcp://a:1", "localhost:8786", str(tmp_path / "there.json")):
        assert str(read_executor(f"dask:{rest}")) == f"dask:{rest}"


def test_the_flag_is_read_and_what_it_started_is_ended():
    import click
    from click.testing import CliRunner

    from neurodiffuse.machine import Machine, executor_flag

    found = []

    @click.command()
    @executor_flag
    @click.pass_context
    def command(context):
        executor = Machine.asked(context.obj).executor
        found.append((str(executor), executor))
        if executor.apart:
            dict(executor.run(Square(), [(1,)]))

    run = CliRunner().invoke
    assert run(command, []).exit_code == 0
    assert run(command, ["--executor", "local:2"], catch_exceptions=False).exit_code == 0
    assert [text for text, _ in found] == ["local", "local:2"]
    assert found[1][1]._cluster is None
    wrong = run(command, ["--executor", "cloud"])
    assert wrong.exit_code == 2
    assert "dask:ADDRESS" in wrong.output


def test_nobody_else_is_let_in(two):
    assert dict(two.run(Square(), [(k, 0.3) for k in range(2)])) == {0: (0, ""), 1: (1, "")}
    workers = [worker.pid for worker in two._cluster.workers.values()]
    places = listening([os.getpid(), *workers])
    assert len(places) >= 4
    assert {host for host, _ in places} == {"127.0.0.1"}
    assert let_in(two._cluster.scheduler_address) == []


def test_workers_end_with_the_command(installed_toy, tmp_path):
    """A killed command leaves nobody who still writes into its run."""
    code = f"""
import os, sys
sys.path.insert(0, {str(Path(executor_chores.__file__).parent)!r})
from pathlib import Path
from executor_chores import Lasting
from neurodiffuse.executor import Processes
if __name__ == "__main__":
    with Processes(2) as executor:
        dict(executor.run(Lasting(Path({str(tmp_path)!r})), [(0,), (1,)]))
"""
    (tmp_path / "main.py").write_text(code)
    command = subprocess.Popen([sys.executable, tmp_path / "main.py"])
    try:
        workers = _await_files(tmp_path, "worker-*", 2)
    finally:
        command.kill()
        command.wait()
    pids = [int(path.name.removeprefix("worker-")) for path in workers]
    for _ in range(200):
        if not any(is_running(pid) for pid in pids):
            break
        time.sleep(0.05)
    assert [pid for pid in pids if is_running(pid)] == []


def test_an_interrupted_command_ends_clean(installed_toy, tmp_path):
    """Ctrl-C reaches the whole group of processes, as a terminal sends it."""
    code = f"""
import sys
sys.path.insert(0, {str(Path(executor_chores.__file__).parent)!r})
import click
from pathlib import Path
from executor_chores import Lasting
from neurodiffuse import cli
from neurodiffuse.machine import Machine, executor_flag
@cli.cli.command("last")
@executor_flag
@click.pass_context
def last(context):
    executor = Machine.asked(context.obj).executor
    dict(executor.run(Lasting(Path({str(tmp_path)!r})), [(0,), (1,)]))
if __name__ == "__main__":
    cli.main()
"""
    (tmp_path / "main.py").write_text(code)
    words = [sys.executable, str(tmp_path / "main.py"), "last", "--executor", "local:2"]
    command = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        workers = _await_files(tmp_path, "worker-*", 2)
        os.killpg(command.pid, signal.SIGINT)
        start = time.monotonic()
        _, said = command.communicate(timeout=60)
        took = time.monotonic() - start
    finally:
        command.kill()
    assert said.strip().splitlines() == ["Interrupted; the same command goes on from here."]
    assert command.returncode == 1
    assert took < 15
    assert not any(is_running(int(path.name.removeprefix("worker-"))) for path in workers)


def _await_files(folder, pattern, count):
    for _ in range(1200):
        if len(found := list(folder.glob(pattern))) >= count:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {pattern}")
