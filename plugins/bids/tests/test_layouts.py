"""Layouts in the wild: each against plain indexing of the arrays that were written."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from neurodiffuse.testing import check_dataset
from neurodiffuse_bids.dataset import BidsDataset

from .conftest import AFFINE, SHAPE

FUNC = "sub-01/func/sub-01_task-look"
ALL = np.ones(np.prod(SHAPE), bool)
HEADER = "onset duration trial_type stim_id split"


def event(label: str, split: str = "train", kind: str = "image") -> str:
    return f"0 3 {kind} stim-{label} {split}"


def read(data: BidsDataset, label: str = "01") -> np.ndarray:
    return np.vstack(list(data.betas(label, ALL)))


def flat(image: np.ndarray) -> np.ndarray:
    """One row a volume, voxels in C order."""
    return np.stack([image[..., k].ravel() for k in range(image.shape[-1])])


@pytest.mark.parametrize(
    "name",
    [
        "_space-T1w_stat-effect_desc-singletrial_statmap.nii.gz",
        "_space-T1w_desc-singletrial_bold.nii.gz",
        "_desc-betas_bold.nii",
        "_betas.nii.gz",
        "_space-T1w_desc-glm_betaseries.nii.gz",
        "_stat-effect_statmap.nii.gz",
    ],
)
def test_names_of_betas(empty, name):
    image = empty.betas(f"{FUNC}_run-01{name}", 3)
    empty.betas(f"{FUNC}_run-01_desc-preproc_bold.nii.gz", 5)  # a time series is none
    empty.table(f"{FUNC}_run-01_events.tsv", HEADER, event("a"), event("b", "test"), event("a"))
    empty.pictures("a", "b")
    data = BidsDataset(str(empty.root))
    check_dataset(data)
    assert data.subject("01").trials.stimulus == ("stim-a", "stim-b", "stim-a")
    np.testing.assert_array_equal(read(data), flat(image))


def test_a_filter_says_which_files_are_betas(empty):
    empty.betas(f"{FUNC}_desc-singletrial_statmap.nii.gz", 2)
    image = empty.betas(f"{FUNC}_desc-mine_bold.nii.gz", 1)
    empty.table(f"{FUNC}_events.tsv", HEADER, event("a"))
    data = BidsDataset(str(empty.root), betas_filter={"suffix": "bold", "desc": ["mine", "my"]})
    np.testing.assert_array_equal(read(data), flat(image))


def test_several_kinds_must_be_chosen_from(empty):
    for space in ("T1w", "MNI"):
        last = empty.betas(f"{FUNC}_space-{space}_betas.nii.gz", 1)
    empty.table(f"{FUNC}_events.tsv", HEADER, event("a"))
    with pytest.raises(ValueError, match="several kinds of betas: space-MNI task-look betas, "):
        BidsDataset(str(empty.root)).subject("01")
    np.testing.assert_array_equal(read(BidsDataset(str(empty.root), space="MNI")), flat(last))
    with pytest.raises(FileNotFoundError, match="no betas of task-rest"):
        BidsDataset(str(empty.root), task="rest").subject("01")


@pytest.mark.parametrize("entity", ["trial-{}", "contrast-trial{}", "desc-trial{}"])
def test_one_file_per_trial_in_the_order_of_their_numbers(empty, entity):
    images = [
        empty.image(
            f"{FUNC}_run-01_{entity.format(k)}_statmap.nii.gz"
            if "desc" in entity or "trial-" in entity
            else f"{FUNC}_run-01_{entity.format(k)}_stat-effect_statmap.nii.gz",
            empty.rng.normal(size=SHAPE).astype(np.float32),
        )
        for k in range(1, 12)
    ]
    rows = [event("x", "n/a", "fixation").replace("stim-x", "n/a")]
    rows += [event("abc"[k % 3]) for k in range(11)]
    empty.table(f"{FUNC}_run-01_events.tsv", HEADER, *rows)
    data = BidsDataset(str(empty.root))
    assert data.subject("01").trials.stimulus == tuple(f"stim-{'abc'[k % 3]}" for k in range(11))
    np.testing.assert_array_equal(read(data), np.stack([image.ravel() for image in images]))


def test_a_trial_file_with_two_volumes_is_refused(empty):
    empty.betas(f"{FUNC}_trial-1_statmap.nii.gz", 1)
    empty.betas(f"{FUNC}_trial-2_statmap.nii.gz", 2)
    empty.table(f"{FUNC}_events.tsv", HEADER, event("a"), event("b"))
    with pytest.raises(ValueError, match=r"trial-2_statmap\.nii\.gz: has 2 volumes"):
        read(BidsDataset(str(empty.root)))


def test_one_file_per_image_is_matched_by_name_not_by_order(empty):
    made = {
        x: empty.image(f"{FUNC}_stim-{x}_statmap.nii.gz", np.full(SHAPE, ord(x), np.float32))
        for x in "abc"
    }
    empty.table(f"{FUNC}_events.tsv", HEADER, event("c", "test"), event("a"), event("b"))
    data = BidsDataset(str(empty.root))
    trials = data.subject("01").trials
    for row, stimulus, split in zip(read(data), trials.stimulus, trials.split, strict=True):
        np.testing.assert_array_equal(row, made[stimulus[-1]].ravel())
        assert split == ("test" if stimulus == "stim-c" else "train")


def test_laion_names_a_session_with_its_own_table(empty):
    stem = "sub-01/ses-03/func/sub-01_ses-03_task-images"
    image = empty.betas(f"{stem}_space-T1w_stat-effect_desc-SingletrialBetas_statmap.nii.gz", 3)
    empty.image(f"{stem}_space-T1w_desc-Noiseceiling_statmap.nii.gz", image[..., 0])
    empty.table(
        f"{stem}_desc-SingletrialBetas_trials.tsv",
        "run stim_id split",
        "1 stim-a train",
        "1 stim-b test",
        "2 stim-a train",
    )
    empty.table(f"{stem}_run-01_events.tsv", HEADER, event("z"))
    data = BidsDataset(str(empty.root))
    about = data.subject("01")
    assert about.trials.run == ("1", "1", "2")
    assert about.trials.session == ("03",) * 3
    assert [roi.name for roi in about.rois] == ["Noiseceiling"]
    np.testing.assert_array_equal(read(data), flat(image))


def test_things_names_conditions_by_file(empty):
    stem = "sub-01/ses-things01/sub-01_ses-things01_run-2"
    image = empty.betas(f"{stem}_betas.nii.gz", 2)
    rows = ("cat_01.jpg train", "dog.jpg test")
    empty.table(f"{stem}_conditions.tsv", "image_filename split", *rows)
    Image.new("RGB", (4, 4), (9, 8, 7)).save(empty.path("stimuli/cat/cat_01.jpg"))
    data = BidsDataset(str(empty.root))
    assert data.subject("01").trials.stimulus == ("cat_01.jpg", "dog.jpg")
    np.testing.assert_array_equal(read(data), flat(image))
    assert data.stimuli(["cat_01.jpg"]).images[0].shape == (4, 4, 3)


def test_a_session_file_takes_the_events_of_its_runs_in_order(empty):
    stem = "sub-01/ses-1/func/sub-01_ses-1_task-look"
    image = empty.betas(f"{stem}_betas.nii.gz", 4)
    empty.table(f"{stem}_run-10_events.tsv", HEADER, event("c"))
    empty.table(f"{stem}_run-2_events.tsv", HEADER, event("b"), event("a"))
    empty.table(f"{stem}_run-1_events.tsv", HEADER, event("a"))
    empty.table("sub-01/ses-2/func/sub-01_ses-2_task-look_run-1_events.tsv", HEADER, event("z"))
    data = BidsDataset(str(empty.root), sessions=["1"])  # ses-2 has no betas
    trials = data.subject("01").trials
    assert trials.stimulus == ("stim-a", "stim-b", "stim-a", "stim-c")
    assert trials.run == ("1", "2", "2", "10")
    np.testing.assert_array_equal(read(data), flat(image))


def test_rows_without_a_stimulus(empty):
    blank = event("a", "n/a", "blank").replace("stim-a", "n/a")
    rows = [blank, event("a"), blank, event("b", "test")]
    full = empty.betas(f"{FUNC}_run-1_betas.nii.gz", 4)  # a volume for every row
    short = empty.betas(f"{FUNC}_run-2_betas.nii.gz", 2)  # a volume for every stimulus
    for run in (1, 2):
        empty.table(f"{FUNC}_run-{run}_events.tsv", HEADER, *rows)
    data = BidsDataset(str(empty.root))
    assert data.subject("01").trials.stimulus == ("stim-a", "stim-b") * 2
    np.testing.assert_array_equal(read(data), np.vstack([flat(full)[[1, 3]], flat(short)]))


def test_betaseries_of_trial_types(empty):
    images = {t: empty.betas(f"{FUNC}_desc-{t}_betaseries.nii.gz", 2) for t in ("face", "house")}
    rows = [event("a", kind="face"), event("b", kind="house"), event("c", kind="house")]
    empty.table(f"{FUNC}_events.tsv", HEADER, *rows, event("d", kind="face"))
    data = BidsDataset(str(empty.root))
    assert data.subject("01").trials.stimulus == ("stim-a", "stim-d", "stim-b", "stim-c")
    expected = np.vstack([flat(images["face"]), flat(images["house"])])
    np.testing.assert_array_equal(read(data), expected)


def test_scaled_integers(empty):
    stored = empty.rng.integers(-3000, 3000, (*SHAPE, 2)).astype(np.int16)
    image = nib.Nifti1Image(stored, AFFINE)
    image.header.set_slope_inter(1 / 300, 0.5)
    image.to_filename(empty.path(f"{FUNC}_run-1_betas.nii.gz"))
    empty.image(f"{FUNC}_run-2_betas.nii.gz", stored)
    empty.json("task-look_betas.json", ScaleFactor=0.25)
    empty.image(f"{FUNC}_run-3_betas.nii.gz", stored)
    empty.json(f"{FUNC}_run-3_betas.json", ScaleFactor=2)
    for run in (1, 2, 3):
        empty.table(f"{FUNC}_run-{run}_events.tsv", HEADER, event("a"), event("b"))
    got = read(BidsDataset(str(empty.root)))
    expected = flat(stored).astype(float)
    np.testing.assert_allclose(got[:2], expected / 300 + 0.5, rtol=1e-5)
    np.testing.assert_allclose(got[2:4], expected * 0.25, rtol=1e-6)
    np.testing.assert_allclose(got[4:], expected * 2, rtol=1e-6)


def test_large_files_are_read_in_stretches(empty, monkeypatch):
    monkeypatch.setattr("neurodiffuse.readers.volumes.CHUNK", 8 * ALL.size * 2)
    image = empty.betas(f"{FUNC}_betas.nii.gz", 5)
    empty.table(f"{FUNC}_events.tsv", HEADER, *[event("a")] * 5)
    np.testing.assert_array_equal(read(BidsDataset(str(empty.root))), flat(image))


def test_stim_file_alone_names_the_stimulus(empty):
    empty.betas(f"{FUNC}_betas.nii.gz", 2)
    rows = ("0 1 coco/1.png train", "0 1 stim-b_image.png test")
    empty.table(f"{FUNC}_events.tsv", "onset duration stim_file split", *rows)
    made = empty.pictures("b")
    empty.path("stimuli/coco/1.png").write_bytes(
        empty.path("stimuli/stim-b_image.png").read_bytes()
    )
    data = BidsDataset(str(empty.root))
    assert data.subject("01").trials.stimulus == ("coco/1.png", "stim-b")
    for image in data.stimuli(["coco/1.png", "stim-b"]).images:
        np.testing.assert_array_equal(image, made["b"])
    fresh = BidsDataset(str(empty.root))  # before any subject is open
    assert len(fresh.stimuli(["stim-b"])) == 1


def test_events_of_the_raw_data_set(empty, tmp_path):
    image = empty.betas(f"{FUNC}_betas.nii.gz", 1)
    derivative = empty.root
    empty.root = tmp_path / "raw"
    empty.json("dataset_description.json", Name="Raw", BIDSVersion="1.10.0")
    empty.table(f"{FUNC}_events.tsv", HEADER, event("a"))
    data = BidsDataset(str(derivative), events_dir=str(empty.root))
    np.testing.assert_array_equal(read(data), flat(image))


def test_a_tree_that_cannot_be_written_to(tree):
    before = {p: p.stat().st_mtime_ns for p in tree.root.rglob("*")}
    for path in [*before, tree.root]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        check_dataset(BidsDataset(str(tree.root)))
        assert {p: p.stat().st_mtime_ns for p in tree.root.rglob("*")} == before
    finally:
        for path in [*before, tree.root]:
            path.chmod(0o755 if path.is_dir() else 0o644)
