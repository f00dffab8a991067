"""The numbers of masks, segmentations and their tables: understood, told or left out."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from neurodiffuse.errors import DataError
from neurodiffuse_bids.dataset import BidsDataset

from .conftest import AFFINE, SHAPE

ANAT = "sub-01/anat/sub-01_space-T1w_"
N = int(np.prod(SHAPE))


def told(data: BidsDataset, kind: str) -> list[str]:
    return [r.text for r in data.subject("01").remarks if r.kind == kind]


def names(data: BidsDataset) -> set[str]:
    return {roi.name for roi in data.subject("01").rois}


def scaled(path, stored: np.ndarray, slope: float) -> None:
    """Write integers whose header has a scale factor."""
    image = nib.Nifti1Image(stored, AFFINE)
    image.header.set_slope_inter(slope, 0)
    image.to_filename(path)


# --- masks ---------------------------------------------------------------------------------------

INSIDE = np.zeros(SHAPE, bool)
INSIDE[1:3, 1:4] = True
RINGING = np.where(INSIDE, 0.93, 0.0) + np.random.default_rng(0).uniform(-0.15, 0.2, SHAPE)

MASKS = {
    "zeros and ones": INSIDE.astype(np.uint8),
    "floats": INSIDE.astype(np.float32),
    "255": INSIDE.astype(np.uint8) * 255,
    "100": INSIDE.astype(np.int16) * 100,
    "minus one is outside too": np.where(INSIDE, 1, np.arange(N).reshape(SHAPE) % 2 - 1).astype(
        "i2"
    ),
    "two values below one": np.where(INSIDE, 0.6, 0).astype(np.float32),
    "rounded by a scale": np.where(INSIDE, 1.0000076, 0).astype(np.float64),
}


@pytest.mark.parametrize("how", MASKS)
def test_two_valued_masks_need_no_word(tree, how):
    tree.image(f"{ANAT}label-x_mask.nii.gz", MASKS[how])
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "x"), INSIDE.ravel())
    assert data.subject("01").remarks == ()


def test_a_mask_of_ones(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", np.ones(SHAPE, np.uint8))
    data = BidsDataset(str(tree.root))
    assert data.roi("01", "x").all()
    assert data.subject("01").remarks == ()


def test_a_scaled_mask(tree):
    scaled(tree.path(f"{ANAT}label-x_mask.nii.gz"), INSIDE.astype(np.uint8) * 255, 1 / 255)
    np.testing.assert_array_equal(BidsDataset(str(tree.root)).roi("01", "x"), INSIDE.ravel())


def test_resampled_masks_begin_at_one_half_and_are_told(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", RINGING.astype(np.float32))
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "x"), INSIDE.ravel())
    (text,) = told(data, "note")
    assert "label-x_mask.nii.gz: is not two-valued" in text
    assert f"the {INSIDE.sum()} voxels from 0.5 on" in text
    assert f"of {(RINGING.astype(np.float32) > 0).sum()} above 0" in text


def test_a_mask_of_zeros_and_a_small_share_is_told(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", np.where(INSIDE, 0.4, 0).astype(np.float32))
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "x"), INSIDE.ravel())
    (text,) = told(data, "note")
    assert f"its two values are 0 and 0.4; the {INSIDE.sum()} voxels of 0.4 are in it" in text


def test_a_mask_of_two_shares_holds_the_greater(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", np.where(INSIDE, 0.9, 0.1).astype(np.float32))
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "x"), INSIDE.ravel())
    assert f"the {INSIDE.sum()} voxels from 0.5 on" in told(data, "note")[0]


def test_a_mask_of_huge_numbers(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", np.where(INSIDE, 1e30, 0).astype(np.float32))
    np.testing.assert_array_equal(BidsDataset(str(tree.root)).roi("01", "x"), INSIDE.ravel())


def test_masks_with_nan(tree):
    values = INSIDE.astype(np.float32)
    values[0] = np.nan
    tree.image(f"{ANAT}label-x_mask.nii.gz", values)
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "x"), INSIDE.ravel())
    assert "12 voxels are NaN or infinite and outside" in told(data, "note")[0]


def test_an_empty_mask_is_told(tree):
    tree.image(f"{ANAT}label-x_mask.nii.gz", np.zeros(SHAPE, np.uint8))
    data = BidsDataset(str(tree.root))
    assert not data.roi("01", "x").any()
    assert told(data, "note") == [f"{ANAT}label-x_mask.nii.gz: has no voxel"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.arange(N).reshape(SHAPE).astype(np.int16) % 4, "is not a mask but a segmentation"),
        (np.where(INSIDE, 2, 1).astype(np.uint8), "the values 1, 2 and no 0"),
        (np.where(INSIDE, 2.0, 1.0).astype(np.float32), "the values 1, 2 and no 0"),
        (RINGING * 100, "its values run from"),
        (np.full(SHAPE, np.nan, np.float32), "it holds no number at all"),
    ],
)
def test_what_is_no_mask(tree, values, says):
    tree.image(f"{ANAT}label-x_mask.nii.gz", values)
    data = BidsDataset(str(tree.root))
    assert "x" not in names(data)
    (text,) = told(data, "left out")
    assert says in text
    with pytest.raises(DataError, match="no region 'x'"):
        data.roi("01", "x")


# --- labels --------------------------------------------------------------------------------------


def test_labels_that_a_scale_factor_moved(tree):
    stored = tree.labels.astype(np.int32) * 1000
    scaled(tree.path(f"{ANAT}seg-prfvisualrois_dseg.nii.gz"), stored, 0.00100001)
    moved = np.asarray(nib.load(tree.root / f"{ANAT}seg-prfvisualrois_dseg.nii.gz").dataobj)
    assert (moved != np.rint(moved)).any()
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "V1d"), tree.labels.ravel() == 2)


def test_labels_that_were_interpolated(tree):
    tree.image(f"{ANAT}seg-prfvisualrois_dseg.nii.gz", tree.labels * 0.9)
    data = BidsDataset(str(tree.root))
    assert "V1d" not in names(data)
    assert "voxels hold no whole number, such as" in told(data, "left out")[0]


@pytest.mark.parametrize(
    ("first", "kind", "least"),
    [(2**24, np.float32, "16,777,216"), (2**53, np.float64, "9,007,199,254,740,992")],
)
def test_labels_that_floats_cannot_tell_apart(tree, first, kind, least):
    labels = np.zeros(SHAPE, np.int64)
    labels[0], labels[1] = first, first + 1
    stored = labels.astype(kind)
    assert len(np.unique(stored)) == 2  # two neighbours became one
    tree.image(f"{ANAT}seg-far_dseg.nii.gz", stored)
    data = BidsDataset(str(tree.root))
    assert "far" not in {roi.atlas for roi in data.subject("01").rois}
    (text,) = told(data, "left out")
    assert f"labels from {least} on" in text
    assert "have one number" in text


def test_labels_that_integers_tell_apart(tree):
    labels = np.zeros(SHAPE, np.int32)
    labels[0], labels[1] = 2**24, 2**24 + 1
    tree.image(f"{ANAT}seg-far_dseg.nii.gz", labels)
    data = BidsDataset(str(tree.root))
    np.testing.assert_array_equal(data.roi("01", "far16777217"), (labels == 2**24 + 1).ravel())


def test_labels_beyond_any_integer_are_none(tree):
    labels = np.zeros(SHAPE, np.uint64)
    labels[0], labels[1] = 2**63 + 5, 3
    image = nib.Nifti1Image(labels, AFFINE, dtype="uint64")
    image.to_filename(tree.path(f"{ANAT}seg-far_dseg.nii.gz"))
    (text,) = told(BidsDataset(str(tree.root)), "left out")
    assert "labels from 9,223,372,036,854,775,808 on" in text


def test_large_labels_between_two_whole_numbers_are_none(tree):
    labels = np.zeros(SHAPE)
    labels[0], labels[1] = 100_000, 100_000.5
    tree.image(f"{ANAT}seg-far_dseg.nii.gz", labels)
    assert "voxels hold no whole number" in told(BidsDataset(str(tree.root)), "left out")[0]


def test_labels_below_zero_are_told(tree):
    labels = LABELS.copy()
    labels[4] = -3
    data = with_table(tree, "-3 Neg", "1 A", "2 B", "3 C", "4 D", labels=labels)
    assert "Neg" not in names(data)
    (text,) = told(data, "note")
    assert "labels below 0 are in no region: -3 'Neg' (12 voxels)" in text
    labels[4] = -1  # what lies outside, as in the files of NSD
    data = with_table(tree, "1 A", "2 B", "3 C", "4 D", labels=labels)
    assert told(data, "note") == []
    data = with_table(tree, "-1 Neg", "1 A", "2 B", "3 C", "4 D", labels=labels)
    assert "-1 'Neg' (12 voxels)" in told(data, "note")[0]
    data = with_table(tree, "-1 Unknown", "1 A", "2 B", "3 C", "4 D", labels=labels)
    assert told(data, "note") == []


def test_nan_is_no_region(tree):
    values = tree.labels.astype(np.float32)
    values[0] = np.nan
    tree.image(f"{ANAT}seg-prfvisualrois_dseg.nii.gz", values)
    expected = tree.labels.copy()
    expected[0] = 0
    got = BidsDataset(str(tree.root)).roi("01", "V1d")
    np.testing.assert_array_equal(got, expected.ravel() == 2)


# --- tables --------------------------------------------------------------------------------------

LABELS = np.zeros(SHAPE, np.int16)
LABELS[0], LABELS[1], LABELS[2], LABELS[3] = 1, 2, 3, 4


def with_table(tree, *rows: str, labels: np.ndarray = LABELS) -> BidsDataset:
    tree.image(f"{ANAT}seg-areas_dseg.nii.gz", labels)
    tree.table(f"{ANAT}seg-areas_dseg.tsv", "index name", *rows)
    return BidsDataset(str(tree.root))


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["0 A", "1 B", "2 C", "3 D"], "calls 0 'A'"),
        (["0 A", "1 B", "2 C", "3 D", "4 E"], "calls 0 'A'"),
        (["1 Background", "2 A", "3 B", "4 C", "5 D"], "count the background as 1"),
        (["3 C", "2 B", "1 A"], ""),
        (["7 A", "8 B"], "they have no label in common"),
        (["2.5 A", "1 B"], "the index '2.5' is no whole number"),
        (["1 A", "1 B"], "a label has one name"),
    ],
)
def test_tables_that_do_not_fit(tree, rows, says):
    data = with_table(tree, *rows)
    left_out = told(data, "left out")
    assert bool(left_out) == bool(says)
    if says:
        assert says in left_out[0]
        assert "areas" not in {roi.atlas for roi in data.subject("01").rois}
        with pytest.raises(DataError, match="no region 'B'"):
            data.roi("01", "B")


def test_a_table_that_counts_one_less(tree):
    data = with_table(tree, "1 A", "2 B", "3 C", labels=np.where(LABELS > 1, LABELS, 0))
    assert "the table seems to count from one less" in told(data, "left out")[0]


@pytest.mark.parametrize("zero", ["Background", "Unknown", "n/a", "???"])
def test_zero_may_be_the_background(tree, zero):
    data = with_table(tree, f"0 {zero}", "1 A", "2 B", "3 C", "4 D")
    np.testing.assert_array_equal(data.roi("01", "C"), LABELS.ravel() == 3)
    assert data.subject("01").remarks == ()


def test_labels_of_one_name_are_told(tree):
    data = with_table(tree, "1 V1", "2 V1", "3 C", "4 C")
    np.testing.assert_array_equal(data.roi("01", "V1"), np.isin(LABELS, (1, 2)).ravel())
    (text,) = told(data, "note")
    assert "gives several labels one name, and one region: V1 (1, 2), C (3, 4)" in text


def test_numbers_of_a_table_that_are_shifted_are_a_warning(tree):
    data = with_table(tree, "2 A", "3 B", "4 C", "5 D")
    (text,) = told(data, "warning")
    assert "no name for 1 (12 voxels, in no region)" in text
    assert "no voxel of 1 of 4 regions: D" in text
    assert "is it the table of this image?" in text


@pytest.mark.parametrize("rows", [("1 A", "2 B", "3 C"), ("1 A", "2 B", "3 C", "4 D", "5 E")])
def test_a_table_that_only_lacks_or_only_has_more_is_a_note(tree, rows):
    data = with_table(tree, *rows)
    assert (len(told(data, "note")), told(data, "warning")) == (1, [])


def test_a_colour_table_that_lacks_labels_is_told(tree, tmp_path):
    given = tmp_path / "names.txt"
    given.write_text("1 A 0 0 0 0\n2 B 0 0 0 0\n")
    tree.image(f"{ANAT}seg-areas_dseg.nii.gz", LABELS)
    data = BidsDataset(str(tree.root), lookup=str(given))
    assert "areas3" in names(data)
    (text,) = told(data, "note")
    assert "names.txt has no name for 3, 4 (24 voxels, called by their numbers)" in text


def test_what_is_absent_in_part_is_told(tree):
    data = with_table(tree, "1 A", "2 B", "9 Z", "4 D")
    (text,) = told(data, "warning")
    assert "no name for 3 (12 voxels, in no region)" in text
    assert "no voxel of 1 of 4 regions: Z" in text
    assert not data.roi("01", "Z").any()
    np.testing.assert_array_equal(data.roi("01", "D"), LABELS.ravel() == 4)


# --- families ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "two", "first", "second"),
    [
        ("atlas-4S_scale-156", "atlas-4S_scale-256", "4S156.LH-LGN", "4S256.LH-LGN"),
        ("seg-S1_scale-7", "seg-S1_scale-17", "S1.7.LH-LGN", "S1.17.LH-LGN"),
        ("seg-aparc_desc-a", "seg-aparc_desc-b", "aparc.a.LH-LGN", "aparc.b.LH-LGN"),
        ("seg-x_scale-1_desc-a", "seg-x_scale-2_desc-b", "x1.a.LH-LGN", "x2.b.LH-LGN"),
    ],
)
def test_scale_and_desc_belong_to_the_name_of_a_family(tree, one, two, first, second):
    for k, stem in enumerate((one, two)):
        tree.image(
            f"{ANAT}{stem}_dseg.nii.gz", np.where(LABELS > 0, LABELS + k, 0).astype(np.int16)
        )
        tree.table(f"{ANAT}{stem}_dseg.tsv", "index name", f"{2 + k} LH-LGN", f"{3 + k} only{k}",
                   *[f"{j} o{k}{j}" for j in range(1, 6) if j not in (2 + k, 3 + k)])  # fmt: skip
    data = BidsDataset(str(tree.root))
    assert {first, second, "only0", "only1"} <= names(data)
    assert "LH-LGN" not in names(data)
    for name in (first, second):
        np.testing.assert_array_equal(data.roi("01", name), LABELS.ravel() == 2)


# --- FreeSurfer's numbers ------------------------------------------------------------------------

NUMBERS = np.zeros(SHAPE, np.int32)
NUMBERS[0], NUMBERS[1], NUMBERS[2], NUMBERS[3] = 17, 53, 1021, 2007
CALLED = {"Left-Hippocampus": 17, "Right-Hippocampus": 53, "ctx-lh-pericalcarine": 1021,
          "ctx-rh-fusiform": 2007}  # fmt: skip


def of_atlas(data: BidsDataset, atlas: str) -> set[str]:
    return {roi.name for roi in data.subject("01").rois if roi.atlas == atlas}


@pytest.mark.parametrize(
    "name", ["anat/sub-01_desc-aparcaseg_dseg.nii.gz", f"{ANAT[7:]}seg-aparcaseg_dseg.mgz"]
)
def test_freesurfers_numbers_have_names(tree, name):
    """fMRIPrep's own file has no space label: it is in T1w."""
    kind = nib.MGHImage if name.endswith("mgz") else nib.Nifti1Image
    kind(NUMBERS, AFFINE).to_filename(tree.path(f"sub-01/{name}"))
    data = BidsDataset(str(tree.root))
    assert of_atlas(data, "aparcaseg") == set(CALLED)
    for region, number in CALLED.items():
        np.testing.assert_array_equal(data.roi("01", region), NUMBERS.ravel() == number)


