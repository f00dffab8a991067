"""What is computed and how a command ends do not depend on who listens."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

TALK = """
import sys
from pathlib import Path
from neurodiffuse import cli
from neurodiffuse.progress import say
@cli.cli.command("talk")
def talk():
    for number in range(2000):
        say(f"remark {number}")
    with open("made", "w") as file:
        print("a warning of a library", file=sys.stderr, flush=True)
        file.write("whole")
    print("result")
    Path("end").touch()
cli.main()
"""


@pytest.fixture
def shell(tmp_path):
    """Return a function that runs a command that talks, with redirections, in an empty folder."""
    (tmp_path / "talk.py").write_text(TALK)

    def shell(redirections: str, word: str = "talk"):
        command = f"{shlex.quote(sys.executable)} talk.py {word} {redirections}"
        return subprocess.run(
            ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return shell


def made(folder: Path) -> str:
    return (folder / "made").read_text()


@pytest.mark.parametrize(
    "stderr", ["2>/dev/full", "2>&-", "2> >(true)", "2>/dev/null", "0<&- 2>&-"]
)
def test_remarks_that_nobody_hears_are_no_error(shell, tmp_path, stderr):
    done = shell(stderr)
    assert (done.returncode, done.stdout, done.stderr) == (0, "result\n", "")
    assert made(tmp_path) == "whole"


@pytest.mark.parametrize("stderr", ["2>/dev/full", "2>&-"])
def test_an_error_that_nobody_hears_has_its_status(shell, stderr):
    assert shell(stderr, "tlak").returncode == 1


def test_results_that_cannot_be_written_are_one_line(shell, tmp_path):
    done = shell(">/dev/full")
    assert done.returncode == 1
    said = [line for line in done.stderr.splitlines() if line.startswith("neurodiffuse:")]
    assert said == [
        "neurodiffuse: standard output cannot be written (No space left on device). "
        "What was finished is kept."
    ]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert made(tmp_path) == "whole"


@pytest.mark.parametrize("word", ["--help", "plugins list"])
def test_help_and_lists_too(shell, word):
    done = shell(">/dev/full", word)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert shell("| head -1", word).stderr == ""


def test_a_reader_who_left_is_no_traceback(shell, tmp_path):
    done = shell("| true")
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert made(tmp_path) == "whole"


def test_closed_output_gets_into_no_file(shell, tmp_path):
    done = shell(">&- 2>&-")
    assert done.returncode == 0
    assert made(tmp_path) == "whole"
