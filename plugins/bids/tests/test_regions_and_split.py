"""Regions by name, aliases, and which images test."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from neurodiffuse.errors import DataError
from neurodiffuse_bids.dataset import BidsDataset

from .conftest import SHAPE

ANAT = "sub-01/anat/sub-01_space-T1w_"


def names(data: BidsDataset) -> set[str]:
    return {roi.name for roi in data.subject("01").rois}


def same(data: BidsDataset, name: str, expected: np.ndarray) -> None:
    np.testing.assert_array_equal(data.roi("01", name), expected.ravel(), err_msg=name)


def test_hemispheres_are_joined(tree):
    left = tree.mask(f"{ANAT}hemi-L_label-PPA_mask.nii.gz") > 0
    right = tree.mask(f"{ANAT}hemi-R_label-PPA_mask.nii.gz") > 0
    data = BidsDataset(str(tree.root))
    same(data, "lh.PPA", left)
    same(data, "rh.PPA", right)
    same(data, "PPA", left | right)


def test_no_minus_one_leaks(tree):
    values = tree.rng.integers(-1, 2, SHAPE).astype(np.int8)
    tree.image(f"{ANAT}label-nsdgeneral_mask.nii.gz", values)
    same(BidsDataset(str(tree.root)), "nsdgeneral", values == 1)
    assert (values == -1).any()


def test_a_lookup_table_with_one_name_twice(tree):
    tree.table(f"{ANAT}seg-flocfaces_dseg.tsv", "index name", "1 FFA", "2 FFA")
    same(BidsDataset(str(tree.root)), "FFA", tree.faces > 0)


def test_a_lookup_table_further_up_and_none(tree):
    tree.path(f"{ANAT}seg-flocfaces_dseg.tsv").rename(tree.root / "seg-flocfaces_dseg.tsv")
    tree.path(f"{ANAT}seg-prfvisualrois_dseg.tsv").unlink()
    data = BidsDataset(str(tree.root))
    same(data, "FFA2", tree.faces == 2)
    same(data, "prfvisualrois3", tree.labels == 3)
    assert "prfvisualrois-1" not in names(data)


def test_a_name_of_two_atlases_is_qualified(tree):
    other = tree.image(f"{ANAT}seg-kastner_dseg.nii.gz", tree.labels[::-1].copy())
    tree.table(f"{ANAT}seg-kastner_dseg.tsv", "index name", "1 V1v", "2 V1d", "3 VO1")
    data = BidsDataset(str(tree.root))
    same(data, "kastner.V1v", other == 1)
    same(data, "prfvisualrois.V1v", tree.labels == 1)
    same(data, "VO1", other == 3)
    same(data, "V1", (tree.labels == 1) | (tree.labels == 2))
    assert "V1v" not in names(data)


def test_masks_of_runs_are_intersected(empty):
    stem = "sub-01/func/sub-01_task-look_run-{}"
    masks = []
    for run in (1, 2):
        empty.betas(f"{stem.format(run)}_betas.nii.gz", 1)
        empty.table(f"{stem.format(run)}_events.tsv", "onset stim_id split", "0 a train")
        masks.append(empty.mask(f"{stem.format(run)}_desc-brain_mask.nii.gz") > 0)
    empty.mask("sub-01/func/sub-01_task-rest_desc-brain_mask.nii.gz")
    data = BidsDataset(str(empty.root))
    same(data, "brain", masks[0] & masks[1])
    assert data.subject("01").mask == "brain"


def test_other_spaces_are_left_alone(tree):
    before = names(BidsDataset(str(tree.root)))
    tree.image("sub-01/anat/sub-01_desc-brain_mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    tree.image("sub-01/anat/sub-01_space-T1w_res-1_label-LO_mask.nii.gz", np.ones((9, 9, 9), "u1"))
    assert names(BidsDataset(str(tree.root))) == before
    tree.image(f"{ANAT}label-LO_mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    keep = BidsDataset(str(tree.root), regions_filter={"label": ["nsdgeneral"]})
    assert names(keep) == {"nsdgeneral"}


def test_without_a_space_label_anat_is_another_space(empty):
    empty.betas("sub-01/func/sub-01_betas.nii.gz", 1)
    empty.table("sub-01/func/sub-01_events.tsv", "onset stim_id split", "0 a train")
    empty.image("sub-01/anat/sub-01_desc-brain_mask.nii.gz", np.ones((9, 9, 9), np.uint8))
    empty.image("sub-01/anat/sub-01_T1w.nii.gz", np.ones((9, 9, 9), np.uint8))
    about = BidsDataset(str(empty.root)).subject("01")
    assert about.rois == ()
    assert about.anatomy is None


def test_no_mask_means_all(tree):
    tree.path(f"{ANAT}label-nsdgeneral_mask.nii.gz").unlink()
    assert BidsDataset(str(tree.root)).subject("01").mask == "all"


def test_anatomy(tree):
    assert BidsDataset(str(tree.root)).subject("01").anatomy is None
    tree.image("sub-01/anat/sub-01_space-MNI_T1w.nii.gz", np.ones(SHAPE, np.float32))
    tree.image("sub-01/anat/sub-01_desc-preproc_T1w.nii.gz", np.ones((9, 9, 9), np.float32))
    anatomy = BidsDataset(str(tree.root)).subject("01").anatomy
    assert anatomy is not None
    assert anatomy.name == "sub-01_desc-preproc_T1w.nii.gz"


@pytest.mark.parametrize("ending", ["toml", "tsv"])
def test_the_users_names(tree, tmp_path, ending):
    file = tmp_path / f"names.{ending}"
    if ending == "toml":
        text = 'V1 = ["V1v"]\nmine = ["V1", "FFA", "OFA?"]\nfar = "eccentricity"\n'
    else:
        text = "name\trois\nV1\tV1v\nmine\tV1+FFA+OFA?\nfar\teccentricity\n"
    file.write_text(text)
    data = BidsDataset(str(tree.root), alias_file=str(file))
    same(data, "V1", tree.labels == 1)
    same(data, "mine", (tree.labels == 1) | (tree.faces > 0))
    np.testing.assert_array_equal(data.roi("01", "far"), tree.eccentricity.ravel())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('mine = ["V1w"]', r"mine is made of V1w, which is no region here. Did you mean 'V1v'"),
        ('a = ["b"]\nb = ["a"]', "a → b → a leads back to itself"),
        ("mine = 3", "mine = 3; regions are needed"),
        ("mine = [", "cannot be read as TOML"),
        ('mine = ["V1v", "eccentricity"]', "only masks can be joined"),
        ('mine = ["OFA?"]', "this subject has none of OFA"),
    ],
)
def test_names_that_cannot_be(tree, tmp_path, text, message):
    file = tmp_path / "names.toml"
    file.write_text(text)
    with pytest.raises(DataError, match=message):
        BidsDataset(str(tree.root), alias_file=str(file)).subject("01")


def of_test(data: BidsDataset) -> set[str]:
    return {s.removeprefix("stim-") for s in data.subject("01").trials.images("test")}


def test_rules(tree):
    root = str(tree.root)
    assert of_test(BidsDataset(root)) == {"e", "f"}
    assert of_test(BidsDataset(root, split="repeats>=2")) == {"a", "b", "e"}
    low = {x for x in "abcdef" if int(hashlib.sha256(x.encode()).hexdigest()[:8], 16) < 2**31}
    assert of_test(BidsDataset(root, split="fraction:0.5")) == low
    assert 0 < len(low) < 6


def test_shared_images_test(tree):
    stem = "sub-02/func/sub-02_task-look"
    tree.betas(f"{stem}_betas.nii.gz", 2)
    tree.table(f"{stem}_events.tsv", "onset stim_id", "0 stim-c", "4 stim-d")
    assert of_test(BidsDataset(str(tree.root), split="shared")) == {"c", "d"}


def test_a_file_may_leave_images_out(tree, tmp_path):
    file = tmp_path / "split.tsv"
    rows = ["stim_id\tsplit", "a\ttest", "stim-b\ttrain", "c\ttrain", "d\tn/a", "e\ttrain"]
    file.write_text("\n".join(rows))
    data = BidsDataset(str(tree.root), split_file=str(file))
    with pytest.raises(DataError, match="says nothing of 1 images of sub-01, such as stim-f"):
        data.subject("01")
    file.write_text("\n".join([*rows, "f\tn/a"]))
    trials = data.subject("01").trials
    assert trials.stimulus == tuple(f"stim-{x}" for x in "abceaeb")
    assert of_test(data) == {"a"}
    got = np.vstack(list(data.betas("01", np.ones(np.prod(SHAPE), bool))))
    rows = [tree.expected[0][..., k] for k in range(4)] + [tree.expected[1][..., 2]]
    np.testing.assert_array_equal(got[:5], np.stack([row.ravel() for row in rows]))


def test_the_catalogue_of_stimuli_may_hold_the_split(tree):
    for path in tree.root.rglob("*_events.tsv"):
        path.write_text(path.read_text().replace("split", "other"))
    rows = [f"stim-{x} {'test' if x == 'a' else 'train'}" for x in "abcdef"]
    tree.table("stimuli/stimuli.tsv", "stim_id split", *rows)
    assert of_test(BidsDataset(str(tree.root))) == {"a"}
