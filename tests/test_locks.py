"""Locks: one process at a time, no file that stays, and disks that have none."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import time

import pytest

from neurodiffuse import locks, prepared
from neurodiffuse.errors import RunError
from neurodiffuse.locks import held
from neurodiffuse.run import opened


def refuse(who: str) -> None:
    raise RunError(who)


def test_the_file_is_gone_when_nobody_holds_it(tmp_path):
    path = tmp_path / "lock"
    with held(path, refuse):
        assert path.read_text().startswith(f"process {os.getpid()} on ")
        with pytest.raises(RunError, match=f"process {os.getpid()} on "), held(path, refuse):
            pass
        assert path.exists(), "who is refused may not remove it"
    assert not path.exists()


def test_the_file_is_gone_after_an_error_too(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path / "lock", refuse):
        1 / 0  # noqa: B018
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_is_taken_over_and_removed(tmp_path):
    (tmp_path / "lock").write_text("process 1 on the moon")
    with held(tmp_path / "lock", refuse):
        pass
    assert not list(tmp_path.iterdir())


def test_who_got_the_lock_of_a_removed_file_begins_again(tmp_path, monkeypatch):
    """The classic race: the holder removes the name between our open and our lock."""
    path = tmp_path / "lock"
    real, seen = fcntl.flock, []

    def late(file, how):
        if not seen:
            path.unlink()  # by its holder, who lets go now
        seen.append(os.fstat(file.fileno()).st_ino)
        real(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with held(path, refuse):
        assert len(seen) == 2
        assert path.exists(), "the lock that is held has a name, or another process takes one too"
    assert not path.exists()


def test_many_processes_never_hold_it_at_once(tmp_path):
    """A counter that is read and written again loses a step whenever two are inside."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom neurodiffuse.locks import held\n"
        "folder = Path(sys.argv[1])\nfor _ in range(60):\n"
        "    with held(folder / 'lock', lambda who: None):\n"
        "        n = int((folder / 'n').read_text()); time.sleep(0.0005)\n"
        "        (folder / 'n').write_text(str(n + 1))\n"
    )
    (tmp_path / "n").write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path)]) for _ in range(4)]
    assert [worker.wait(60) for worker in workers] == [0] * 4
    assert (tmp_path / "n").read_text() == "240"
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize(
    "number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP], ids=errno.errorcode.get
)
def test_a_disk_without_locks_is_worked_on_and_told_once(
    make_run, decoded, tmp_path, monkeypatch, capsys, number
):
    def none(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", none)
    monkeypatch.setattr(locks, "_TOLD", set())
    run = make_run(out="other")
    object.__setattr__(run, "quiet", False)
    for _ in range(2):
        with opened(run):
            pass
    told = [line for line in capsys.readouterr().err.splitlines() if "has no locks" in line]
    assert len(told) == 1
    assert os.strerror(number) in told[0]
    assert "second command" in told[0]
    assert not (run.path / ".lock").exists()


def test_another_error_of_a_lock_is_an_error(make_run, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    run = make_run()
    with pytest.raises(RunError, match="the disk or the network to it has failed"), opened(run):
        pass


def test_without_locks_nothing_is_written_into_the_cache_that_others_share(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setenv(prepared.CACHE, str(tmp_path / "cache"))
    (tmp_path / "own").mkdir()
    monkeypatch.setattr(fcntl, "flock", none)

    def make(folder):
        assert folder == tmp_path / "own"
        (folder / "betas.npy").write_text("mine")

    prepared.fill(tmp_path / "own", "key", 10, make, quiet=True)
    assert (tmp_path / "own" / "betas.npy").read_text() == "mine"
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]


def test_no_lock_stays_in_a_finished_run_nor_in_the_cache(make_run, tmp_path, monkeypatch):
    from neurodiffuse import pipeline

    monkeypatch.setenv(prepared.CACHE, str(tmp_path / "cache"))
    run = make_run()
    with opened(run):
        pipeline.execute(run)
    ends = (".lock", ".partial", ".part")
    assert not [p for p in tmp_path.rglob("*") if p.name.endswith(ends)]


def test_who_waits_gets_the_lock_when_it_is_free(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom neurodiffuse.locks import held\n"
        "with held(Path(sys.argv[1]), print):\n    print('in', flush=True); time.sleep(0.5)\n"
    )
    path, waited = tmp_path / "lock", []
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        start = time.monotonic()
        with held(path, waited.append):
            assert time.monotonic() - start > 0.2
            assert path.exists()
    assert waited[0].startswith(f"process {other.pid} on ")
