"""The data set keeps the contract, and returns what is in the files."""

from __future__ import annotations

import numpy as np
import pytest
from neurodiffuse_folders.dataset import Folders
from PIL import Image

from neurodiffuse.errors import MissingDataError
from neurodiffuse.testing import check_dataset


@pytest.fixture
def root(tmp_path):
    """Write a small study of one subject."""
    rng = np.random.default_rng(0)
    ids = [f"picture{k}" for k in range(8)]
    (tmp_path / "stimuli").mkdir()
    for name in ids:
        Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(
            tmp_path / "stimuli" / f"{name}.png"
        )
    np.savez(
        tmp_path / "sub-01.npz",
        betas=rng.standard_normal((8, 4, 3, 2)).astype(np.float32),
        stimulus=np.array(ids),
        split=np.array(["train"] * 5 + ["test"] * 3),
        affine=np.diag([2.0, 2, 2, 1]),
        V1=rng.random((4, 3, 2)) > 0.5,
    )
    return str(tmp_path)


def test_it_keeps_the_contract(root):
    check_dataset(Folders(root))


def test_betas_are_those_of_the_file_in_the_order_of_the_trials(root):
    stored = np.load(f"{root}/sub-01.npz")
    voxels = Folders(root).roi("01", "V1")
    (block,) = Folders(root).betas("01", voxels)
    np.testing.assert_array_equal(block, stored["betas"][:, stored["V1"]])


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(MissingDataError, match="no file sub-"):
        Folders(str(tmp_path)).subjects()
