"""Links that lead out of a tree of NSD, what is no plain file, and HDF5 files that name others."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurodiffuse.errors import DataError, NeurodiffuseError
from neurodiffuse.readers import reach

from .conftest import SHAPE, Tree
from .test_refusals import data_of, find

EVERY = np.ones(np.prod(SHAPE), bool)
SECRET = "root:x:0:0:TOPSECRET"
_OPENED: list[str] = []


@pytest.fixture(scope="module", autouse=True)
def _listening():
    sys.addaudithook(lambda event, args: event == "open" and _OPENED.append(str(args[0])))


def everything(tree, links: str = "inside", **options) -> str:
    data = data_of(tree, **options)
    reach.limit(data.home(), options, links)
    about = data.subject("01")
    said = [remark.text for remark in about.remarks]
    for name in (roi.name for roi in about.rois):
        data.roi("01", name)
    for _ in data.betas("01", EVERY):
        pass
    ids = [i for i in about.trials.stimulus if int(i[3:]) < 60][:2]
    stimuli = data.stimuli(ids)
    for k in range(len(ids)):
        stimuli.images[k]
    return "\n".join([*said, *(text for texts in stimuli.captions for text in texts)])


def told(tree, **options) -> str:
    try:
        return everything(tree, **options)
    except NeurodiffuseError as error:
        return str(error)


@pytest.fixture
def small(tmp_path) -> Tree:
    tree = Tree(tmp_path / "nsd", {1: 1})
    tree.design()
    tree.responses(1)
    tree.sessions(1)
    tree.regions(1)
    return tree


def files_of(tree) -> list[Path]:
    return sorted(path for path in tree.root.rglob("*") if path.is_file())


@pytest.mark.parametrize("form", ["nifti", "hdf5"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device", "circle"])
def test_files_that_may_not_be_opened(small, tmp_path, form, kind):
    (tmp_path / "passwd").write_text(SECRET)
    places = {"link": tmp_path / "passwd", "device": "/dev/zero"}
    for path in files_of(small):
        shutil.move(path, tmp_path / "kept")
        if kind == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to(places.get(kind, path.name))
        _OPENED.clear()
        said = told(small, format=form)
        assert str(path) not in _OPENED, said
        assert SECRET not in said
        path.unlink()
        shutil.move(tmp_path / "kept", path)


def test_every_link_that_leads_out_is_named_and_followed_when_asked(small, tmp_path):
    before = told(small, format="nifti")
    for path in files_of(small):
        other = tmp_path / "scratch" / path.relative_to(small.root)
        other.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, other)
        path.symlink_to(other)
    assert told(small, format="nifti", links="any") == before
    with pytest.raises(DataError, match=r"leads out of the data set, to .*--links any"):
        everything(small, format="nifti")


@pytest.mark.parametrize("how", ["link", "external", "virtual"])
def test_betas_that_lie_in_another_file_are_refused(small, tmp_path, how):
    path = find(small, "betas_session01.hdf5")
    with h5py.File(path) as file:
        values = file["betas"][()]
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["betas"] = values
    (tmp_path / "raw").write_bytes(values.tobytes())
    with h5py.File(path, "w") as file:
        if how == "link":
            file["betas"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "betas")
        elif how == "external":
            file.create_dataset("betas", values.shape, values.dtype, external=str(tmp_path / "raw"))
        else:
            layout = h5py.VirtualLayout(values.shape, values.dtype)
            layout[:] = h5py.VirtualSource(tmp_path / "other.h5", "betas", values.shape)
            file.create_virtual_dataset("betas", layout)
    with pytest.raises(DataError, match="its 'betas' lies in another file"):
        everything(small, format="hdf5")
