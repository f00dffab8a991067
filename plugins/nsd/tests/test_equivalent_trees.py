"""One subject's sessions and regions written in several ways are the same numbers in place."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from neurodiffuse.errors import NeurodiffuseError
from neurodiffuse_nsd.dataset import NsdDataset

from .conftest import AFFINE, BETAS, SHAPE, TRIALS, Tree

FOLDER = f"nsddata_betas/ppdata/subj01/func1pt8mm/{BETAS}"
ROIS = "nsddata/ppdata/subj01/func1pt8mm/roi"
EVERY = np.ones(np.prod(SHAPE), bool)

some_axes = st.tuples(st.permutations(range(3)), st.tuples(*[st.sampled_from([1, -1])] * 3))
numbers = st.sampled_from(["int16", "float32", "float64", "int16 scaled"])
forms = st.sampled_from(["nifti", "hdf5"])


def write(path: Path, data: np.ndarray, axes, kind: str = "int16", affine=AFFINE) -> None:
    """Write responses (or labels) as an image whose axes are permuted and flipped.

    ``data`` are integers; what is no plain int16 holds the same responses in percent, a 300th.
    """
    percent = data.astype(np.float32) / np.float32(300)
    stored = data if kind.startswith("int16") else percent.astype(kind)
    image = nib.Nifti1Image(stored, affine)
    if kind == "int16 scaled":
        image.header.set_slope_inter(np.float32(1 / 300), 0)
    order, flips = axes
    image = image.as_reoriented(np.array([[order[k], flips[k]] for k in range(3)]))
    image.to_filename(path)


def in_place(data: NsdDataset) -> np.ndarray:
    """Return for each voxel of the data set the voxel of the tree's arrays at its place."""
    grid = data.subject("01").grid
    index = np.vstack([np.indices(grid.shape).reshape(3, -1), np.ones(EVERY.size)])
    own = np.linalg.solve(AFFINE, grid.affine @ index)[:3]
    assert np.abs(own - np.rint(own)).max() < 0.01
    return np.ravel_multi_index(tuple(np.rint(own).astype(int)), SHAPE)


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Tree:
    """One subject with two sessions, whose images are written anew by each example."""
    tree = Tree(tmp_path_factory.mktemp("one") / "nsd", {1: 2})
    tree.design()
    tree.responses(1)
    tree.sessions(1)
    tree.regions(1)
    return tree


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(st.tuples(some_axes, some_axes), st.tuples(numbers, numbers), some_axes, forms)
def test_equivalent_trees(one, turned, kinds, turned_regions, form):
    for session in (1, 2):
        path = one.root / FOLDER / f"betas_session{session:02d}.nii.gz"
        write(path, one.betas[1, session], turned[session - 1], kinds[session - 1])
    for name in ("nsdgeneral", "prf-visualrois"):
        path = one.root / f"{ROIS}/{name}.nii.gz"
        write(path, one.roi[1, name], turned_regions)
    data = NsdDataset(str(one.root), format=form)
    at = in_place(data)
    got = np.vstack(list(data.betas("01", EVERY)))
    stored = np.concatenate([one.betas[1, s] for s in (1, 2)], -1).reshape(-1, 2 * TRIALS).T
    expected = stored.astype(np.float32) / np.float32(300)
    if "int16 scaled" in kinds and form == "nifti":  # a product, not a quotient: the last bit
        np.testing.assert_allclose(got, expected[:, at], rtol=1e-6, atol=1e-9)
    else:
        np.testing.assert_array_equal(got, expected[:, at])
    for name, atlas, label in (("nsdgeneral", "nsdgeneral", 1), ("hV4", "prf-visualrois", 7)):
        wanted = (one.roi[1, atlas] == label).ravel()[at]
        np.testing.assert_array_equal(data.roi("01", name), wanted, err_msg=name)


# --- what is wrong is refused or told -------------------------------------------------------------


