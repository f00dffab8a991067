"""The run folder: alone, whole or not at all, and never somebody else's."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from neurodiffuse import pipeline
from neurodiffuse.config import STEPS
from neurodiffuse.errors import DataError, RunError
from neurodiffuse.run import opened, stored_config


def files(path):
    return {p.relative_to(path): p.read_bytes() for p in path.rglob("*") if p.is_file()}


def kept(path):
    return {k: v for k, v in files(path).items() if k.parts[0] not in ("logs", ".lock")}


def test_step_folder_exists_only_when_the_block_ended_well(make_run):
    run = make_run()
    with pytest.raises(ZeroDivisionError), run.writing(run.folder("mask", "01")) as folder:
        (folder / "half").write_text("x")
        1 / 0  # noqa: B018
    assert not run.folder("mask", "01").exists()
    with run.writing(run.folder("mask", "01")) as folder:
        assert not (folder / "half").exists()
        (folder / "whole").write_text("x")
    assert (run.folder("mask", "01") / "whole").exists()


@pytest.mark.parametrize("step", ["mask", "encode", "fit", "predict", "score"])
def test_what_a_killed_step_left_behind_is_in_no_result(make_run, decoded, step):
    run = make_run(out="killed")
    stale = run.folder(step, "01").with_name(f"{step}.partial") / "stale.npy"
    with opened(run):
        stale.parent.mkdir(parents=True)
        stale.write_bytes(b"half of an array")
        pipeline.execute(run, until="score")
    assert not list(run.path.rglob("stale.npy"))
    assert not list(run.path.rglob("*.partial"))
    names = [sorted(p.name for p in r.folder(step, "01").iterdir()) for r in (run, decoded)]
    assert names[0] == names[1]


def test_latents_that_a_killed_process_left_half_done_are_made_anew(make_run, decoded):
    run = make_run(out="killed/run")
    name = decoded.latents("01", "colour").name
    stale = run.shelf / f"{name}.partial" / "stale.npy"
    with opened(run):
        stale.parent.mkdir(parents=True)
        stale.write_bytes(b"half of an array")
        pipeline.execute(run, until="encode")
    assert not list(run.path.rglob("stale.npy"))
    assert run.latents("01", "colour").name == name


@pytest.mark.parametrize("step", STEPS)
def test_going_back_to_a_step_removes_what_rests_on_it_and_nothing_else(decoded, step):
    asked = (
        "average",
        "ablate/one",
        "controls",
        "compare",
        "roi-optimal",
        "weights-V1",
        "branches",
    )
    for name in (*asked, "steps/sub-average"):
        (decoded.path / name).mkdir(parents=True)
        (decoded.path / name / "page.html").touch()
    (decoded.folder(step, "01").with_name(f"{step}.partial")).mkdir()
    decoded.remove_from(step)
    done = STEPS[: STEPS.index(step)]
    assert {p.name for p in (decoded.path / "steps" / "sub-01").iterdir()} == set(done)
    left = {p.name for p in decoded.path.iterdir()} - {"logs", ".lock", "config.toml"}
    expected = {"steps"} | ({"latents"} if "encode" in done else set())
    assert left & {
        "steps",
        "latents",
        "report.html",
        "sub-01",
        *(n.split("/")[0] for n in asked),
    } == (expected)
    assert not (decoded.path / "steps" / "sub-average").exists()


def test_subjects_do_not_share_what_is_their_own(make_run):
    both = make_run(out="both/run", subjects=("01", "02"))
    alone = make_run(out="alone/run", subjects=("02",))
    for run in (both, alone):
        with opened(run):
            pipeline.execute(run, until="score")
    for step in ("mask", "fit", "predict", "generate", "score"):
        assert both.folder(step, "01") != both.folder(step, "02")
        one, two = (files(run.folder(step, "02")) for run in (both, alone))
        assert one == two
        assert one != files(both.folder(step, "01"))


def test_second_process_is_refused(make_run):
    run = make_run()
    code = (
        "import fcntl,sys,time; f=open(sys.argv[1],'a+'); fcntl.flock(f, fcntl.LOCK_EX);"
        "f.write('process 1 on here'); f.flush(); print('held', flush=True); time.sleep(60)"
    )
    with opened(run):
        (run.path / "steps").mkdir()
    lock = str(run.path / ".lock")
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(RunError, match="is working on this run"), opened(run):
            pass
        other.kill()
    with opened(run):  # a killed process holds nothing
        pass


def test_run_of_other_settings_is_refused_and_told_from_where_to_redo(make_run, decoded):
    other = make_run("features.colour.alpha=9")
    before = files(decoded.path)
    with pytest.raises(RunError, match=r"features.colour.alpha.*--from fit"), opened(other):
        pass
    with pytest.raises(RunError, match="--from fit"), opened(other, start_from="generate"):
        pass
    assert files(decoded.path) == before
    with opened(other, start_from="fit"):
        assert other.folder("encode", "01").exists()
        assert not other.folder("fit", "01").exists()
    assert stored_config(other.path)["features"]["colour"]["alpha"] == 9


def test_foreign_folder_is_refused_untouched(make_run):
    run = make_run()
    run.path.mkdir()
    (run.path / "thesis.tex").write_text("all of it")
    with pytest.raises(RunError, match=r"not a run folder \(it holds thesis.tex\)"), opened(run):
        pass
    assert [p.name for p in run.path.iterdir()] == ["thesis.tex"]


def test_nothing_stays_of_a_run_that_finished_nothing(make_run):
    run = make_run("datasets.toy.fault=infinite")
    with pytest.raises(DataError, match="NaN or infinite in 1 of 60 voxels"), opened(run):
        pipeline.execute(run)
    assert not run.path.exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "x.npy"),
        OSError("616400 requested and 522208 written"),  # numpy's words for it
    ],
)
def test_full_disk_is_one_line_and_keeps_what_was_finished(make_run, monkeypatch, error):
    run = make_run()
    from neurodiffuse.steps import predict

    def full(*_):
        raise error

    monkeypatch.setattr(predict, "predict", full)
    with pytest.raises(RunError, match="no space left on the disk"), opened(run):
        pipeline.execute(run)
    assert run.folder("fit", "01").exists()
    assert not run.folder("predict", "01").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_unwritable_folder_is_one_line(make_run, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(RunError, match="cannot be written"), opened(make_run()):
            pass
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize("step", ["encode", "predict", "generate", "score", "report"])
def test_interrupted_run_ends_with_the_same_bytes(make_run, decoded, monkeypatch, step):
    import importlib

    module = importlib.import_module(f"neurodiffuse.steps.{step}")
    run = make_run(out="again")
    calls = []

    class Killed(BaseException):
        pass

    def interrupted(*args):
        calls.append(step)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(module, step, interrupted)
        with pytest.raises(Killed), opened(run):
            pipeline.execute(run)
    assert calls == [step]
    with opened(run):
        pipeline.execute(run)
    same = {k: v.replace(b"/again", b"/run") for k, v in kept(run.path).items()}
    assert same == kept(decoded.path)


def test_second_time_nothing_is_done(decoded, monkeypatch):
    before = {p: p.stat().st_mtime_ns for p in decoded.path.rglob("*") if "steps" in p.parts}
    monkeypatch.setattr(pipeline, "_timed", lambda *_: pytest.fail("worked twice"))
    with opened(decoded):
        pipeline.execute(decoded)
    assert {p: p.stat().st_mtime_ns for p in before} == before
