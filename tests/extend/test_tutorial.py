"""The tutorial as a newcomer follows it: every command, in the written order, in a fresh place."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial"
EXAMPLE = Path(__file__).parents[2] / "bids_example"

pytest.importorskip("hatchling")


def blocks(kind):
    """Return the tutorial's code blocks of a kind."""
    text = (TUTORIAL / "generator.md").read_text("utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.M | re.S)


@pytest.fixture
def place(environment, tmp_path):
    """Return a folder with what the reader has saved there, and the shell's environment."""
    folder = tmp_path / "reader"
    folder.mkdir()
    for name in ("flat.py", "dots.py", "test_dots.py"):
        shutil.copy(TUTORIAL / name, folder)
    (folder / "bids_example").symlink_to(EXAMPLE)
    command = environment.parent / "neurodiffuse"
    command.write_text(f'#!/bin/sh\nexec "{environment}" -m neurodiffuse "$@"\n')
    command.chmod(0o755)
    # what pip would fetch is here already, and a test fetches nothing
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
    path = f"{environment.parent}{os.pathsep}{os.environ['PATH']}"
    return folder, {**os.environ, **offline, "PATH": path}


def test_every_command_works_as_printed(place):
    folder, env = place
    said = ""
    assert len(blocks("sh")) >= 6
    for block in blocks("sh"):
        done = subprocess.run(
            ["bash", "-e", "-c", block],
            cwd=folder,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        said += done.stdout
    for shown in blocks("text")[:2]:
        assert shown in said
    written = {str(p.relative_to(folder)) for p in (folder / "neurodiffuse-dots").rglob("*")}
    for line in blocks("text")[2].splitlines()[1:]:
        assert f"neurodiffuse-dots/{line.split()[0]}" in written
    assert "BROKEN" not in said
    for run in ("dots", "fine"):
        assert (folder / "runs" / run / "report.html").is_file()
    built = sorted(p.suffix for p in (folder / "neurodiffuse-dots/dist").iterdir())
    assert built == [".gz", ".whl"]
