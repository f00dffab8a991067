"""The tutorials as a newcomer follows them: every command, in their order, in a fresh place."""

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


def blocks(page, kind):
    """Return a tutorial's code blocks of a kind."""
    text = (TUTORIAL / page).read_text("utf-8")
    return re.findall(rf"^```{kind}\n(.*?)^```", text, flags=re.M | re.S)


@pytest.fixture
def place(environment, tmp_path):
    """Return a folder with what the reader has saved there, and the shell's environment."""
    folder = tmp_path / "reader"
    folder.mkdir()
    for path in TUTORIAL.glob("*.py"):
        shutil.copy(path, folder)
    (folder / "bids_example").symlink_to(EXAMPLE)
    command = environment.parent / "neurodiffuse"
    command.write_text(f'#!/bin/sh\nexec "{environment}" -m neurodiffuse "$@"\n')
    command.chmod(0o755)
    # what pip would fetch is here already, and a test fetches nothing
    offline = {"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1"}
    path = f"{environment.parent}{os.pathsep}{os.environ['PATH']}"
    return folder, {**os.environ, **offline, "PATH": path}


def follow(folder, env, page):
    """Run a page's commands in their order and return what they say."""
    said = ""
    assert len(blocks(page, "sh")) >= 4
    for block in blocks(page, "sh"):
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
    return said


@pytest.mark.parametrize(
    ("page", "name", "runs"),
    [("generator.md", "dots", ("dots", "fine")), ("decoder.md", "mlp", ("ridge", "mlp"))],
)
def test_every_command_works_as_printed(place, page, name, runs):
    folder, env = place
    said = follow(folder, env, page)
    *shown, tree = blocks(page, "text")
    for text in shown:
        assert text in said
    distribution = folder / f"neurodiffuse-{name}"
    written = {str(p.relative_to(folder)) for p in distribution.rglob("*")}
    for line in tree.splitlines()[1:]:
        assert f"{distribution.name}/{line.split()[0]}" in written
    assert "BROKEN" not in said
    for run in runs:
        assert (folder / "runs" / run / "report.html").is_file()
    if page == "generator.md":
        built = sorted(p.suffix for p in (distribution / "dist").iterdir())
        assert built == [".gz", ".whl"]
        return
    # the page on decoders goes on from here
    follow(folder, env, "../how-to/decoders.md")
    for run in ("fifty", "mixed", "two"):
        assert (folder / "runs" / run / "report.html").is_file()
    assert fitted(folder / "runs/fifty") == {"main"}
    assert fitted(folder / "runs/two") == {"main", "main.fold-0", "main.fold-1"}
    assert fitted(folder / "runs/mixed") == {"network", "network.fold-0", "network.fold-1"}
    assert (folder / "runs/mixed/steps/sub-01/fit/fit.json").is_file()  # ridge's own


def fitted(run):
    """Return the names of the decoders that were fitted in a run."""
    return {path.name for path in (run / "steps/sub-01/fit").iterdir() if path.is_dir()}
