"""Regions by name, against the volumes that were written."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from neurodiffuse import rois
from neurodiffuse.errors import DataError
from neurodiffuse.questions.roi_optimal.regions import PRESETS
from neurodiffuse_nsd.atlases import read_ctab
from neurodiffuse_nsd.dataset import NsdDataset


@pytest.fixture(scope="module")
def data(nsd):
    return NsdDataset(str(nsd.root), n_sessions=1)


def select(data: NsdDataset, expression: str) -> np.ndarray:
    about = data.subject("01")
    parsed = rois.parse(expression, known=[roi.name for roi in about.rois])
    return rois.evaluate(parsed, lambda name: data.roi("01", name), about.grid.size)


@pytest.mark.parametrize(
    ("expression", "atlas", "labels"),
    [
        ("nsdgeneral", "nsdgeneral", [1]),
        ("V1v", "prf-visualrois", [1]),
        ("V1", "prf-visualrois", [1, 2]),
        ("V2", "prf-visualrois", [3, 4]),
        ("V3", "prf-visualrois", [5, 6]),
        ("V4", "prf-visualrois", [7]),
        ("prf-visualrois", "prf-visualrois", range(1, 8)),
        ("OFA", "floc-faces", [1]),
        ("FFA-1", "floc-faces", [2]),
        ("FFA1", "floc-faces", [2]),
        ("FFA", "floc-faces", [2, 3]),
        ("faces", "floc-faces", range(1, 6)),
        ("VWFA", "floc-words", [2, 3]),
        ("words", "floc-words", range(1, 6)),
        ("PPA", "floc-places", [2]),
        ("places", "floc-places", [1, 2, 3]),
        ("EBA", "floc-bodies", [1]),
        ("bodies", "floc-bodies", range(1, 5)),
        ("midventral", "streams", [2]),
        ("IPS0", "Kastner2015", [18]),
        ("LO", "Kastner2015", [14, 15]),
        ("Kastner2015.V1v", "Kastner2015", [1]),
        ("HCP_MMP1.7", "HCP_MMP1", [7]),
        ("ecc4+", "prf-eccrois", [5]),
        ("lh.PPA", "lh.floc-places", [2]),
        ("rh.FFA", "rh.floc-faces", [2, 3]),
        ("lh.nsdgeneral", "lh.nsdgeneral", [1]),
        ("rh.V1", "rh.prf-visualrois", [1, 2]),
    ],
)
def test_a_region_is_its_labels(nsd, data, expression, atlas, labels):
    wanted = np.isin(nsd.roi[1, atlas], list(labels)).ravel()
    assert wanted.any()
    assert np.array_equal(select(data, expression), wanted)


def test_the_algebra(nsd, data):
    visual, faces, general = (
        nsd.roi[1, name] for name in ("prf-visualrois", "floc-faces", "nsdgeneral")
    )
    degrees, ncsnr = nsd.map[1, "prf_eccentricity"], nsd.map[1, "ncsnr"]
    wanted = {
        "V1+V4+faces-V2": (np.isin(visual, [1, 2, 7]) | (faces > 0)) & ~np.isin(visual, [3, 4]),
        "nsdgeneral & ncsnr>0.2": (general == 1) & (ncsnr > np.float32(0.2)),
        "ecc:0.5-1": (degrees >= 0.5) & (degrees < 1),
        "ecc:4-": degrees >= 4,
        "prf_eccentricity>2": degrees > 2,
        "lh&nsdgeneral": (nsd.roi[1, "lh.nsdgeneral"] > -1) & (general == 1),
    }
    for expression, voxels in wanted.items():
        assert np.array_equal(select(data, expression), voxels.ravel()), expression


def test_minus_one_is_in_no_region(nsd, data):
    for region in data.subject("01").rois:
        if region.kind == "mask" and region.atlas in nsd_names(nsd):
            side = f"{region.name[:3]}" if region.name.startswith(("lh.", "rh.")) else ""
            outside = nsd.roi[1, side + region.atlas].ravel() < 1
            assert not data.roi("01", region.name)[outside].any(), region.name


def nsd_names(nsd) -> set[str]:
    return {name for _, name in nsd.roi if not name.startswith(("lh.", "rh."))}


def test_the_presets_of_the_paper_find_their_regions(data):
    known = [roi.name for roi in data.subject("01").rois]
    for regions in PRESETS.values():
        for region in regions:
            rois.parse(region.choices[0], known=known)


def test_noise_ceiling_of_the_averaged_test_pictures(nsd, data):
    shown = [k for k in nsd.ordering[:14] if k <= 1000]
    spread = np.mean([1 / shown.count(k) for k in set(shown)])
    square = nsd.map[1, "ncsnr"].ravel().astype(float) ** 2
    wanted = 100 * square / (square + spread)
    assert np.allclose(data.roi("01", "noiseceiling"), wanted, rtol=1e-5)
    units = {roi.name: roi.units for roi in data.subject("01").rois if roi.kind == "map"}
    assert units == {
        "prf_eccentricity": "degree", "eccentricity": "degree", "ncsnr": "arbitrary",
        "noiseceiling": "percent",
    }  # fmt: skip


def test_names_come_from_a_colour_table_if_there_is_one(small):
    path = small.path("nsddata/freesurfer/subj01/label/streams.mgz.ctab")
    path.write_text("0 Unknown\n1 front\t    \n2 back   10 20 30 0\n\n# a remark\n")
    data = NsdDataset(str(small.root))
    names = {roi.name for roi in data.subject("01").rois if roi.atlas == "streams"}
    assert {n for n in names if n[:3] not in ("lh.", "rh.")} == {"front", "back", "streams"}
    assert np.array_equal(data.roi("01", "back"), (small.roi[1, "streams"] == 2).ravel())
    assert read_ctab(path) == {1: "front", 2: "back"}


def test_fine_parcellations_and_halves_stay_out_of_reports(data):
    about = {roi.name: roi.detail for roi in data.subject("01").rois}
    assert about["HCP_MMP1.7"]
    assert about["lh.PPA"]
    assert not about["PPA"]
    assert not about["HCP_MMP1"]
    assert not about["faces"]


def test_a_users_own_volume_is_a_region(small):
    own = (small.rng.random((7, 6, 5)) > 0.5).astype(np.uint8)
    small.volume("nsddata/ppdata/subj01/func1pt8mm/roi/mine.nii.gz", own)
    assert np.array_equal(NsdDataset(str(small.root)).roi("01", "mine"), own.ravel() > 0)


def rewrite(tree, name: str, labels: np.ndarray, slope: float = 1) -> Path:
    """Write a region file anew, whose values are those stored times a slope."""
    path = tree.root / f"nsddata/ppdata/subj01/func1pt8mm/roi/{name}.nii.gz"
    image = nib.Nifti1Image(labels, nib.load(path).affine)
    image.header.set_slope_inter(slope, 0)
    image.to_filename(path)
    return path


@pytest.mark.parametrize("kind", ["float32", "float64", "scaled", "a little off", "int32"])
def test_labels_are_whole_but_for_rounding(small, kind):
    labels = small.roi[1, "prf-visualrois"]
    if kind == "scaled":
        rewrite(small, "prf-visualrois", labels * np.int16(2501), 1 / 2501)
    elif kind == "a little off":
        rewrite(small, "prf-visualrois", labels + np.float32(0.0009))
    else:
        rewrite(small, "prf-visualrois", labels.astype(kind))
    data = NsdDataset(str(small.root))
    assert data.subject("01").remarks == ()
    for name, own in (("hV4", [7]), ("V1", [1, 2]), ("prf-visualrois", range(1, 8))):
        assert np.array_equal(data.roi("01", name), np.isin(labels, own).ravel()), name


@pytest.mark.parametrize("name", ["prf-visualrois", "HCP_MMP1", "lh.prf-visualrois"])
def test_labels_that_are_no_whole_numbers(small, name):
    labels = small.roi[1, name].astype(np.float32)
    labels[labels == 7] = 6.6
    path = rewrite(small, name, labels)
    data = NsdDataset(str(small.root))
    about = data.subject("01")
    (remark,) = about.remarks
    assert remark.kind == "left out"
    assert f"{name}.nii.gz (is no segmentation, " in remark.text
    assert "such as 6.6" in remark.text
    assert name in about.absent or name.startswith("lh.")
    asked = {"prf-visualrois": "V4", "lh.prf-visualrois": "lh.V1"}.get(name, name)
    with pytest.raises(DataError, match=rf"no region '{asked}': {path}: .*6\.6"):
        data.roi("01", asked)
    assert data.roi("01", "rh.hV4").any()


def test_integers_whose_scale_makes_fractions(small):
    rewrite(small, "prf-visualrois", small.roi[1, "prf-visualrois"], 1.1)
    data = NsdDataset(str(small.root))
    assert {"hV4", "V1"} <= set(data.subject("01").absent)
    with pytest.raises(DataError, match=r"holds? no whole number, such as"):
        data.roi("01", "hV4")


def test_nan_is_no_cortex(small):
    labels = small.roi[1, "lh.nsdgeneral"].astype(np.float32)
    labels[1] = np.nan
    rewrite(small, "lh.nsdgeneral", labels)
    found = NsdDataset(str(small.root)).roi("01", "lh")
    assert np.array_equal(found, (labels > -1).ravel())


def test_nan_is_outside_and_large_labels_are_themselves(small):
    labels = small.roi[1, "nsdgeneral"].astype(np.float32)
    labels[0] = np.nan
    rewrite(small, "nsdgeneral", labels)
    large = small.roi[1, "HCP_MMP1"].astype(np.int32)
    large[large == 1] = 2**16 + 2
    rewrite(small, "HCP_MMP1", large)
    data = NsdDataset(str(small.root))
    assert np.array_equal(data.roi("01", "nsdgeneral"), (labels > 0).ravel())
    assert np.array_equal(data.roi("01", "HCP_MMP1.65538"), (large == 2**16 + 2).ravel())
    assert np.array_equal(data.roi("01", "HCP_MMP1.2"), (large == 2).ravel())
