"""Kills and mutations for some seconds, for a minute each in slow tests, and inputs once found."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from soak.fuzz import read_one
from soak.inputs import FILES
from soak.trees import differences, tree

ROOT = Path(__file__).parents[1]
CORPUS = json.loads((ROOT / "soak" / "corpus.json").read_text(encoding="utf-8"))


def soaked(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "soak", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("kept", CORPUS, ids=lambda kept: f"{kept['format']}: {kept['was']}")
def test_inputs_that_were_not_refused_in_one_line(tmp_path, kept):
    data = zlib.decompress(base64.b64decode(kept["data"]))
    assert read_one(kept["format"], data, tmp_path) == ("refused", "")


@pytest.mark.parametrize("form", FILES)
def test_valid_files_are_read_and_cut_ones_refused(tmp_path, form):
    if form.startswith("hdf5 ") and form != "hdf5 in chunks":
        assert read_one(form, FILES[form][1](), tmp_path) == ("refused", "")
        return
    data = FILES[form][1]()
    assert read_one(form, data, tmp_path) == ("accepted", "")
    for size in (0, 1, 8, len(data) // 2):
        how, wrong = read_one(form, data[:size], tmp_path)
        assert not wrong, wrong
        assert how == "refused" or form in ("tsv", "gif", "bmp", "tiff", "jpeg")


def test_a_tree_that_differs_is_told(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "logs").mkdir(parents=True)
        (tmp_path / name / "logs" / "steps.tsv").write_text(name, encoding="utf-8")
        (tmp_path / name / "page").write_text(f"2026-01-0{len(name)} 10:00", encoding="utf-8")
        np.save(tmp_path / name / "a.npy", np.zeros(2))
    wanted = tree(tmp_path / "one")
    assert differences(wanted, tree(tmp_path / "two")) == []
    np.save(tmp_path / "two" / "a.npy", np.ones(2))
    (tmp_path / "two" / "b.partial").touch()
    (tmp_path / "two" / "page").unlink()
    assert differences(wanted, tree(tmp_path / "two")) == [
        "missing: page",
        "differs: a.npy",
        "too many: b.partial",
        "left over: b.partial",
    ]


def test_some_kills():
    said = soaked("kills", "--minutes", "0.05", "--only", "plugins new", "--seed", "1")
    assert " 0 bad" in said


def test_some_mutations():
    assert "150 mutations, seed 1, 0 bad" in soaked(
        "fuzz", "-n", "150", "--only", "files", "--seed", "1"
    )


@pytest.mark.slow
def test_a_minute_of_kills():
    assert " 0 bad" in soaked("kills", "--minutes", "1")


@pytest.mark.slow
def test_a_minute_of_mutations():
    assert "1000 mutations, seed 0, 0 bad" in soaked("fuzz", "-n", "1000")
