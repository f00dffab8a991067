"""What a run notes of NSD's tree, of whose 73,000 pictures it reads few."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import toy

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import RunError
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, changes, hashing, inputs, opened
from neurodiffuse_nsd import hooks

PICTURES = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"


@pytest.fixture
def tree(small, monkeypatch):
    monkeypatch.setattr(inputs, "SETTLED", 0)
    small.stimuli()
    return small


@pytest.fixture
def encode(tree, tmp_path):
    registry = Registry([("builtin", builtin), ("toy", toy), ("nsd", hooks)])

    def do(*settings, start_from="", out="run") -> Run:
        config = resolve(
            registry, dataset="nsd", subjects=["1"], recipe="toy", root=str(tree.root),
            settings=settings,
        )  # fmt: skip
        config, dataset = pipeline.open_subjects(config, registry)
        run = Run(tmp_path / out, config, registry, dataset, quiet=True)
        plan_of(run)
        with opened(run, start_from=start_from):
            pipeline.execute(run, until="encode")
        return run

    return do


def shown_row(run: Run) -> int:
    return int(run.subject("01").trials.stimulus[0].removeprefix("nsd")) - 1


def test_of_the_file_of_all_pictures_those_that_were_shown_count(tree, encode, monkeypatch):
    read = []
    run = encode()
    monkeypatch.setattr(
        changes, "sha256_of", lambda path: read.append(path.name) or hashing.sha256_of(path)
    )
    encode()
    assert read == []
    row = shown_row(run)
    other = next(k for k in range(73_000) if k not in tree.images)
    with h5py.File(tree.root / PICTURES, "r+") as file:
        file["imgBrick"][other] = 7
    encode()
    assert "nsd_stimuli.hdf5" not in read
    with h5py.File(tree.root / PICTURES, "r+") as file:
        file["imgBrick"][row] = 7
    with pytest.raises(RunError) as error:
        encode()
    text = str(error.value)
    assert f"{tree.root / PICTURES} has changed (the picture nsd{row + 1:05d})" in text
    assert "--from encode" in text
    encode(start_from="encode")
    encode()


def test_betas_with_the_old_size_and_time_are_noticed(tree, encode):
    encode()
    path = next(tree.root.glob("nsddata_betas/**/betas_session02.hdf5"))
    before = path.stat()
    with h5py.File(path, "r+") as file:
        file["betas"][5, 2, 2, 2] += 1
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    with pytest.raises(RunError, match=r"betas_session02.hdf5 has changed.*--from mask"):
        encode()


def test_a_moved_tree_goes_on(tree, encode, tmp_path):
    encode()
    tree.root.rename(tmp_path / "moved")
    tree.root = tmp_path / "moved"
    encode()
    assert str(tree.root) in (tmp_path / "run/config.toml").read_text()


def test_a_region_of_the_mask_is_named_another_one_not(tree, encode):
    encode()
    folder = "nsddata/ppdata/subj01/func1pt8mm/roi"
    tree.volume(f"{folder}/streams.nii.gz", np.zeros_like(tree.roi[1, "streams"]))
    encode()
    tree.volume(f"{folder}/nsdgeneral.nii.gz", 1 - tree.roi[1, "nsdgeneral"].clip(0))
    with pytest.raises(RunError, match=r"nsdgeneral.nii.gz has changed.*--from mask"):
        encode()


def test_prepared_betas_keep_what_their_files_held(tree, encode, tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_CACHE", str(tmp_path / "cache"))

    def held(run: Run) -> dict:
        note = json.loads((run.folder("mask", "01") / inputs.NOTE).read_text())
        return note["groups"]["responses"]["files"]

    first = held(encode(out="one"))
    monkeypatch.setattr(hashing.Hasher, "_work", lambda self: pytest.fail("read again"))
    monkeypatch.setattr(inputs, "sha256_of", lambda path: _fail_of_betas(path))
    second = encode(out="two")
    assert held(second) == first
    assert len(first) == 2
    assert not (second.folder("mask", "01") / "hashed.json").exists()
    path = next(tree.root.glob("nsddata_betas/**/betas_session02.hdf5"))
    before = path.stat()
    with h5py.File(path, "r+") as file:
        file["betas"][5, 2, 2, 2] += 1
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    monkeypatch.undo()
    monkeypatch.setenv("NEURODIFFUSE_CACHE", str(tmp_path / "cache"))
    assert held(encode(out="three")) != first


def _fail_of_betas(path: Path) -> str:
    assert "betas_session" not in path.name
    return hashing.sha256_of(path)
