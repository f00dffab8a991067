"""What is said of a tree that is broken: one line with the file, and the way to get it."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from neurodiffuse.errors import ConfigError, DataError, MissingDataError
from neurodiffuse.types import Trials
from neurodiffuse_nsd import counts
from neurodiffuse_nsd.dataset import NsdDataset
from neurodiffuse_nsd.design import read_design

EVERY = np.ones(210, bool)


def told(error: pytest.ExceptionInfo, *parts: str) -> None:
    text = str(error.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


def data_of(tree, **options) -> NsdDataset:
    return NsdDataset(str(tree.root), **options)


def find(tree, pattern: str):
    return next(tree.root.glob(f"**/{pattern}"))


def read(tree, **options) -> None:
    list(data_of(tree, **options).betas("01", EVERY))


FETCH = "neurodiffuse fetch nsd --sub 1"


def test_a_missing_session(small):
    for suffix in (".nii.gz", ".hdf5"):
        find(small, f"betas_session01{suffix}").unlink()
    with pytest.raises(MissingDataError) as error:
        data_of(small).subject("01")
    told(error, "betas_session01.nii.gz", "session 1 of 2 is not there", FETCH)
    with pytest.raises(MissingDataError) as error:
        data_of(small, n_sessions=5, format="hdf5").subject("01")
    told(error, "betas_session01.hdf5", "of 5", "--sessions 5", "--format hdf5")


def test_no_session_at_all(small):
    with pytest.raises(MissingDataError) as error:
        data_of(small, version="b1").subject("01")
    told(error, "betas_assumehrf", "no betas", f"{FETCH} --version b1 --root {small.root}")


def test_a_truncated_nifti(small):
    path = find(small, "betas_session02.nii.gz")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(DataError) as error:
        read(small, format="nifti")
    told(error, str(path), "cut off", "Move it away", FETCH)


def test_a_nifti_whose_checksum_is_wrong(small):
    path = find(small, "betas_session02.nii.gz")
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        read(small, format="nifti")
    told(error, str(path), FETCH)


def test_a_truncated_hdf5(small):
    path = find(small, "betas_session02.hdf5")
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(DataError) as error:
        read(small, format="hdf5")
    told(error, str(path), FETCH)


@pytest.mark.parametrize("name", ["betas_session02.nii.gz", "betas_session02.hdf5"])
def test_a_file_that_is_something_else(small, name):
    path = find(small, name)
    path.write_bytes(gzip.compress(b"<html>404</html>") if name.endswith("gz") else b"<html>")
    with pytest.raises(DataError) as error:
        data_of(small, format="hdf5" if name.endswith("hdf5") else "nifti").subject("01")
    told(error, str(path), FETCH)


def test_a_session_of_another_shape(small):
    path = find(small, "betas_session02.nii.gz")
    nib.Nifti1Image(np.zeros((7, 6, 4, 14), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small, format="nifti").subject("01")
    told(error, str(path), "shape 7 × 6 × 4", "7 × 6 × 5", FETCH)


def test_a_session_with_too_few_trials(small):
    path = find(small, "betas_session02.nii.gz")
    nib.Nifti1Image(np.zeros((7, 6, 5, 13), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small, format="nifti").subject("01")
    told(error, str(path), "13 trials", "plans 14", FETCH)


def test_hdf5_of_another_type(small):
    path = find(small, "betas_session01.hdf5")
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=small.betas[1, 1].T / 300)
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), "float64", FETCH)


@pytest.mark.parametrize("kind", ["complex64", [(c, "u1") for c in "RGB"]], ids=["c8", "rgb"])
def test_numbers_that_are_not_real(small, kind):
    path = find(small, "betas_session01.nii.gz")
    shape = nib.load(path).shape
    nib.Nifti1Image(np.zeros(shape, kind), nib.load(path).affine).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small, format="nifti").subject("01")
    told(error, str(path), "complex numbers" if kind == "complex64" else "colours")


def test_a_mat_that_is_not_the_design(small):
    path = find(small, "nsd_expdesign.mat")
    savemat(path, {"x": np.eye(3)})
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), "'masterordering'", FETCH)
    path.write_text("not a mat")
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), "MATLAB", FETCH)
    path.unlink()
    with pytest.raises(MissingDataError) as error:
        data_of(small).subject("01")
    told(error, str(path), FETCH)


@pytest.mark.parametrize(
    ("field", "value"),
    [("masterordering", 0), ("masterordering", 10_001), ("subjectim", 73_001), ("stimpattern", 1)],
)
def test_a_design_that_cannot_be(small, field, value):
    path = find(small, "nsd_expdesign.mat")
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    content[field][:] = value
    savemat(path, content)
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), "is not the design of NSD")


def test_the_design_in_matlab_7_3(small):
    path = find(small, "nsd_expdesign.mat")
    before = read_design(path)
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    with h5py.File(path, "w") as file:
        for name, values in content.items():
            file[name] = values.T
    after = read_design(path)
    for name in ("ordering", "pictures", "shown"):
        assert np.array_equal(getattr(before, name), getattr(after, name))


def test_responses_that_disagree(small):
    path = find(small, "responses.tsv")
    lines = path.read_text().splitlines()
    words = lines[5].split("\t")
    words[4] = str(int(words[4]) % 73_000 + 1)
    path.write_text("\n".join([*lines[:5], "\t".join(words), *lines[6:]]))
    with pytest.raises(DataError) as error:
        data_of(small).subject("01")
    told(error, str(path), "trial 5")
    path.write_text("\n".join(lines[:10]))
    with pytest.raises(DataError, match="has 9 trials where 28 are needed"):
        data_of(small).subject("01")
    path.write_text("SUBJECT\tSESSION\n1\t1\n")
    with pytest.raises(DataError, match="table of responses"):
        data_of(small).subject("01")
    path.unlink()
    assert len(data_of(small).subject("01").trials) == 28


def test_a_region_on_another_grid(small):
    path = find(small, "roi/lh.floc-faces.nii.gz")
    nib.Nifti1Image(np.zeros((7, 6, 6), np.int16), np.eye(4)).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small).roi("01", "lh.FFA")
    told(error, str(path), "shape 7 × 6 × 6", FETCH)


def test_axes_that_do_not_fit_the_shape(small):
    path = find(small, "roi/floc-faces.nii.gz")
    turned = nib.load(path).affine[:, [1, 0, 2, 3]]
    nib.Nifti1Image(np.zeros((7, 6, 5), np.int16), turned).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small).roi("01", "FFA")
    told(error, str(path), "axes that run to ARS where RAS is needed")


def test_a_session_in_another_unit(small):
    path = find(small, "betas_session02.nii.gz")
    floats = small.betas[1, 2].astype(np.float32)  # percent times 300, and nothing says so
    nib.Nifti1Image(floats, nib.load(path).affine).to_filename(path)
    with pytest.raises(DataError) as error:
        data_of(small, format="nifti").subject("01")  # before any of it is read
    told(error, str(path.parent), "the spread of betas_session02.nii.gz is ")
    told(error, "times that of betas_session01.nii.gz", "taken for percent", FETCH)
    nib.Nifti1Image(floats / 300, nib.load(path).affine).to_filename(path)
    data = data_of(small, format="nifti")
    assert data.subject("01").remarks == ()
    assert len(np.vstack(list(data.betas("01", EVERY)))) == 28


def test_no_mask(small):
    find(small, "roi/nsdgeneral.nii.gz").unlink()
    with pytest.raises(MissingDataError) as error:
        data_of(small).subject("01")
    told(error, "roi/nsdgeneral.nii.gz", "datasets.nsd.mask", FETCH)
    assert data_of(small, mask="V1").subject("01").mask == "V1"


def test_a_subject_without_a_label_has_an_empty_region(small):
    path = find(small, "roi/floc-faces.nii.gz")
    volume = np.where(small.roi[1, "floc-faces"] == 5, 0, small.roi[1, "floc-faces"])
    nib.Nifti1Image(volume, nib.load(path).affine).to_filename(path)
    data = data_of(small)
    assert not data.roi("01", "aTL-faces").any()
    assert data.roi("01", "FFA").any()


def test_regions_and_subjects_that_are_not_there(small):
    with pytest.raises(MissingDataError) as error:
        data_of(small).roi("01", "FFA-3")
    told(error, "Did you mean 'FFA-2'?")
    with pytest.raises(MissingDataError) as error:
        data_of(small).subject("02")
    told(error, "no subject '02'", "Subjects: 01", "--sub 2")


def test_no_pictures(small):
    with pytest.raises(MissingDataError) as error:
        data_of(small).stimuli(["nsd00001"])
    told(error, "nsd_stimuli.hdf5", "neurodiffuse fetch nsd")


def test_pictures_that_are_something_else(small):
    path = small.path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
    with h5py.File(path, "w") as file:
        file["imgBrick"] = np.zeros((4, 9, 8, 3), np.float32)
    with pytest.raises(DataError) as error:
        data_of(small).stimuli(["nsd00001"])
    told(error, str(path), "imgBrick")
    path.write_bytes(b"nothing")
    with pytest.raises(DataError) as error:
        data_of(small).stimuli(["nsd00001"])
    told(error, str(path), "neurodiffuse fetch nsd")


@pytest.mark.parametrize("name", ["nsd00000", "nsd73001", "stim-1a", "x"])
def test_ids_that_are_none(nsd, name):
    with pytest.raises(DataError, match="none of NSD's"):
        data_of(nsd).stimuli([name])


def test_captions_that_cannot_be_used(nsd, tmp_path):
    ids = ["nsd00001"]
    with pytest.raises(MissingDataError, match=r"datasets.nsd.captions"):
        data_of(nsd, captions=str(tmp_path / "no")).stimuli(ids)
    path = tmp_path / "texts.npy"
    np.save(path, np.array([["a"], [Path("b")]], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="'pathlib' 'PosixPath', and reading that could run"):
        data_of(nsd, captions=str(path)).stimuli(ids)
    np.save(path, np.zeros((3, 3)))
    with pytest.raises(DataError, match="texts are needed"):
        data_of(nsd, captions=str(path)).stimuli(ids)
    np.save(path, np.array(["a"] * 73_000))
    with pytest.raises(DataError, match=r"texts \(n_pictures, n_captions\)"):
        data_of(nsd, captions=str(path)).stimuli(ids)
    np.save(path, np.array([["a"]] * 72_999))
    with pytest.raises(DataError, match="has 72,999 rows, and NSD has 73,000 pictures"):
        data_of(nsd, captions=str(path)).stimuli(ids)
    with pytest.raises(MissingDataError, match="'curated' given, and COCO_73k_annots_curated"):
        data_of(nsd, captions="curated").stimuli(ids)
    for split in ("train", "val"):
        (tmp_path / f"captions_{split}2017.json").write_text('{"annotations": [{"id": 3}]}')
    with pytest.raises(DataError, match="COCO's captions"):
        data_of(nsd, captions=str(tmp_path)).stimuli(ids)


def test_a_root_of_the_environment_is_not_blamed_on_the_flag(tmp_path, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_NSD_ROOT", str(tmp_path / "no"))
    with pytest.raises(MissingDataError, match=r"^the environment variable NEURODIFFUSE_NSD_ROOT:"):
        NsdDataset().subjects()
    with pytest.raises(MissingDataError, match=r"^--root: there is no folder"):
        NsdDataset(str(tmp_path / "nowhere")).subjects()


def test_no_root(tmp_path):
    with pytest.raises(MissingDataError, match="NEURODIFFUSE_NSD_ROOT"):
        NsdDataset().subjects()
    with pytest.raises(MissingDataError, match="there is no folder"):
        NsdDataset(str(tmp_path / "no")).subjects()
    with pytest.raises(MissingDataError, match="is no tree of NSD"):
        NsdDataset(str(tmp_path)).subjects()


def test_options_that_cannot_be():
    with pytest.raises(ValueError, match="n_sessions"):
        NsdDataset("x", n_sessions=-1)
    with pytest.raises(ValueError, match="fsaverage has one format"):
        NsdDataset("x", space="fsaverage", format="hdf5")
    assert issubclass(ConfigError, ValueError)


def published(train: int, test: int, sessions: int) -> Trials:
    """Trials with that many pictures, shown as often as the sessions need."""
    names = [f"a{k}" for k in range(train)] * 4
    shown = names[: 24_980 * sessions // 37]
    tests = ([f"b{k}" for k in range(test)] * 4)[: 750 * sessions - len(shown)]
    n = len(shown) + len(tests)
    split = ("train",) * len(shown) + ("test",) * len(tests)
    return Trials((*shown, *tests), split, ("01",) * n, ("01",) * n)


def test_published_counts_are_compared():
    assert counts.difference(published(8859, 982, 37), 37) == ""
    assert "8,859" in counts.difference(published(8858, 982, 37), 37)
    assert counts.difference(published(9000, 1000, 40), 40) == ""
    assert "9,000" in counts.difference(published(8999, 1000, 40), 40)
    assert counts.difference(published(30, 4, 2), 2) == ""


def test_another_number_of_pictures_is_a_warning(nsd, monkeypatch):
    monkeypatch.setattr(counts, "TRIALS", 14)
    with pytest.warns(UserWarning, match=r"in 40 sessions, where 9,000 and 1,000"):
        data_of(nsd).subject("01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data_of(nsd, n_sessions=2).subject("01")


def test_a_session_that_is_a_copy_or_empty_is_told(small):
    one, two = (find(small, f"betas_session0{k}.nii.gz") for k in (1, 2))
    assert not [
        r for r in data_of(small, format="nifti").subject("01").remarks if r.kind == "warning"
    ]
    kept = two.read_bytes()
    two.write_bytes(one.read_bytes())
    said = [r.text for r in data_of(small, format="nifti").subject("01").remarks]
    assert any("begin with the same numbers" in text and one.name in text for text in said)
    two.write_bytes(kept)
    image = nib.load(two)
    nib.Nifti1Image(np.zeros(image.shape, np.int16), image.affine).to_filename(two)
    said = [r.text for r in data_of(small, format="nifti").subject("01").remarks]
    assert any(f"0 or NaN in 1 of 2 runs ({two.name})" in text for text in said), said


def _complex(path):
    image = nib.load(path)
    nib.Nifti1Image(np.zeros(image.shape, np.complex64), image.affine).to_filename(path)


def _of_another_shape(path):
    image = nib.load(path)
    nib.Nifti1Image(np.asarray(image.dataobj)[:-1], image.affine).to_filename(path)


def _damaged(path):
    path.write_bytes(path.read_bytes()[:60])


SPOILT = {_complex: "complex numbers", _of_another_shape: "on another grid", _damaged: "cut off"}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize(
    ("name", "region"),
    [
        ("roi/floc-faces", "FFA"),
        ("roi/lh.floc-faces", "lh.FFA"),
        ("prf_eccentricity", "eccentricity"),
        ("roi/HCP_MMP1", "HCP_MMP1"),
    ],
)
def test_a_region_that_cannot_be_used_is_left_out(small, name, region, spoil):
    path = find(small, f"{name}.nii.gz")
    spoil(path)
    data = data_of(small)
    about = data.subject("01")
    (remark,) = about.remarks
    assert (remark.kind, path.name in remark.text) == ("left out", True)
    assert SPOILT[spoil] in remark.text
    assert region in about.absent
    assert data.roi("01", "V1").any()
    with pytest.raises(DataError) as error:
        data.roi("01", region)
    told(error, f"no region '{region}'", str(path), SPOILT[spoil])


def test_a_table_of_labels_that_cannot_be_read_leaves_its_region_out(small):
    table = small.path("nsddata/freesurfer/subj01/label/floc-faces.mgz.ctab")
    table.write_text("no numbers\n")
    data = data_of(small)
    (remark,) = data.subject("01").remarks
    assert (remark.kind, table.name in remark.text) == ("left out", True)
    assert data.roi("01", "V1").any()
    with pytest.raises(DataError, match="no region 'FFA'"):
        data.roi("01", "FFA")
