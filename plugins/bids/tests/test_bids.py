"""The layout that `neurodiffuse simulate` writes, read back."""

from __future__ import annotations

import numpy as np

from neurodiffuse.testing import check_dataset
from neurodiffuse_bids.dataset import BidsDataset


def test_it_keeps_the_contract(tree):
    check_dataset(BidsDataset(str(tree.root)))


def test_trials_betas_and_grid(tree):
    data = BidsDataset(str(tree.root))
    assert data.subjects() == ("01",)
    about = data.subject("01")
    trials = about.trials
    assert trials.stimulus == tuple(f"stim-{x}" for x in "abcedfaeb")
    assert trials.split == tuple("test" if x in "ef" else "train" for x in "abcedfaeb")
    assert trials.session == ("01",) * 7 + ("02",) * 2
    assert trials.run == ("01",) * 4 + ("02",) * 3 + ("01",) * 2
    assert about.grid.shape == (5, 4, 3)
    assert about.grid.space == "T1w"
    np.testing.assert_array_equal(about.grid.affine, np.diag([2, 2, 2.5, 1]))
    assert about.task == "look"
    assert about.mask == "nsdgeneral"
    voxels = tree.visual.ravel() > 0
    blocks = list(data.betas("01", voxels))
    for block, image in zip(blocks, tree.expected, strict=True):
        np.testing.assert_array_equal(block, image.reshape(-1, image.shape[3])[voxels].T)


def test_regions_masks_atlases_and_maps(tree):
    data = BidsDataset(str(tree.root))
    rois = {roi.name: roi for roi in data.subject("01").rois}
    assert list(rois)[-1] == "eccentricity" or rois["eccentricity"].kind == "map"
    flat = tree.labels.ravel()
    expected = {
        "nsdgeneral": tree.visual.ravel() > 0,
        "V1v": flat == 1,
        "V1d": flat == 2,
        "hV4": flat == 3,
        "V1": (flat == 1) | (flat == 2),
        "V4": flat == 3,
        "FFA": tree.faces.ravel() > 0,
        "faces": tree.faces.ravel() > 0,
    }
    for name, mask in expected.items():
        found = data.roi("01", name)
        assert found.dtype == bool
        np.testing.assert_array_equal(found, mask, err_msg=name)
    assert set(rois) == {*expected, "FFA1", "FFA2", "eccentricity"}
    assert rois["V1v"].atlas == "prfvisualrois"
    assert rois["V1v"].source == "sub-01/anat/sub-01_space-T1w_seg-prfvisualrois_dseg.nii.gz"
    assert rois["eccentricity"].units == "degree"
    np.testing.assert_array_equal(data.roi("01", "eccentricity"), tree.eccentricity.ravel())


def test_stimuli_are_lazy_and_in_the_order_asked_for(tree):
    data = BidsDataset(str(tree.root))
    stimuli = data.stimuli(["stim-e", "stim-a", "stim-b"])
    np.testing.assert_array_equal(stimuli.images[0], tree.images["e"])
    np.testing.assert_array_equal(stimuli.images[1], tree.images["a"])
    assert stimuli.captions == (('a "quoted" word',), ('a red "stop" sign', "an octagon"), ())
    tree.path("stimuli/stim-b_image.png").unlink()
    assert len(stimuli) == 3  # nothing was opened


def test_about(tree):
    about = BidsDataset(str(tree.root)).about()
    assert about == {"name": "Toy", "version": "3", "licence": "CC0", "cite": "Toy et al."}
    tree.json("dataset_description.json", Name="Toy", StimulusWidthDegrees=12.5)
    about = BidsDataset(str(tree.root)).about()
    assert about == {"name": "Toy", "degrees": "12.5"}
