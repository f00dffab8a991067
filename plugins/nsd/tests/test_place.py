"""Where the volumes of a tree lie: axes in the order of the first session, differences told."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

from neurodiffuse_nsd.dataset import NsdDataset

from .conftest import AFFINE, SHAPE

SOME = np.random.default_rng(3).random(int(np.prod(SHAPE))) > 0.6


def turn(path, codes: str) -> None:
    """Store a volume with its axes in another order, by nibabel."""
    image = nib.load(path)
    way = ornt_transform(io_orientation(image.affine), axcodes2ornt(codes))
    turned = image.as_reoriented(way)
    data = np.asarray(turned.dataobj).astype(image.get_data_dtype())
    nib.Nifti1Image(data, turned.affine).to_filename(path)


def find(tree, pattern: str):
    return next(tree.root.glob(f"**/{pattern}"))


def betas(data: NsdDataset) -> np.ndarray:
    return np.vstack(list(data.betas("01", SOME)))


def remarks(data: NsdDataset, kind: str) -> list[str]:
    return [r.text for r in data.subject("01").remarks if r.kind == kind]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("codes", ["LAS", "PSR", "ILP"])
def test_a_session_with_other_axes(small, codes, workers):
    data = NsdDataset(str(small.root), format="nifti", workers=workers)
    expected = betas(data)
    assert data.subject("01").remarks == ()
    turn(find(small, "betas_session02.nii.gz"), codes)
    data = NsdDataset(str(small.root), format="nifti", workers=workers)
    np.testing.assert_array_equal(betas(data), expected)
    assert "betas_session02.nii.gz: its axes are put in the order" in remarks(data, "note")[0]


@pytest.mark.parametrize("form", ["nifti", "hdf5"])
def test_regions_and_maps_with_other_axes(small, form):
    data = NsdDataset(str(small.root), format=form)
    names = ("nsdgeneral", "FFA", "V1", "ncsnr", "eccentricity")
    expected = {name: data.roi("01", name) for name in names}
    for pattern in ("roi/nsdgeneral", "roi/floc-faces", "ncsnr", "prf_eccentricity"):
        turn(find(small, f"{pattern}.nii.gz"), "PSL")
    data = NsdDataset(str(small.root), format=form)
    for name in names:
        np.testing.assert_array_equal(data.roi("01", name), expected[name])
    assert "and 3 more: its axes" in remarks(data, "note")[0]


def test_the_first_session_gives_the_order(small):
    plain = betas(NsdDataset(str(small.root), format="nifti"))
    turn(find(small, "betas_session01.nii.gz"), "LAS")
    data = NsdDataset(str(small.root), format="nifti")
    mirrored = np.zeros(SOME.size)
    mirrored[SOME] = np.arange(SOME.sum())
    inside = SOME.reshape(SHAPE)[::-1].ravel()
    got = np.vstack(list(data.betas("01", inside)))
    order = mirrored.reshape(SHAPE)[::-1].ravel()[inside].astype(int)
    np.testing.assert_array_equal(got, plain[:, order])


def test_a_region_that_says_it_lies_elsewhere_is_told(small):
    path = find(small, "roi/nsdgeneral.nii.gz")
    data = np.asarray(nib.load(path).dataobj)
    shifted = AFFINE.copy()
    shifted[2, 3] += 3.6
    nib.Nifti1Image(data, shifted).to_filename(path)
    read = NsdDataset(str(small.root))
    (text,) = remarks(read, "warning")
    assert "roi/nsdgeneral.nii.gz: says that it lies elsewhere than the betas" in text
    assert "shifted by 3.6 mm (x +0, y +0, z +3.6)" in text
    np.testing.assert_array_equal(read.roi("01", "nsdgeneral"), data.ravel() > 0)


def test_a_region_without_a_place(small):
    path = find(small, "roi/nsdgeneral.nii.gz")
    data = np.asarray(nib.load(path).dataobj)
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)
    read = NsdDataset(str(small.root))
    assert "it has no place (the affine is the identity)" in remarks(read, "note")[0]
    np.testing.assert_array_equal(read.roi("01", "nsdgeneral"), data.ravel() > 0)
