"""What disks answer, and files that are not what they should be, are told in one clear line."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tomllib

import pytest
from click.testing import CliRunner

from neurodiffuse import cli, pipeline
from neurodiffuse.errors import ConfigError, RunError, is_text, listing, printable
from neurodiffuse.files import json_of, said_clearly, toml_of
from neurodiffuse.run import opened
from neurodiffuse.streams import Remarks

MEANT = {
    errno.ENOSPC: "no space left on the disk",
    errno.EDQUOT: "your quota on this disk is used up",
    errno.EFBIG: "see ulimit -f",
    errno.EIO: "the disk or the network to it has failed",
    errno.ESTALE: "the network disk does not know this file any more",
    errno.ENODEV: "the disk is gone",
    errno.EROFS: "cannot be written",
    errno.ELOOP: "links lead in circles",
}


@pytest.mark.parametrize("number", MEANT, ids=errno.errorcode.get)
@pytest.mark.parametrize("named", [True, False])
def test_each_answer_of_a_disk_is_told_as_what_it_is(tmp_path, number, named):
    error = OSError(number, os.strerror(number), *(["betas.npy"] if named else []))
    with pytest.raises(RunError) as told, said_clearly(tmp_path):
        raise error
    assert MEANT[number] in str(told.value)
    assert ("betas.npy" if named else str(tmp_path)) in str(told.value)
    others = [text for key, text in MEANT.items() if key != number]
    assert not any(text in str(told.value) for text in others)


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_a_disk_that_fails_in_a_step_is_told_and_what_was_finished_goes_on(
    make_run, decoded, monkeypatch, number
):
    run = make_run(out="other")
    real = os.replace

    def fails(source, target, **more):
        if "predict" in str(target):
            raise OSError(number, os.strerror(number), str(target))
        return real(source, target, **more)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", fails)
        with pytest.raises(RunError, match=MEANT[number]), opened(run):
            pipeline.execute(run)
    assert run.folder("fit", "01").exists()
    assert not list(run.path.rglob("*.lock"))
    with opened(run):
        pipeline.execute(run)
    one, two = (
        {p.relative_to(r.path): p.read_bytes() for p in (r.path / "steps").rglob("*.npy")}
        for r in (run, decoded)
    )
    assert one == two


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_an_answer_without_a_file_is_one_line_too(number):
    code = f"""
import os, sys
from neurodiffuse import cli
@cli.cli.command("torn")
def torn():
    raise OSError({number}, os.strerror({number}))
cli.main()
"""
    words = [sys.executable, "-c", code, "torn"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert MEANT[number] in done.stderr
    assert "Traceback" not in done.stderr


def test_a_limit_on_the_size_of_files_is_named(tmp_path):
    code = f"""
import resource
from pathlib import Path
from neurodiffuse.errors import RunError
from neurodiffuse.files import said_clearly
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with said_clearly(Path({str(tmp_path)!r})):
        (Path({str(tmp_path)!r}) / "large").write_bytes(bytes(5000))
except RunError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "see ulimit -f" in done.stdout, done.stderr


# --- texts that are not what they should be ------------------------------------------------------


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000])
def test_json_without_end_is_an_error_of_json(text):
    with pytest.raises(json.JSONDecodeError):
        json_of(text)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "1" * 10_000])
def test_toml_without_end_is_an_error_of_toml(text):
    with pytest.raises(tomllib.TOMLDecodeError):
        toml_of(text)


@pytest.mark.parametrize("words", [["recipes", "show"], ["recipes", "diff", "toy"]])
def test_a_recipe_that_is_a_pipe_is_not_waited_for(registry, monkeypatch, tmp_path, words):
    monkeypatch.setattr(cli, "registry", lambda: registry)
    os.mkfifo(tmp_path / "recipe.toml")
    done = CliRunner().invoke(cli.cli, [*words, str(tmp_path / "recipe.toml")])
    assert isinstance(done.exception, ConfigError)
    assert "named pipe" in str(done.exception)


def test_a_recipe_from_the_shell_is_read(registry, monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "registry", lambda: registry)
    read, write = os.pipe()
    os.write(write, b'extends = "toy"\nsummary = "from a pipe"\n')
    os.close(write)
    done = CliRunner().invoke(cli.cli, ["recipes", "show", f"/dev/fd/{read}"])
    os.close(read)
    assert "from a pipe" in done.output, done.exception


# --- on the terminal ----------------------------------------------------------------------------


def test_what_steers_a_terminal_is_spelt_out():
    text = "a\x1b[2J\rb\x07\x9b31mc\u202egnp\u2066\udce9"
    shown = printable(text)
    assert shown == r"a\x1b[2J\rb\x07\x9b31mc\u202egnp\u2066\udce9"
    assert is_text(shown)
    assert not is_text(text)
    plain = "sub-01: Gänge × 日本\ttab\nline 👩\u200d🔬"
    assert printable(plain) == plain


def test_long_texts_keep_their_ends():
    shown = printable("x" * 10_000 + " --set a=b", 100)
    assert len(shown) < 110
    assert shown.endswith("--set a=b")
    assert len(listing(["n" * 10_000])) < 600


def test_streams_show_no_control_characters(tmp_path):
    with (tmp_path / "log").open("w", encoding="utf-8") as file:
        stream = Remarks(file)
        assert stream.write("file \x1b]0;title\x07\n") == len("file \x1b]0;title\x07\n")
        stream.unfiltered.write("\x1b[A")
    assert (tmp_path / "log").read_text() == "file \\x1b]0;title\\x07\n\x1b[A"


def test_an_error_that_quotes_a_file_is_cut_and_spelt_out():
    code = """
from neurodiffuse import cli
from neurodiffuse.errors import DataError
@cli.cli.command("quoting")
def quoting():
    raise DataError("events.tsv: \\x1b[31m" + "x" * 100_000 + " is wrong. Do this.")
cli.main()
"""
    words = [sys.executable, "-c", code, "quoting"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr) < 2000
    assert "\x1b" not in done.stderr
    assert done.stderr.endswith("is wrong. Do this.\n")