@pytest.mark.parametrize("name", ["aparc+aseg", "aseg", "wmparc", "aparc.DKTatlas+aseg"])
def test_freesurfers_own_files(tree, name):
    nib.MGHImage(NUMBERS, AFFINE).to_filename(tree.path(f"sub-01/mri/{name}.mgz"))
    data = BidsDataset(str(tree.root))
    assert set(CALLED) <= names(data)
    np.testing.assert_array_equal(data.roi("01", "Left-Hippocampus"), NUMBERS.ravel() == 17)


def test_fmripreps_segmentation_on_the_anatomical_grid(tree):
    fine = AFFINE @ np.diag([0.5, 0.5, 0.5, 1])
    tree.image(
        "sub-01/anat/sub-01_desc-aparcaseg_dseg.nii.gz",
        NUMBERS.repeat(2, 0).repeat(2, 1).repeat(2, 2),
        fine,
    )
    data = BidsDataset(str(tree.root))
    (text,) = told(data, "left out")
    assert "desc-aparcaseg_dseg.nii.gz (on another grid: shape 10 × 8 × 6" in text
    assert "--set datasets.bids.resample=true" in text
    with pytest.raises(DataError, match=r"no region 'Left-Hippocampus': .*aparcaseg"):
        data.roi("01", "Left-Hippocampus")
    data = BidsDataset(str(tree.root), resample=True)
    np.testing.assert_array_equal(data.roi("01", "Left-Hippocampus"), NUMBERS.ravel() == 17)


