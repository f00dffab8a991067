"""Files whose content was not fetched: DataLad's links that lead nowhere, and pointers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_nsd.dataset import NsdDataset

from .conftest import SHAPE, Tree
from .test_refusals import FETCH, data_of, find, told
from .test_surface import flat  # noqa: F401

EVERY = np.ones(np.prod(SHAPE), bool)
OBJECT = ".git/annex/objects/Xx/MD5E-s1--0"


def link(path: Path) -> Path:
    path.unlink()
    path.symlink_to(f"../../{OBJECT}")
    return path


def pointer(path: Path) -> Path:
    path.unlink()
    path.write_text(f"/annex/objects/{Path(OBJECT).name}\n")
    return path


@pytest.fixture
def three(tmp_path) -> Tree:
    """One subject of whom three sessions are there."""
    tree = Tree(tmp_path / "nsd", {1: 3})
    tree.design()
    tree.responses(1)
    tree.sessions(1)
    tree.regions(1)
    return tree


@pytest.mark.parametrize("empty", [link, pointer])
@pytest.mark.parametrize("form", ["nifti", "hdf5"])
@pytest.mark.parametrize("session", [1, 2, 3])
def test_a_session_that_was_not_fetched(three, session, form, empty):
    end = {"nifti": ".nii.gz", "hdf5": ".hdf5"}[form]
    path = empty(find(three, f"betas_session0{session}{end}"))
    with pytest.raises(MissingDataError) as error:
        data_of(three, format=form).subject("01")
    told(error, str(path), f"datalad get {path}", FETCH, "Or get it with")
    if session > 1:
        told(error, f"n_sessions={session - 1}")
        fewer = data_of(three, format=form, n_sessions=session - 1)
        assert len(fewer.subject("01").trials) == 14 * (session - 1)
    else:
        assert "n_sessions=0" not in str(error.value)


@pytest.mark.parametrize("empty", [link, pointer])
@pytest.mark.parametrize("end", [".nii.gz", ".hdf5"])
def test_the_form_that_was_fetched_is_read(three, end, empty):
    for session in (1, 3):
        empty(find(three, f"betas_session0{session}{end}"))
    found = np.vstack(list(data_of(three).betas("01", EVERY)))
    stored = [three.betas[1, session].reshape(-1, 14).T for session in (1, 2, 3)]
    assert np.array_equal(found, np.vstack(stored).astype(np.float32) / np.float32(300))


@pytest.mark.parametrize("session", [1, 2])
@pytest.mark.parametrize("side", ["lh", "rh"])
def test_a_session_on_a_surface(flat, tmp_path, side, session):  # noqa: F811
    root = tmp_path / "copy"
    shutil.copytree(flat.root, root, copy_function=os.link)
    path = link(next(root.glob(f"**/{side}.betas_session0{session}.mgh")))
    with pytest.raises(MissingDataError) as error:
        NsdDataset(str(root), space="fsaverage").subject("01")
    told(error, str(path), f"datalad get {path}", "--space fsaverage")


@pytest.mark.parametrize("name", ["rh.prf-visualrois.mgz", "rh.white-to-fsaverage.mgz"])
def test_regions_on_a_surface(flat, tmp_path, name):  # noqa: F811
    root = tmp_path / "copy"
    shutil.copytree(flat.root, root, copy_function=os.link)
    path = link(next(root.glob(f"**/{name}")))
    data = NsdDataset(str(root), space="fsaverage")
    assert {"V1", "rh.hV4"} <= set(data.subject("01").absent)
    assert data.roi("01", "lh.hV4").any()
    with pytest.raises(MissingDataError) as error:
        data.roi("01", "V1")
    told(error, "no region 'V1'", str(path), "datalad get")


@pytest.mark.parametrize("empty", [link, pointer])
def test_regions_and_maps(small, empty):
    paths = [
        empty(find(small, f"{name}.nii.gz"))
        for name in ("roi/prf-visualrois", "roi/lh.prf-visualrois", "ncsnr", "roi/HCP_MMP1")
    ]
    data = data_of(small)
    about = data.subject("01")
    assert [r.kind for r in about.remarks] == ["left out"]
    assert "roi/HCP_MMP1.nii.gz and 3 more (its content was not fetched)" in about.remarks[0].text
    gone = {"hV4", "V1", "lh.V1", "lh.hV4", "ncsnr", "noiseceiling", "HCP_MMP1"}
    assert gone <= set(about.absent)
    assert not gone & {roi.name for roi in about.rois}
    for name, path in (("V1", paths[0]), ("lh.V1", paths[1]), ("noiseceiling", paths[2])):
        with pytest.raises(MissingDataError) as error:
            data.roi("01", name)
        told(error, f"no region '{name}'", str(path), f"datalad get {path}", FETCH)
    # what has the same name elsewhere does not take its place, and others are as they were
    assert np.array_equal(
        data.roi("01", "Kastner2015.V1v"), (small.roi[1, "Kastner2015"] == 1).ravel()
    )
    assert np.array_equal(
        data.roi("01", "rh.hV4"), (small.roi[1, "rh.prf-visualrois"] == 7).ravel()
    )


def test_the_mask(small):
    path = link(find(small, "roi/nsdgeneral.nii.gz"))
    data = data_of(small)
    assert "nsdgeneral" in data.subject("01").absent
    with pytest.raises(MissingDataError) as error:
        data.roi("01", "nsdgeneral")
    told(error, str(path), f"datalad get {path}", FETCH)


def test_a_colour_table_is_told(small):
    path = small.path("nsddata/freesurfer/subj01/label/prf-visualrois.mgz.ctab")
    path.write_text("7 mine\n")
    link(path)
    data = data_of(small)
    (remark,) = data.subject("01").remarks
    assert (remark.kind, path.name in remark.text) == ("left out", True)
    assert np.array_equal(data.roi("01", "hV4"), (small.roi[1, "prf-visualrois"] == 7).ravel())


def test_design_responses_and_pictures(small):
    path = link(find(small, "responses.tsv"))
    (remark,) = data_of(small).subject("01").remarks
    assert "responses.tsv: its content was not fetched" in remark.text
    path.unlink()
    assert data_of(small).subject("01").remarks == ()
    pictures = small.path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
    pictures.touch()
    for empty in (link, pointer):
        path = empty(pictures)
        with pytest.raises(MissingDataError) as error:
            data_of(small).stimuli(["nsd00001"])
        told(error, str(path), f"datalad get {path}", "neurodiffuse fetch nsd")
    path = link(find(small, "nsd_expdesign.mat"))
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), f"datalad get {path}", FETCH)


NOTES = "nsddata_stimuli/stimuli/nsd/annotations"


@pytest.mark.parametrize("empty", [link, pointer])
@pytest.mark.parametrize("name", ["COCO_73k_annots_curated.npy", "captions_val2017.json"])
def test_captions_that_were_not_fetched(small, name, empty):
    for split in ("train", "val"):
        small.path(f"{NOTES}/captions_{split}2017.json").write_text('{"annotations": []}')
    path = small.path(f"{NOTES}/{name}")
    path.touch()
    empty(path)
    (remark,) = (r for r in data_of(small).subject("01").remarks if r.kind == "left out")
    assert remark.text.startswith(f"{NOTES}/{name} (")
    assert "datalad get" in remark.text
    kind = "curated" if name.endswith("npy") else "coco"
    for given in (kind, str(path)) if kind == "curated" else (kind, str(path.parent)):
        with pytest.raises(MissingDataError) as error:
            data_of(small, captions=given).subject("01")
        told(error, str(path), "datalad get")


def test_one_of_two_files_of_captions(small):
    small.path(f"{NOTES}/captions_train2017.json").write_text('{"annotations": []}')
    (remark,) = data_of(small).subject("01").remarks
    assert remark.kind == "left out"
    assert remark.text == f"{NOTES}/captions_val2017.json (there is no such file)"