def session(tree: Tree) -> Path:
    return tree.root / FOLDER / "betas_session02.nii.gz"


def moved(voxels: float) -> np.ndarray:
    affine = AFFINE.copy()
    affine[0, 3] += 1.8 * voxels
    return affine


PLAIN = ((0, 1, 2), (1, 1, 1))


def a_session_moved_by_a_voxel(tree):
    write(session(tree), tree.betas[1, 2], PLAIN, affine=moved(1))
    return session(tree)


def a_session_of_another_shape(tree):
    write(session(tree), tree.betas[1, 2][:-1], PLAIN)
    return session(tree)


def a_session_of_another_shape_with_other_axes(tree):
    write(session(tree), tree.betas[1, 2].transpose(1, 0, 2, 3), PLAIN)
    return session(tree)


def a_float_session_at_300_times_the_others(tree):
    nib.Nifti1Image(tree.betas[1, 2].astype(np.float32), AFFINE).to_filename(session(tree))
    return session(tree)


def a_complex_session(tree):
    nib.Nifti1Image(tree.betas[1, 2].astype(np.complex64), AFFINE).to_filename(session(tree))
    return session(tree)


def a_session_cut_off(tree):
    session(tree).write_bytes(session(tree).read_bytes()[:-200])
    return session(tree)


def a_session_with_a_trial_too_few(tree):
    write(session(tree), tree.betas[1, 2][..., :-1], PLAIN)
    return session(tree)


def a_session_whose_link_leads_nowhere(tree):
    session(tree).unlink()
    session(tree).symlink_to("../../.git/annex/objects/XX/MD5E-s1--0.nii.gz")
    return session(tree)


def a_region_moved_by_two_voxels(tree):
    path = tree.root / f"{ROIS}/prf-visualrois.nii.gz"
    write(path, tree.roi[1, "prf-visualrois"], PLAIN, affine=moved(2))
    return path


def a_region_with_a_label_that_is_no_whole_number(tree):
    path = tree.root / f"{ROIS}/prf-visualrois.nii.gz"
    labels = tree.roi[1, "prf-visualrois"].astype(np.float32)
    labels[labels == 7] = 6.6
    nib.Nifti1Image(labels, AFFINE).to_filename(path)
    return path


def an_hdf5_session_of_floats(tree):
    path = session(tree).with_name("betas_session02.hdf5")
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=tree.betas[1, 2].T.astype(np.float32))
    return path


WRONG = {
    a_session_moved_by_a_voxel: "mm|grid|place|affine",
    a_session_of_another_shape: "shape|grid",
    a_session_of_another_shape_with_other_axes: "shape|grid|axes",
    a_float_session_at_300_times_the_others: "300|times|scale|percent|spread",
    a_complex_session: "complex|type",
    a_session_cut_off: "cut off|damaged",
    a_session_with_a_trial_too_few: "trials",
    a_session_whose_link_leads_nowhere: "link|not there|leads nowhere",
    a_region_moved_by_two_voxels: "mm|grid|place|affine",
    a_region_with_a_label_that_is_no_whole_number: r"6\.6|whole",
    an_hdf5_session_of_floats: "float|integers|int16",
}


@pytest.mark.parametrize("spoil", WRONG, ids=lambda spoil: spoil.__name__.replace("_", "-"))
def test_what_is_wrong_is_refused_or_told(small, spoil):
    path = spoil(small)
    data = NsdDataset(str(small.root), format="hdf5" if path.suffix == ".hdf5" else "nifti")
    try:
        said = [remark.text for remark in data.subject("01").remarks]
        for _ in data.betas("01", EVERY):
            pass
        data.roi("01", "hV4")
        said += [remark.text for remark in data.subject("01").remarks]
    except NeurodiffuseError as error:
        said = [str(error)]
        assert "\n" not in said[0]
    fitting = [t for t in said if path.name in t and re.search(WRONG[spoil], t)]
    assert fitting, said