def test_a_table_of_the_data_set_or_of_the_user_goes_first(tree, tmp_path):
    tree.image("sub-01/anat/sub-01_desc-aparcaseg_dseg.nii.gz", NUMBERS)
    table = "#No. Label Name: R G B A\n\n0 Unknown 0 0 0 0\n17 Mine 1 2 3 0\n9999 Far 1 2 3 0\n"
    (tree.root / "FreeSurferColorLUT.txt").write_text(table)
    data = BidsDataset(str(tree.root))
    assert of_atlas(data, "aparcaseg") == {"Mine", "aparcaseg53", "aparcaseg1021", "aparcaseg2007"}
    given = tmp_path / "names.txt"
    given.write_text("53 Other 0 0 0 0\n")
    data = BidsDataset(str(tree.root), lookup=str(given))
    np.testing.assert_array_equal(data.roi("01", "Other"), NUMBERS.ravel() == 53)
    given.write_text("x y z\n")
    data = BidsDataset(str(tree.root), lookup=str(given))
    assert "a number and a name are needed" in told(data, "left out")[0]


def test_other_segmentations_keep_their_numbers(tree):
    tree.image(f"{ANAT}seg-mine_dseg.nii.gz", NUMBERS)
    assert of_atlas(BidsDataset(str(tree.root)), "mine") == {
        "mine17",
        "mine53",
        "mine1021",
        "mine2007",
    }
