"""A Dask cluster of real processes does what this process does, and outlives a killed worker."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

pytest.importorskip("distributed")

from executor_case import files_of, let_in
from executor_chores import Mortal, Square, Trouble

from neurodiffuse.errors import ConfigError, DataError, RunError
from neurodiffuse.executor import Executor, InProcess, read_executor
from neurodiffuse.run import opened


class Cluster:
    """A scheduler and workers as the command line of Dask starts them, in a folder."""

    def __init__(self, folder, workers: int) -> None:
        self.file = folder / "scheduler.json"
        self.log = (folder / "log.txt").open("w")
        words = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"]
        self.scheduler = self._start(*words, "--scheduler-file", str(self.file))
        words = ["worker", "--scheduler-file", str(self.file), "--nthreads", "1"]
        words += ["--local-directory", str(folder), "--dashboard-address", ":0"]
        self.workers = [self._start(*words) for _ in range(workers)]

    def end_workers(self) -> None:
        for process in self.workers:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _start(self, *words: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "dask", *words]
        return subprocess.Popen(
            command, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True
        )

    def await_workers(self) -> None:
        from distributed import Client

        while not self.file.exists():
            time.sleep(0.05)
        with Client(scheduler_file=str(self.file)) as client:
            client.wait_for_workers(len(self.workers), timeout=60)

    def end(self) -> None:
        for process in (*self.workers, self.scheduler):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.log.close()


@pytest.fixture(scope="module")
def cluster(installed_toy, tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"), workers=2)
    try:
        cluster.await_workers()
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def dask(cluster):
    with read_executor(f"dask:{cluster.file}") as executor:
        yield executor


def test_results_belong_to_their_tasks(dask, capsys):
    assert dict(dask.run(Square("so"), [(k,) for k in range(7)])) == {
        k: (k * k, "so") for k in range(7)
    }
    said = capsys.readouterr().err
    assert "2 workers; dashboard: http" in said
    assert dict(dask.run(Square("else"), [(3,)], quiet=True)) == {0: (9, "else")}


def test_an_open_scheduler_lets_anybody_in(dask, cluster):
    """The oracle of the tests that nobody is let in."""
    address = json.loads(cluster.file.read_text())["address"]
    assert let_in(address) == ["no TLS"]


def test_a_scheduler_that_others_reach_is_used_after_a_warning(monkeypatch, capsys, tmp_path):
    import distributed

    monkeypatch.setattr(distributed, "Client", lambda *given, **more: exec("raise OSError"))
    (tmp_path / "s.json").write_text('{"address": "tcp://192.0.2.7:8786"}')
    near = ("tcp://127.0.0.1:9", "localhost:9", "tcp://[::1]:9", "tls://192.0.2.7:8786")
    far = ("tcp://192.0.2.7:8786", "192.0.2.7:8786", "tcp://node7:8786", str(tmp_path / "s.json"))
    for address in (*near, *far):
        with read_executor(f"dask:{address}") as executor, pytest.raises(RunError):
            dict(executor.run(Square(), [(1,)], quiet=True))
        said = capsys.readouterr().err
        assert said.count("\n") == (address in far), address
        assert ("not encrypted" in said) == (address in far), address


def test_tls_without_keys_is_one_line():
    with (
        read_executor("dask:tls://127.0.0.1:9") as executor,
        pytest.raises(RunError, match=r"TLS needs keys.*distributed\.comm\.tls") as told,
    ):
        dict(executor.run(Square(), [(1,)], quiet=True))
    assert "\n" not in str(told.value)


def test_a_file_that_is_no_scheduler_file_is_one_line(tmp_path):
    for text in ("", "[]", '{"address": 3'):
        (tmp_path / "s.json").write_text(text)
        with (
            read_executor(f"dask:{tmp_path / 's.json'}") as executor,
            pytest.raises(ConfigError, match="not a scheduler file"),
        ):
            dict(executor.run(Square(), [(1,)], quiet=True))


def test_an_error_arrives_as_it_was_raised(dask):
    with pytest.raises(DataError, match="stimulus i3: damaged"):
        dict(dask.run(Trouble(), [(k,) for k in range(6)], quiet=True))


def test_same_bytes_as_in_this_process(dask, decode, monkeypatch):
    from neurodiffuse.steps import encode, generate

    monkeypatch.setattr(encode, "BATCH", 16)
    monkeypatch.setattr(generate, "BATCH", 4)
    settings = ("encode.dtype=float16", "features.colour.copies=1500")
    here = decode(InProcess(), *settings, where="here")
    there = decode(dask, *settings, where="there")
    one, other = files_of(here), files_of(there)
    assert len(one) > 40
    assert one.keys() == other.keys()
    assert [name for name in one if one[name] != other[name]] == []


def test_a_worker_that_is_killed_costs_its_task_alone(dask, tmp_path):
    found = dict(dask.run(Mortal(tmp_path), [(k,) for k in range(8)], quiet=True))
    assert found == {k: k for k in range(8)}
    begun = Counter(p.name.split("-")[0] for p in tmp_path.iterdir())
    assert begun.pop("2") == 2
    # what a worker had finished and not told yet may be done again with it
    assert sum(begun.values()) <= 8


class Striking(Executor):
    """Kills a worker that is at a task, as soon as the first result of some work has come."""

    def __init__(self, executor: Executor, *functions: str) -> None:
        self.executor, self.left = executor, list(functions)

    def run(self, work, tasks, *, quiet=False):
        for item in self.executor.run(work, tasks, quiet=quiet):
            if work.function.__name__ in self.left and self._strike():
                self.left.remove(work.function.__name__)
            yield item

    def _strike(self) -> bool:
        client = self.executor._client
        tasks = client.processing()  # of every worker; none where all are between two tasks
        at = sorted(tasks, key=lambda worker: -len(tasks[worker]))
        for pid in client.run(os.getpid, workers=at[:1]).values() if at else ():
            os.kill(pid, signal.SIGKILL)
        return bool(at)


def test_a_worker_killed_midway_changes_no_byte(dask, decode, monkeypatch):
    from neurodiffuse.questions.roi_optimal import studio
    from neurodiffuse.questions.roi_optimal.ask import roi_optimal
    from neurodiffuse.questions.roi_optimal.question import Question
    from neurodiffuse.questions.roi_optimal.regions import wanted
    from neurodiffuse.questions.weights.ask import weights
    from neurodiffuse.questions.weights.question import Question as WeightsQuestion
    from neurodiffuse.steps import encode

    monkeypatch.setattr(encode, "BATCH", 1)
    monkeypatch.setattr(studio, "BATCH", 1)
    struck = Striking(dask, "encode_batch", "project_block", "paint_batch")
    made = []
    for executor, where in ((InProcess(), "here"), (struck, "there")):
        run = decode(executor, "features.colour.copies=8000", where=where, until="fit")
        with opened(run):
            weights(run, WeightsQuestion(measures=("l1",), pictures=False, permutations=9))
            roi_optimal(run, Question(subjects=("01",), regions=wanted(["V1"]), seeds=20))
        made.append(files_of(run))
    assert struck.left == []
    assert made[0].keys() == made[1].keys()
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []


def test_nobody_there_is_one_line(monkeypatch):
    from neurodiffuse.executor import cluster

    monkeypatch.setattr(cluster, "WAIT", 1)
    with (
        read_executor("dask:tcp://127.0.0.1:9") as executor,
        pytest.raises(RunError, match="no Dask scheduler answers there") as told,
    ):
        dict(executor.run(Square(), [(1,)], quiet=True))
    assert "\n" not in str(told.value)


def test_a_lost_scheduler_is_one_line_and_the_same_command_resumes(
    installed_toy, decode, tmp_path_factory, monkeypatch
):
    from neurodiffuse.steps import generate

    monkeypatch.setattr(generate, "BATCH", 2)
    lost = Cluster(tmp_path_factory.mktemp("lost"), workers=1)
    monkeypatch.setattr(generate, "_missing", ending(lost, generate._missing))
    try:
        lost.await_workers()
        with (
            read_executor(f"dask:{lost.file}") as executor,
            pytest.raises(RunError, match=r"scheduler is gone.*same command") as told,
        ):
            decode(executor, where="there")
        assert "\n" not in str(told.value)
    finally:
        lost.end()
    monkeypatch.undo()
    resumed = decode(InProcess(), where="there")
    assert files_of(resumed) == files_of(decode(InProcess(), where="here"))


def test_workers_that_are_all_lost_are_one_line(installed_toy, tmp_path, monkeypatch):
    from neurodiffuse.executor import cluster

    monkeypatch.setattr(cluster, "WAIT", 2)
    alone = Cluster(tmp_path, workers=1)
    found = {}
    try:
        alone.await_workers()
        with (
            read_executor(f"dask:{alone.file}") as executor,
            pytest.raises(RunError, match=r"has no worker left \(.*same command") as told,
        ):
            for number, result in executor.run(Square("a"), [(k, 0.2) for k in range(6)]):
                found[number] = result
                if len(found) == 2:
                    alone.end_workers()
        assert "\n" not in str(told.value)
        assert 2 <= len(found) < 6
    finally:
        alone.end()


@pytest.mark.parametrize("seconds", [0, 3])
def test_a_scheduler_lost_between_two_pieces_of_work_is_one_line(
    installed_toy, tmp_path, monkeypatch, seconds
):
    from neurodiffuse.executor import cluster

    monkeypatch.setattr(cluster, "WAIT", 2)
    lost = Cluster(tmp_path, workers=1)
    try:
        lost.await_workers()
        with read_executor(f"dask:{lost.file}") as executor:
            assert dict(executor.run(Square("a"), [(2,)], quiet=True)) == {0: (4, "a")}
            os.killpg(lost.scheduler.pid, signal.SIGKILL)
            time.sleep(seconds)
            with pytest.raises(RunError, match=r"scheduler is gone.*same command") as told:
                dict(executor.run(Square("b"), [(3,)], quiet=True))
        assert "\n" not in str(told.value)
    finally:
        lost.end()


def ending(cluster: Cluster, function):
    """Return a function that kills the scheduler when it is called a second time."""
    calls = []

    def called(*given):
        calls.append(given)
        if len(calls) == 2:
            os.killpg(cluster.scheduler.pid, signal.SIGKILL)
        return function(*given)

    return called
