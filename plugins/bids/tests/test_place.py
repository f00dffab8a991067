"""Where things are: every file on the grid of the betas, by its affine, or left out and told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from neurodiffuse import rois
from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_bids.dataset import BidsDataset

SHAPE = (6, 5, 4)
AFFINE = np.array([[2.0, 0, 0, -5], [0, 2.0, 0, -7], [0, 0, 2.5, -3], [0, 0, 0, 1]])
TURNED = AFFINE.copy()
_C, _S = np.cos(0.3), np.sin(0.3)
TURNED[:3, :3] = np.array([[1, 0, 0], [0, _C, -_S], [0, _S, _C]]) @ AFFINE[:3, :3]
FUNC = "sub-01/func/sub-01_task-look_run-{}_space-T1w{}"
ANAT = "sub-01/anat/sub-01_space-T1w_"
ALL = np.ones(np.prod(SHAPE), bool)
RESAMPLE = "--set datasets.bids.resample=true"


class Study:
    """Two runs of three trials, a mask `visual`; what is written is kept as arrays."""

    def __init__(self, tree, affine=AFFINE, extra="") -> None:
        self.tree, self.affine, self.runs = tree, affine, {}
        for run in (1, 2):
            self.runs[run] = tree.rng.normal(size=(*SHAPE, 3)).astype(np.float32)
            self.betas(run, self.runs[run], affine, extra)
            rows = [
                f"{k} 1 stim-{s} {'test' if s == 'a' else 'train'}" for k, s in enumerate("abc")
            ]
            tree.table(
                f"sub-01/func/sub-01_task-look_run-{run}_events.tsv",
                "onset duration stim_id split",
                *rows,
            )
        self.visual = (tree.rng.random(SHAPE) > 0.4).astype(np.uint8)
        tree.image(f"{ANAT}label-visual_mask.nii.gz", self.visual, affine)

    def betas(self, run, data, affine, extra="") -> None:
        stem = FUNC.format(run, extra)
        self.tree.image(f"{stem}_desc-singletrial_statmap.nii.gz", data, affine)

    def path(self, run):
        return self.tree.root / f"{FUNC.format(run, '')}_desc-singletrial_statmap.nii.gz"

    def open(self, **options) -> BidsDataset:
        return BidsDataset(str(self.tree.root), **options)


@pytest.fixture
def study(empty) -> Study:
    return Study(empty)


def rows(data: BidsDataset) -> np.ndarray:
    return np.vstack(list(data.betas("01", ALL)))


def flat(study: Study) -> np.ndarray:
    whole = np.concatenate([study.runs[1], study.runs[2]], axis=3)
    return whole.reshape(-1, whole.shape[3]).T


def told(data: BidsDataset, kind: str = "") -> list[str]:
    return [r.text for r in data.subject("01").remarks if r.kind == kind or not kind]


def names(data: BidsDataset) -> set[str]:
    return {roi.name for roi in data.subject("01").rois}


def turned(data: np.ndarray, affine: np.ndarray, codes: str) -> nib.Nifti1Image:
    """Store a volume with its axes in another order, by nibabel."""
    image = nib.Nifti1Image(data, affine)
    way = ornt_transform(io_orientation(affine), axcodes2ornt(codes))
    return image.as_reoriented(way)


# --- orientation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("affine", [AFFINE, TURNED])
@pytest.mark.parametrize("codes", ["LAS", "PSR", "SRA", "RPI", "LPI"])
def test_files_with_other_axes_are_put_in_the_order_of_the_first(empty, codes, affine):
    study = Study(empty, affine)
    labels = empty.rng.integers(0, 3, SHAPE).astype(np.int16)
    values = empty.rng.random(SHAPE).astype(np.float32)
    for data, name in (
        (study.runs[2], f"{FUNC.format(2, '')}_desc-singletrial_statmap"),
        (study.visual, f"{ANAT}label-visual_mask"),
        (labels, f"{ANAT}seg-x_dseg"),
        (values, f"{ANAT}stat-size_statmap"),
    ):
        turned(data, affine, codes).to_filename(empty.path(f"{name}.nii.gz"))
    data = study.open()
    np.testing.assert_array_equal(rows(data), flat(study))
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    np.testing.assert_array_equal(data.roi("01", "x2"), labels.ravel() == 2)
    np.testing.assert_array_equal(data.roi("01", "size"), values.ravel())
    assert sum("axes are put in the order" in text for text in told(data, "note")) == 2


def test_the_first_file_gives_the_order(empty):
    study = Study(empty)
    turned(study.runs[1], AFFINE, "LAS").to_filename(study.path(1))
    data = study.open()
    assert nib.aff2axcodes(data.subject("01").grid.affine) == ("L", "A", "S")
    mirrored = flat(study).reshape(-1, *SHAPE)[:, ::-1].reshape(6, -1)
    np.testing.assert_array_equal(rows(data), mirrored)
    np.testing.assert_array_equal(data.roi("01", "visual").reshape(SHAPE), study.visual[::-1] > 0)


# --- the same grid, or not -----------------------------------------------------------------------


@pytest.mark.parametrize("decimals", [2, 3])
def test_a_rounded_affine_is_the_same_grid_and_told(empty, decimals):
    study = Study(empty, TURNED)
    empty.image(f"{ANAT}label-visual_mask.nii.gz", study.visual, np.round(TURNED, decimals))
    data = study.open()
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    (text,) = told(data)
    assert "as rounding does" in text
    assert "label-visual_mask" in text


def test_a_micrometre_is_not_told(study):
    study.tree.image(f"{ANAT}label-visual_mask.nii.gz", study.visual, AFFINE + 2e-5)
    assert told(study.open()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: _shifted(a, 4.0), "its centre is shifted by 4 mm (x +0, y +4, z +0)"),
        (lambda a: _shifted(a, 0.2), "its centre is shifted by 0.2 mm"),
        (lambda a: a @ np.diag([1.02, 1, 1, 1]), "voxels of 2.04 × 2 × 2.5 mm"),
        (lambda a: TURNED, "turned by 17.2°"),
    ],
)
def test_another_grid_says_what_differs(study, change, said):
    study.tree.image(f"{ANAT}label-visual_mask.nii.gz", study.visual, change(AFFINE))
    data = study.open()
    assert data.subject("01").mask == "visual"  # asked for, it stops the run; unasked it does not
    (text,) = told(data, "left out")
    assert said in text
    assert RESAMPLE in text
    with pytest.raises(DataError, match=r"no region 'visual': .*label-visual_mask") as error:
        data.roi("01", "visual")
    assert said in str(error.value)
    study.betas(2, study.runs[2], change(AFFINE))
    with pytest.raises(DataError, match="not resampled here") as error:
        study.open().subject("01")
    assert said in str(error.value)


def _shifted(affine: np.ndarray, mm: float) -> np.ndarray:
    out = affine.copy()
    out[1, 3] += mm
    return out


def test_nothing_advises_to_resample_by_hand(study):
    study.tree.image(f"{ANAT}label-visual_mask.nii.gz", study.visual, _shifted(AFFINE, 40))
    assert not any("Resample" in text for text in told(study.open()))


# --- no place ------------------------------------------------------------------------------------


def unplace(path, how: str) -> None:
    image = nib.load(path)
    data = np.asarray(image.dataobj)
    if how == "identity":
        nib.Nifti1Image(data, np.eye(4)).to_filename(path)
        return
    plain = nib.Nifti1Image(data, None)
    plain.header.set_zooms((2, 2, 2.5, 1)[: data.ndim])
    plain.to_filename(path)
    header = nib.load(path).header
    assert (header["sform_code"], header["qform_code"]) == (0, 0)


WHY = {"identity": "the affine is the identity", "codes": "sform and qform code are 0"}


@pytest.mark.parametrize("how", WHY)
def test_betas_without_a_place_and_a_mask_with_one(study, how):
    for run in (1, 2):
        unplace(study.path(run), how)
    mask = study.tree.root / f"{ANAT}label-visual_mask.nii.gz"
    data = study.open()
    with pytest.raises(DataError, match="no region 'visual'") as error:
        data.roi("01", data.subject("01").mask)
    for part in (str(mask), "the betas have no place", WHY[how], f"affine_from={mask}"):
        assert part in str(error.value)
    data = study.open(affine_from=str(mask))
    about = data.subject("01")
    np.testing.assert_allclose(about.grid.affine, AFFINE)
    assert about.grid.placed
    np.testing.assert_array_equal(rows(data), flat(study))
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    assert any("takes that of datasets.bids.affine_from" in text for text in told(data, "note"))


@pytest.mark.parametrize("how", WHY)
def test_nothing_has_a_place(study, how):
    for path in study.tree.root.rglob("*.nii.gz"):
        unplace(path, how)
    data = study.open()
    about = data.subject("01")
    np.testing.assert_array_equal(rows(data), flat(study))
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    (text,) = told(data, "warning")
    assert WHY[how] in text
    assert not about.grid.placed
    for image in (
        rois.mask_image(data.roi("01", "visual"), about.grid),
        rois.to_image(np.ones(ALL.size), ALL, about.grid),
    ):
        image.to_filename(study.tree.root / "made.nii.gz")
        made = nib.load(study.tree.root / "made.nii.gz").header
        assert (made["sform_code"], made["qform_code"]) == (0, 0)


def test_a_mask_without_a_place(study):
    mask = study.tree.root / f"{ANAT}label-visual_mask.nii.gz"
    unplace(mask, "identity")
    (text,) = told(study.open(), "left out")
    assert f"it has no place ({WHY['identity']}) while the betas have one" in text
    assert f"affine_from={study.path(1)}" in text
    data = study.open(affine_from=str(study.path(1)))
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)


def test_some_runs_have_a_place(study):
    unplace(study.path(2), "codes")
    with pytest.raises(DataError, match=r"it has no place .*affine_from=FILE"):
        study.open().subject("01")
    data = study.open(affine_from=str(study.path(1)))
    np.testing.assert_array_equal(rows(data), flat(study))


def test_a_template_that_does_not_help(study, tmp_path):
    for run in (1, 2):
        unplace(study.path(run), "codes")
    nib.Nifti1Image(np.ones((3, 3, 3), "u1"), AFFINE).to_filename(tmp_path / "other.nii.gz")
    with pytest.raises(DataError, match="shape 3 × 3 × 3, and the betas have 6 × 5 × 4"):
        study.open(affine_from=str(tmp_path / "other.nii.gz")).subject("01")
    with pytest.raises(DataError, match="has no place either"):
        study.open(affine_from=str(study.path(1))).subject("01")
    with pytest.raises(MissingDataError, match="there is no such file"):
        study.open(affine_from=str(tmp_path / "none.nii.gz")).subject("01")


def test_anatomy_without_a_place_is_not_drawn_on(study):
    t1w = "sub-01/anat/sub-01_space-T1w_T1w.nii.gz"
    study.tree.image(t1w, np.ones(SHAPE, np.float32), AFFINE)
    assert study.open().subject("01").anatomy is not None
    unplace(study.tree.root / t1w, "codes")
    data = study.open()
    assert data.subject("01").anatomy is None
    assert t1w in told(data, "left out")[0]


# --- resampling ----------------------------------------------------------------------------------


def nearest(data: np.ndarray, own: np.ndarray, outside: float) -> np.ndarray:
    """Take the value of the nearest voxel, one voxel after the other."""
    out = np.full(SHAPE, outside, data.dtype)
    for index in np.ndindex(SHAPE):
        place = np.linalg.inv(own) @ AFFINE @ [*index, 1]
        at = tuple(int(np.floor(p + 0.5)) for p in place[:3])
        if all(0 <= p < n for p, n in zip(at, data.shape, strict=True)):
            out[index] = data[at]
    return out


def test_regions_are_resampled_when_asked(study):
    fine = AFFINE.copy()
    fine[:3, :3] /= 2.2
    fine[:3, 3] += 0.31
    shape = (11, 12, 8)
    study.tree.image(
        f"{ANAT}res-1_label-V1_mask.nii.gz",
        made := study.tree.rng.integers(0, 2, shape).astype("u1"),
        fine,
    )
    labels = study.tree.rng.integers(0, 4, shape).astype(np.int16)
    study.tree.image(f"{ANAT}seg-x_dseg.nii.gz", labels, fine)
    values = study.tree.rng.random(shape).astype(np.float32)
    values[0, 0, 0] = np.nan
    study.tree.image(f"{ANAT}stat-angle_statmap.nii.gz", values, fine)
    before = study.open()
    assert names(before) == {"visual"}
    assert len(told(before, "left out")) == 1  # one reason, told once
    assert "and 2 more" in told(before, "left out")[0]
    data = study.open(resample=True)
    assert names(data) == {"visual", "V1", "x1", "x2", "x3", "angle"}
    np.testing.assert_array_equal(data.roi("01", "V1"), nearest(made, fine, 0).ravel() == 1)
    np.testing.assert_array_equal(data.roi("01", "x2"), nearest(labels, fine, 0).ravel() == 2)
    np.testing.assert_array_equal(data.roi("01", "angle"), nearest(values, fine, np.nan).ravel())
    (text,) = told(data)
    assert "resampled to the betas' grid (nearest voxel), as datasets.bids.resample says" in text


def test_a_file_on_the_grid_goes_before_one_that_is_resampled(study):
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    study.tree.image(f"{ANAT}res-1_label-visual_mask.nii.gz", np.ones((12, 10, 8), "u1"), fine)
    data = study.open(resample=True)
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    assert "in a file on the betas' own grid too" in told(data, "left out")[0]


# --- files that are left out ---------------------------------------------------------------------


def test_every_file_that_is_left_out_is_named_with_the_reason(study):
    tree = study.tree
    ones = np.ones(SHAPE, "u1")
    for k in range(3):
        tree.image(f"sub-01/anat/sub-01_space-MNI_label-R{k}_mask.nii.gz", ones, AFFINE)
    tree.image("sub-01/func/sub-01_task-rest_space-T1w_desc-brain_mask.nii.gz", ones, AFFINE)
    tree.image(f"{ANAT}seg-d_probseg.nii.gz", np.ones((*SHAPE, 4), np.float32), AFFINE)
    tree.image(f"{ANAT}seg-d_desc-x_probseg.nii.gz", np.ones((*SHAPE, 4), np.float32), AFFINE)
    tree.path(f"{ANAT}seg-aparc_dseg.nii.gz").symlink_to("../../.git/annex/objects/X/y.nii.gz")
    tree.path(f"{ANAT}label-cut_mask.nii.gz").write_bytes(b"\x1f\x8b garbage")
    tree.path(f"{ANAT}label-lfs_mask.nii.gz").write_text("version https://git-lfs.github.com/1\n")
    tree.path(f"{ANAT}seg-y_dseg.dlabel.nii").write_bytes(b"")
    tree.path("sub-01/anat/sub-01_hemi-L_space-T1w_label-V1_mask.label.gii").write_bytes(b"")
    data = study.open()
    assert names(data) == {"visual"}
    text = "\n".join(told(data, "left out"))
    for part in (
        "label-R0_mask.nii.gz and 2 more (in another space: space-MNI where the betas have space-",
        "desc-brain_mask.nii.gz (of another task than the betas: rest)",
        "seg-d_desc-x_probseg.nii.gz (holds 4 volumes where one is read)",
        "seg-aparc_dseg.nii.gz (the link leads nowhere",
        "datalad get",
        "label-cut_mask.nii.gz (is not an image, or one that is damaged",
        "label-lfs_mask.nii.gz (only stands for a content that was not fetched. Fetch it: git lfs",
        "seg-y_dseg.dlabel.nii (surface data (.dlabel.nii) are not read",
        "label-V1_mask.label.gii (surface data (.label.gii) are not read",
    ):
        assert part in text, text
    with pytest.raises(DataError, match=r"no region 'cut': .*is not an image"):
        data.roi("01", "cut")


def test_the_default_mask_is_not_replaced_without_a_word(study):
    mask = study.tree.path(f"{ANAT}label-visual_mask.nii.gz")
    mask.write_bytes(b"gone")
    study.tree.image(f"{ANAT}label-brain_mask.nii.gz", np.ones(SHAPE, "u1"), AFFINE)
    data = study.open()
    assert data.subject("01").mask == "visual"
    assert "visual" in data.subject("01").absent
    with pytest.raises(DataError, match="no region 'visual'"):
        data.roi("01", "visual")
    assert data.roi("01", "brain").all()  # another one can be asked for


def test_unions_are_not_made_of_what_is_left(study):
    tree = study.tree
    ones = np.ones(SHAPE, "u1")
    tree.image(f"{ANAT}label-V1v_mask.nii.gz", ones, AFFINE)
    tree.image(f"{ANAT}label-V1d_mask.nii.gz", ones, _shifted(AFFINE, 9))
    tree.image(f"{ANAT}hemi-L_label-PPA_mask.nii.gz", ones, AFFINE)
    tree.path(f"{ANAT}hemi-R_label-PPA_mask.nii.gz").write_bytes(b"")
    tree.image(f"{ANAT}seg-flocfaces_label-FFA1_mask.nii.gz", ones, AFFINE)
    tree.path(f"{ANAT}seg-flocfaces_label-FFA2_mask.nii.gz").write_bytes(b"")
    data = study.open()
    assert names(data) == {"visual", "V1v", "lh.PPA", "FFA1"}
    for name in ("V1", "V1d", "PPA", "rh.PPA", "FFA", "FFA2", "faces"):
        assert name in data.subject("01").absent
        with pytest.raises(DataError, match=f"no region '{name}': /"):
            data.roi("01", name)


def test_an_intersection_of_runs_is_not_made_of_what_is_left(study):
    for run in (1, 2):
        path = f"{FUNC.format(run, '')}_desc-brain_mask.nii.gz"
        study.tree.image(path, np.ones(SHAPE, "u1"), AFFINE)
    assert "brain" in names(study.open())
    study.tree.path(path).write_bytes(b"")
    assert names(study.open()) == {"visual"}
    with pytest.raises(DataError, match="no region 'brain'"):
        study.open().roi("01", "brain")


def test_segmentations_of_runs_are_the_voxels_that_all_share(study):
    some = {run: study.tree.rng.integers(0, 3, SHAPE).astype("i2") for run in (1, 2)}
    some[1].flat[0] = 7  # a label that the other run lacks
    for run, labels in some.items():
        path = f"{FUNC.format(run, '')}_desc-parts_dseg.nii.gz"
        study.tree.image(path, labels, AFFINE)
    data = study.open()
    assert names(data) == {"visual", "parts1", "parts2"}
    for k in (1, 2):
        expected = (some[1] == k) & (some[2] == k)
        np.testing.assert_array_equal(data.roi("01", f"parts{k}"), expected.ravel())
    said = "run-1_space-T1w_desc-parts_dseg.nii.gz: no region is made of labels that not all runs"
    assert any(said in text and text.endswith("have: parts7") for text in told(data, "note"))
    study.tree.image(path, np.zeros(SHAPE, "i2"), AFFINE)
    assert any("dseg.nii.gz (holds no label above 0)" in t for t in told(study.open(), "left out"))
    study.tree.path(path).write_bytes(b"")
    study.tree.table(path.replace(".nii.gz", ".tsv"), "index name", "1 one", "2 two")
    study.tree.table(
        path.replace(".nii.gz", ".tsv").replace("run-2", "run-1"), "index name", "1 one"
    )
    data = study.open()
    assert names(data) == {"visual"}
    with pytest.raises(DataError, match=r"no region 'one': .*run-2"):
        data.roi("01", "one")
    assert len(told(data, "left out")) == 2


def test_files_of_runs_beside_those_of_the_subject_are_told(study):
    for run in (1, 2):
        stem = FUNC.format(run, "")
        study.tree.image(f"{stem}_label-visual_mask.nii.gz", np.zeros(SHAPE, "u1"), AFFINE)
        study.tree.image(f"{stem}_label-GM_probseg.nii.gz", np.ones(SHAPE, "f4"), AFFINE)
    data = study.open()
    assert names(data) == {"visual"}
    assert data.roi("01", "visual").any()
    text = "\n".join(told(data, "left out"))
    assert "label-visual_mask.nii.gz and 1 more (a file of the whole subject has its" in text
    assert "label-GM_probseg.nii.gz and 1 more (one of 2 maps 'prob.GM' of sessions or" in text


def test_probabilities_without_a_label_are_told(study):
    study.tree.image(f"{ANAT}atlas-x_probseg.nii.gz", np.ones(SHAPE, "f4"), AFFINE)
    study.tree.image(f"{ANAT}atlas-y_probseg.nii.gz", np.ones((*SHAPE, 2), "f4"), AFFINE)
    text = "\n".join(told(study.open(), "left out"))
    assert "atlas-x_probseg.nii.gz (no label- or desc- says of what its values are)" in text
    assert "atlas-y_probseg.nii.gz (holds 2 volumes where one is read; no label-" in text


@pytest.mark.parametrize("value", [np.nan, 0])
def test_a_region_with_an_affine_that_is_no_place_is_left_out(study, value):
    affine = AFFINE.copy()
    affine[0, :3] = value
    image = nib.Nifti1Image(np.ones(SHAPE, "u1"), None)
    image.header["sform_code"] = 2
    image.header["srow_x"], image.header["srow_y"], image.header["srow_z"] = affine[:3]
    nib.Nifti1Image(np.ones(SHAPE, "u1"), None, image.header).to_filename(
        study.tree.path(f"{ANAT}label-V9_mask.nii.gz")
    )
    data = study.open()
    assert names(data) == {"visual"}
    why = "is not finite" if np.isnan(value) else "is singular"
    assert any(f"label-V9_mask.nii.gz (its affine {why}" in t for t in told(data, "left out"))


def test_a_name_that_two_files_have_stops_only_who_asks(study):
    for acq in "ab":
        study.tree.image(f"{ANAT}acq-{acq}_label-V1_mask.nii.gz", np.ones(SHAPE, "u1"), AFFINE)
    data = study.open()
    assert names(data) == {"visual"}
    assert "names the region V1, as does" in told(data, "left out")[0]
    with pytest.raises(DataError, match=r"no region 'V1'.*names the region V1"):
        data.roi("01", "V1")


# --- formats -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["mgz", "mgh"])
def test_mgz_volumes_are_read(study, ending):
    tree = study.tree
    for run in (1, 2):
        study.path(run).unlink()
        path = tree.path(f"{FUNC.format(run, '')}_desc-singletrial_statmap.{ending}")
        nib.MGHImage(study.runs[run], AFFINE).to_filename(path)
    tree.path(f"{ANAT}label-visual_mask.nii.gz").unlink()
    nib.MGHImage(study.visual, AFFINE).to_filename(tree.path(f"{ANAT}label-visual_mask.{ending}"))
    flipped = turned(study.visual.astype(np.int32) * 7, AFFINE, "LIA")
    nib.MGHImage(np.asarray(flipped.dataobj), flipped.affine).to_filename(
        tree.path(f"{ANAT}seg-x_dseg.{ending}")
    )
    data = study.open()
    np.testing.assert_array_equal(rows(data), flat(study))
    np.testing.assert_array_equal(data.roi("01", "visual"), study.visual.ravel() > 0)
    np.testing.assert_array_equal(data.roi("01", "x7"), study.visual.ravel() > 0)


@pytest.mark.parametrize(
    ("ending", "kind"),
    [("dscalar.nii", "CIFTI"), ("dtseries.nii", "CIFTI"), ("func.gii", "GIFTI")],
)
def test_betas_on_a_surface_are_one_clear_line(study, ending, kind):
    for run in (1, 2):
        path = study.path(run)
        path.rename(path.with_name(path.name.replace("nii.gz", ending)))
    with pytest.raises(DataError, match=rf"and 1 more: betas on a surface \({kind}, \.{ending}\)"):
        study.open().subject("01")
    for run in (1, 2):
        study.betas(run, study.runs[run], AFFINE)
    np.testing.assert_array_equal(rows(study.open()), flat(study))
    (text,) = told(study.open(), "left out")
    assert "betas on a surface are not read" in text


def test_numbers_that_are_no_betas(study):
    study.tree.image(f"{FUNC.format(1, '')}_desc-singletrial_statmap.nii.gz",
                     study.runs[1].astype(np.complex64), AFFINE)  # fmt: skip
    with pytest.raises(DataError, match=r"complex64\).*magnitude meant or their real part"):
        study.open().subject("01")
    colours = np.zeros(SHAPE, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    study.tree.image(f"{FUNC.format(1, '')}_desc-singletrial_statmap.nii.gz", colours, AFFINE)
    with pytest.raises(DataError, match="holds colours or records"):
        study.open().subject("01")
    study.tree.image(f"{FUNC.format(1, '')}_desc-singletrial_statmap.nii.gz",
                     study.runs[1], AFFINE)  # fmt: skip
    study.tree.image(f"{ANAT}label-x_mask.nii.gz", colours, AFFINE)
    assert "holds colours or records" in told(study.open(), "left out")[0]


@pytest.mark.parametrize(
    ("shift", "codes", "is_told"), [(6, 1, True), (0.01, 1, False), (6, 0, False)]
)
def test_sform_and_qform_that_differ_are_told(study, shift, codes, is_told):
    betas, mask = study.path(1), study.tree.root / f"{ANAT}label-visual_mask.nii.gz"
    for path in (betas, mask):
        image = nib.load(path)
        moved = image.affine.copy()
        moved[0, 3] += shift
        made = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
        made.set_sform(image.affine, 1)
        made.set_qform(moved, codes)
        made.to_filename(path)
    said = [text for text in told(study.open()) if "sform and qform" in text]
    assert len(said) == is_told
    if is_told:
        assert "differ by up to 6 mm; the sform is taken" in said[0]
        assert "and 1 more" in said[0]


# --- what is told of files that are left out or resampled ----------------------------------------


def two_places(path, data, affine, qform) -> None:
    image = nib.Nifti1Image(data, affine)
    image.set_sform(affine, 1)
    image.set_qform(qform, 1)
    image.to_filename(path)


@pytest.mark.parametrize("resample", [False, True])
def test_two_places_of_a_region_elsewhere_are_told(study, resample):
    away, further = _shifted(AFFINE, 4.0), _shifted(AFFINE, 10.0)
    two_places(study.tree.path(f"{ANAT}label-visual_mask.nii.gz"), study.visual, away, further)
    found = told(study.open(resample=resample), "note")
    assert any("its sform and qform differ by up to 6 mm; the sform is taken" in t for t in found)


def test_a_resampled_region_says_how_it_lay_and_its_voxels(study):
    study.tree.image(f"{ANAT}label-visual_mask.nii.gz", study.visual, _shifted(AFFINE, 4.0))
    labels = study.tree.rng.integers(0, 3, SHAPE).astype(np.int16)
    study.tree.image(f"{ANAT}seg-x_dseg.nii.gz", labels, _shifted(AFFINE, 4.0))
    values = study.tree.rng.random(SHAPE).astype(np.float32) + 1
    study.tree.image(f"{ANAT}stat-size_statmap.nii.gz", values, _shifted(AFFINE, 4.0))
    (text,) = told(study.open(resample=True), "note")
    assert "its centre is shifted by 4 mm (x +0, y +4, z +0); voxels before and after: " in text
    for name, inside in (
        ("label-visual_mask", study.visual),
        ("seg-x_dseg", labels),
        ("stat-size_statmap", values),
    ):
        kept = (inside[:, :-2] > 0).sum()  # two voxels of 2 mm leave the grid
        said = f"{(inside > 0).sum()} and {kept} (sub-01_space-T1w_{name}.nii.gz)"
        assert said in text


def test_maps_and_betas_of_a_run_that_are_not_read_are_told(study):
    stem = "sub-01/func/sub-01_task-look_run-1_space-T1w"
    for end in ("stat-t_statmap", "stat-z_statmap", "desc-other_betas"):
        study.tree.image(f"{stem}_{end}.nii.gz", study.visual, AFFINE)
    data = study.open(betas_filter={"desc": "singletrial"})
    (text,) = told(data, "left out")
    assert "and 2 more (of a run or trial, and neither among the betas that are read" in text
    assert not {"t", "z"} & names(data)


def test_two_places_of_the_image_that_maps_are_drawn_on_are_told(study):
    path = study.tree.path(f"{ANAT}T1w.nii.gz")
    assert told(study.open()) == []
    two_places(path, study.visual, AFFINE, _shifted(AFFINE, 6.0))
    (text,) = told(study.open(), "note")
    assert text.startswith(f"{ANAT}T1w.nii.gz: its sform and qform differ by up to 6 mm")
