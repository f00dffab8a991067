"""A fresh environment for what a newcomer installs."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest


@pytest.fixture
def environment(tmp_path):
    """Return the Python of a new environment that sees the libraries here, and nothing else new."""
    place = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", place], check=True)
    python = place / "bin" / "python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    # editable installs are .pth files themselves, which a .pth does not follow
    paths = [sysconfig.get_path("purelib")]
    paths += [
        line
        for file in Path(paths[0]).glob("*.pth")
        for line in file.read_text().splitlines()
        if line.startswith("/")
    ]
    (Path(site) / "libraries.pth").write_text("\n".join(paths) + "\n")
    return python
