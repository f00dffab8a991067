"""Betas and regions on fsaverage, both hemispheres, decoded to the end."""

from __future__ import annotations

import os
import shutil

import nibabel as nib
import numpy as np
import pytest
from nibabel.freesurfer.mghformat import MGHImage

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import DataError
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import Run, opened
from neurodiffuse_nsd.dataset import NsdDataset

N, NATIVE = 163_842, {"lh": 500, "rh": 600}


@pytest.fixture(scope="module")
def flat(nsd, tmp_path_factory):
    """Two sessions on fsaverage beside NSD's own design; values of few vertices are not 0."""
    root, rng = tmp_path_factory.mktemp("flat"), np.random.default_rng(3)
    tree = type(nsd)(root, {1: 2})
    for part in ("nsddata/experiments", "nsddata_stimuli"):
        shutil.copytree(nsd.root / part, root / part)
    tree.ordering, tree.pictures = nsd.ordering, nsd.pictures
    tree.surface, tree.labels = {}, {}

    def save(name: str, values: np.ndarray) -> np.ndarray:
        shape = (len(values), 1, 1, *values.shape[1:])
        MGHImage(values.reshape(shape), np.eye(4)).to_filename(tree.path(name))
        return values

    betas = "nsddata_betas/ppdata/subj01/fsaverage/betas_fithrf_GLMdenoise_RR"
    for side, count in NATIVE.items():
        for session in (1, 2):
            values = np.zeros((N, 14), np.float32)
            values[:3000] = rng.normal(0, 2, (3000, 14))
            values[7] = np.nan
            tree.surface[side, session] = save(
                f"{betas}/{side}.betas_session0{session}.mgh", values
            )
        general = np.zeros(N, np.int32)
        general[1000:1200] = 1
        place = "nsddata/freesurfer/fsaverage/label"
        tree.labels[side, "nsdgeneral"] = save(f"{place}/{side}.nsdgeneral.mgz", general)
        native = rng.integers(0, 8, count).astype(np.int32)
        save(f"nsddata/freesurfer/subj01/label/{side}.prf-visualrois.mgz", native)
        degrees = rng.random(count).astype(np.float32) * 5
        save(f"nsddata/freesurfer/subj01/label/{side}.prfeccentricity.mgz", degrees)
        way = rng.integers(1, count + 1, N).astype(np.float32)
        save(f"nsddata/ppdata/subj01/transforms/{side}.white-to-fsaverage.mgz", way)
        index = way.astype(int) - 1
        tree.labels[side, "visual"], tree.labels[side, "ecc"] = native[index], degrees[index]
    return tree


def both(tree, name: str) -> np.ndarray:
    return np.concatenate([tree.labels[side, name] for side in ("lh", "rh")])


def test_betas_are_percent_already_and_left_comes_first(flat):
    data = NsdDataset(str(flat.root), space="fsaverage")
    about = data.subject("01")
    assert about.grid.shape == (2 * N, 1, 1)
    assert about.grid.is_surface
    voxels = data.roi("01", "nsdgeneral")
    found = np.vstack(list(data.betas("01", voxels)))
    wanted = [
        np.vstack([flat.surface[side, session][1000:1200] for side in ("lh", "rh")]).T
        for session in (1, 2)
    ]
    assert found.dtype == np.float32
    assert np.array_equal(found, np.vstack(wanted))


def test_regions_come_from_fsaverage_or_along_the_subjects_own_surface(flat):
    data = NsdDataset(str(flat.root), space="fsaverage")
    assert np.array_equal(data.roi("01", "nsdgeneral"), both(flat, "nsdgeneral") == 1)
    assert np.array_equal(data.roi("01", "V1"), np.isin(both(flat, "visual"), [1, 2]))
    left = np.isin(flat.labels["lh", "visual"], [7])
    assert np.array_equal(data.roi("01", "lh.V4"), np.concatenate([left, np.zeros(N, bool)]))
    assert np.array_equal(data.roi("01", "rh"), np.arange(2 * N) >= N)
    assert np.array_equal(data.roi("01", "eccentricity"), both(flat, "ecc"))


@pytest.mark.slow
def test_decoding_to_the_report(flat, tmp_path):
    registry = Registry.installed()
    config = resolve(
        registry, dataset="nsd", subjects=["1"], recipe="pixels", root=str(flat.root),
        settings=["datasets.nsd.space=fsaverage", "score.bootstrap=20", "score.oracle=false"],
    )  # fmt: skip
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(tmp_path / "run", config, registry, dataset, quiet=True)
    plan_of(run)
    with opened(run):
        pipeline.execute(run)
    image = nib.load(run.folder("mask", "01") / "mask.nii.gz")
    assert image.shape == (2 * N, 1, 1)
    assert np.array_equal(np.asarray(image.dataobj).ravel() == 1, both(flat, "nsdgeneral") == 1)
    page = (run.path / "report.html").read_text()
    assert "The mask (white line) on fsaverage, inflated and flat" in page
    assert page.count('alt="Cortex of sub-01') == 1
    answer = weights(run, Question(measures=("l1",), pictures=False))
    files = sorted((answer.folder / "sub-01" / "func").glob("*.shape.gii"))
    found = np.concatenate([nib.load(file).darrays[0].data for file in files])
    assert [file.name.split("_")[2] for file in files] == ["hemi-L", "hemi-R"]
    assert not found[both(flat, "nsdgeneral") != 1].any()
    assert np.count_nonzero(found) > 300


@pytest.mark.parametrize("side", ["lh", "rh"])
def test_a_session_in_another_unit(flat, tmp_path, side):
    root = tmp_path / "copy"
    shutil.copytree(flat.root, root, copy_function=os.link)
    path = next(root.glob(f"**/{side}.betas_session02.mgh"))
    path.unlink()
    MGHImage((flat.surface[side, 2] * 300)[:, None, None], np.eye(4)).to_filename(path)
    with pytest.raises(DataError, match=f"the spread of {path.name} is 3.. times that of"):
        NsdDataset(str(root), space="fsaverage").subject("01")


def test_a_truncated_file(flat, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(flat.root, root, copy_function=os.link)
    path = next(root.glob("**/rh.betas_session02.mgh"))
    content = path.read_bytes()[:-100]
    path.unlink()
    path.write_bytes(content)
    with pytest.raises(DataError) as error:
        NsdDataset(str(root), space="fsaverage").subject("01")
    assert str(path) in str(error.value)
    assert "--space fsaverage" in str(error.value)
