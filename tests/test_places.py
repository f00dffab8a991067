"""Where results go: a command that fails leaves the world as it was, and says why in one line."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from neurodiffuse import cli, pipeline, places
from neurodiffuse.errors import DataError, MissingDataError, NeurodiffuseError, RunError
from neurodiffuse.places import check_folder, check_replaceable, replacing
from neurodiffuse.run import opened

TOY = ("--dataset", "toy", "--recipe", "toy", "--sub", "1")


def world(folder: Path) -> dict[str, tuple[object, ...]]:
    """Return all that is below a folder: kinds, modes, what links say, what files hold."""
    out: dict[str, tuple[object, ...]] = {}
    for path in sorted(folder.rglob("*")):
        what: object = "folder"
        if path.is_symlink():
            what = path.readlink()
        elif path.is_file():
            what = path.read_bytes()
        out[str(path.relative_to(folder))] = (path.lstat().st_mode, what)
    return out


@contextlib.contextmanager
def mounted(folder: Path, *options: str):
    """Mount a folder on itself, where that is allowed."""
    if subprocess.run(["mount", "--bind", folder, folder], capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        if options:
            subprocess.run(["mount", "-o", f"remount,bind,{','.join(options)}", folder], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture(params=["absent", "deep", "empty", "private", "link", "here", "mount"])
def place(request, tmp_path, monkeypatch):
    """A place for results as users have them, relative to the folder that we are in."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    with contextlib.ExitStack() as stack:
        match request.param:
            case "deep":
                yield Path("one/two/three")
            case "empty" | "private" | "mount":
                (home / "mine").mkdir(mode=0o700 if request.param == "private" else 0o755)
                if request.param == "mount":
                    stack.enter_context(mounted(home / "mine"))
                yield Path("mine")
            case "link":
                (tmp_path / "scratch").mkdir()
                (home / "mine").symlink_to("../scratch")
                yield Path("mine")
            case "here":
                yield Path()
            case _:
                yield Path("new")


@pytest.fixture
def invoke(registry, monkeypatch):
    monkeypatch.setattr(cli, "registry", lambda: registry)
    return lambda *words: CliRunner().invoke(cli.cli, ["--quiet", *map(str, words)])


# --- runs ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["decode", *TOY, "--set", "datasets.toy.fault=infinite"],
        ["decode", *TOY, "--set", "datasets.toy.fault=short"],
    ],
)
def test_a_run_that_fails_before_its_first_step_leaves_nothing(invoke, place, tmp_path, words):
    before = world(tmp_path)
    done = invoke(*words, "--out", place)
    assert isinstance(done.exception, DataError), done.output
    assert world(tmp_path) == before


def test_a_run_can_be_made_in_each_of_these_places(invoke, place):
    done = invoke("decode", *TOY, "--out", place)
    assert done.exit_code == 0, done.exception
    assert (place / "report.html").exists()
    again = invoke("decode", *TOY, "--out", place)
    assert again.exit_code == 0
    assert not [p for p in Path().rglob("*") if p.name.endswith((".lock", ".partial"))]


@pytest.mark.parametrize("command", ["ablate", "controls", "roi-optimal"])
def test_questions_that_decode_first_leave_nothing_either(invoke, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    before = world(tmp_path)

    def fails(*_):
        raise DataError("the first step")

    monkeypatch.setattr("neurodiffuse.steps.mask.mask", fails)
    words = ["--roi", "V1"] if command == "roi-optimal" else []
    done = invoke(command, *TOY, *words, "--out", "mine")
    assert "the first step" in str(done.exception), done.output
    assert world(tmp_path) == before


def test_a_refused_run_keeps_what_the_user_had(make_run, tmp_path):
    run = make_run(out="mine")
    run.path.mkdir()
    (run.path / "thesis.tex").write_text("all of it")
    before = world(tmp_path)
    with pytest.raises(RunError, match="not empty and not a run folder"), opened(run):
        pass
    assert world(tmp_path) == before


def test_results_are_not_removed_for_steps_that_cannot_be_done_again(
    make_run, decoded, tmp_path, monkeypatch
):
    """``--from`` a step whose weights or pictures are gone: what there was stays."""
    from toy import Toy

    before = world(tmp_path)
    real = Toy.stimuli

    def damaged(self, ids):
        raise DataError("i7.png: cut off")

    monkeypatch.setattr(Toy, "stimuli", damaged)
    with (
        pytest.raises(DataError, match="cut off"),
        opened(decoded, start_from="encode", ready=lambda: pipeline.check_again(decoded, "encode")),
    ):
        pytest.fail("begun")
    monkeypatch.setattr(Toy, "stimuli", real)
    assert world(tmp_path) == before

    def missing(*_):
        raise MissingDataError("no weights")

    monkeypatch.setattr(pipeline, "_require_weights", missing)
    again = opened(decoded, start_from="fit", ready=lambda: pipeline.check_again(decoded, "fit"))
    with pytest.raises(MissingDataError, match="no weights"), again:
        pytest.fail("begun")
    assert world(tmp_path) == before


def test_decode_from_a_step_asks_first(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke("decode", *TOY, "--out", "run").exit_code == 0
    before = world(tmp_path)

    def missing(*_):
        raise MissingDataError("no weights")

    monkeypatch.setattr(pipeline, "_require_weights", missing)
    done = invoke("decode", *TOY, "--out", "run", "--from", "encode")
    assert "no weights" in str(done.exception)
    assert world(tmp_path) == before


# --- answers that are put in place as a whole --------------------------------------------------


@pytest.mark.parametrize(
    "error", [RunError("no"), OSError(errno.ENOSPC, "full"), KeyboardInterrupt]
)
def test_an_answer_that_fails_leaves_nothing(place, tmp_path, error):
    before = world(tmp_path)
    with pytest.raises((NeurodiffuseError, KeyboardInterrupt)), replacing(place) as folder:
        (folder / "half").write_text("x")
        raise error
    assert world(tmp_path) == before


def test_an_answer_is_whole_and_keeps_links_and_modes(place, tmp_path):
    before = world(tmp_path)
    refused = place == Path() or os.path.ismount(place) or places._is_mount(place.absolute())
    if refused:
        with pytest.raises(RunError, match="give a folder in it, such as"), replacing(place):
            pytest.fail("begun")
        assert world(tmp_path) == before
        return
    for text in ("first", "second"):
        with replacing(place) as folder:
            assert not list(folder.iterdir())
            (folder / "page").write_text(text)
        assert (place / "page").read_text() == text
    after = world(tmp_path)
    assert {k: v for k, v in after.items() if k in before and k != "mine/page"} == before
    assert not [name for name in after if name.endswith((".partial", ".lock"))]


def test_an_answer_killed_between_old_and_new_is_made_again(tmp_path):
    """A kill after the old answer was put away leaves scratch folders; the next one clears them."""
    for name in ("answer.partial", "answer.old.partial"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page").write_text("left")
    (tmp_path / "answer.lock").write_text("process 1 on the moon")
    with replacing(tmp_path / "answer") as folder:
        (folder / "page").write_text("new")
    assert set(world(tmp_path)) == {"answer", "answer/page"}


def test_two_processes_do_not_write_one_answer(tmp_path):
    place = tmp_path / "answer"
    told = pytest.raises(RunError, match=r"is writing .*answer\. Wait")
    with replacing(place), told, replacing(place):
        pass


def test_commands_refuse_mounts_and_the_folder_they_are_in(invoke, tmp_path, monkeypatch, decoded):
    """Before anything is computed: each of them replaces its folder as a whole."""
    monkeypatch.chdir(tmp_path)
    run = str(decoded.path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "mine").mkdir()
    before = world(tmp_path)
    commands = {
        "weights": ["--run", run, "--out"],
        "compare": [run, "--out"],
        "rois": ["--dataset", "toy", "--sub", "1", "--out"],
        "score": ["--recon", "pictures", "--seen", "pictures", "--out"],
        "simulate": [],
    }
    for stop in (".", "mine"):
        monkeypatch.setattr(places, "_is_mount", lambda folder: folder.name == "mine")
        for command, words in commands.items():
            done = invoke(command, *words, stop)
            assert isinstance(done.exception, RunError), (command, done.output)
            why = "the command is given in" if stop == "." else "a mount point"
            assert why in str(done.exception), command
            assert world(tmp_path) == before, command


# --- what is in the way -------------------------------------------------------------------------


def test_what_is_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "round").symlink_to("round")
    said = {
        "file": "is a file",
        "pipe": "is a named pipe",
        "socket": "is a socket",
        "nowhere": r"is a link that leads nowhere \(to gone\)",
        "round": "its links lead in circles",
        "x" * 300: "the name is longer than the file system allows",
    }
    before = world(tmp_path)
    for name, why in said.items():
        for below in ("", "deep/er"):
            with pytest.raises(RunError, match=why):
                check_folder(tmp_path / name / below)
    with pytest.raises(RunError, match="/dev/null is a device"):
        check_folder(Path("/dev/null"))
    assert world(tmp_path) == before


@pytest.mark.parametrize(
    "words",
    [
        ["decode", *TOY, "--out", ""],
        ["weights", "--run", "x", "--out", ""],
        ["weights", "--run", ""],
        ["compare", "x", "--out", ""],
        ["compare", ""],
        ["average", "--run", ""],
        ["ablate", "--run", ""],
        ["controls", *TOY, "--out", ""],
        ["roi-optimal", "--roi", "V1", *TOY, "--out", ""],
        ["rois", "--dataset", "toy", "--sub", "1", "--out", ""],
        ["score", "--recon", "a", "--seen", "b", "--out", ""],
        ["simulate", ""],
        ["plugins", "new", "x", "--role", "metric", "--out", ""],
    ],
    ids=" ".join,
)
def test_a_variable_that_is_not_set_is_no_folder(invoke, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = invoke(*words)
    assert done.exit_code == 2, (done.output, done.exception)
    assert "is empty; is it a variable that is not set?" in done.output
    assert not list(tmp_path.iterdir())


def test_a_name_that_is_not_utf8_is_refused_as_a_place(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = os.fsdecode(b"caf\xe9")
    for words in (["decode", *TOY, "--out", name], ["simulate", name]):
        done = invoke(*words)
        assert done.exit_code == 2
        assert "caf\\udce9: the name is not UTF-8" in done.output
    done = invoke("decode", *TOY, "--root", name, "--out", "run")
    assert done.exit_code == 1
    assert "--root" in str(done.exception)
    assert "not UTF-8" in str(done.exception)
    assert not list(tmp_path.iterdir())


# --- runs that cannot be written -----------------------------------------------------------------


@pytest.fixture
def read_only(decoded, tmp_path, monkeypatch):
    """A finished run on a disk that cannot be written."""
    monkeypatch.chdir(tmp_path)
    if os.geteuid() == 0:
        with mounted(decoded.path, "ro"):
            yield decoded
    else:
        decoded.path.chmod(0o500)
        yield decoded
        decoded.path.chmod(0o700)


def test_a_read_only_run_is_asked_with_the_answer_elsewhere(invoke, read_only):
    for words in (["weights", "--no-pictures", "--run"], ["compare", "--no-published"]):
        done = invoke(*words, read_only.path, "--out", f"{words[0]}-of-it")
        assert done.exit_code == 0, (words, done.exception)
        assert Path(f"{words[0]}-of-it/index.html").exists()


@pytest.mark.parametrize("command", ["weights", "compare", "ablate", "controls", "roi-optimal"])
def test_a_read_only_run_asked_without_is_one_line(invoke, read_only, command):
    before = world(read_only.path)
    given = [read_only.path] if command == "compare" else ["--run", read_only.path]
    done = invoke(command, *given, *(["--roi", "V1"] if command == "roi-optimal" else []))
    assert isinstance(done.exception, RunError), done.output
    assert "cannot be written" in str(done.exception)
    assert world(read_only.path) == before


def test_a_read_only_run_that_somebody_works_on_is_refused(decoded, tmp_path, monkeypatch):
    from neurodiffuse.run import opening

    with opened(decoded):
        monkeypatch.setattr(opening, "_is_writable", lambda path: False)
        told = pytest.raises(RunError, match="is working on this run")
        with told, opened(decoded, elsewhere=True):
            pass
    with opened(decoded, elsewhere=True):
        assert not (decoded.path / ".lock").exists()


def test_a_place_below_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(RunError, match="cannot be written"):
        check_replaceable(tmp_path / "new" / "deep")


def test_a_plugin_is_not_written_over_a_link_that_leads_nowhere(invoke, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "neurodiffuse-mine").symlink_to("gone")
    before = world(tmp_path)
    done = invoke("plugins", "new", "mine", "--role", "metric")
    assert "exists already" in str(done.exception)
    assert world(tmp_path) == before
    shutil.rmtree(tmp_path, ignore_errors=True)
