"""What is read of a tree equals a straightforward computation with nibabel and dictionaries."""

from __future__ import annotations

import os
import shutil

import nibabel as nib
import numpy as np
import pytest

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.roi_optimal.rings import Rings, stated_width
from neurodiffuse.run import Run
from neurodiffuse.steps.mask import mask
from neurodiffuse.testing import check_dataset
from neurodiffuse_nsd import nifti, sessions
from neurodiffuse_nsd.dataset import NsdDataset

ALL = {"01": 40, "03": 32, "04": 30}


def run_of(tree, out, label, *settings, chosen=""):
    registry = Registry.installed()
    config = resolve(
        registry, dataset="nsd", subjects=[label], recipe="pixels", root=str(tree.root),
        settings=settings, mask=chosen,
    )  # fmt: skip
    config, dataset = pipeline.open_subjects(config, registry)
    return Run(out, config, registry, dataset, quiet=True)


def by_hand(tree, label, count, voxels, single=False):
    """Return ids and z-scored rows of both sides, in the way of the published script.

    ``voxels`` is bool (x, y, z). Betas are those that were written, whatever the file's order.
    """
    subject, sides = int(label), {"train": {}, "test": {}}
    for t in range(count * 14):
        volume = tree.betas[subject, t // 14 + 1][..., t % 14]
        number = tree.ordering[t]
        picture = tree.pictures[subject - 1, number - 1]
        side = sides["test" if number <= 1000 else "train"]
        key = (f"nsd{picture:05d}", t) if single and number > 1000 else f"nsd{picture:05d}"
        side.setdefault(key, []).append(volume[voxels].astype(float) / 300)
    train, test = (np.stack([np.mean(b, axis=0) for b in side.values()]) for side in sides.values())
    mean, sd = train.mean(axis=0), train.std(axis=0, ddof=1)
    sd[sd == 0] = np.inf
    return sides, (train - mean) / sd, (test - mean) / sd


@pytest.mark.parametrize("form", ["nifti", "hdf5"])
@pytest.mark.parametrize("label", sorted(ALL))
def test_prepared_betas(nsd, tmp_path, label, form):
    run = run_of(nsd, tmp_path / "run", label, f"datasets.nsd.format={form}")
    mask(run, label)
    folder = run.folder("mask", label)
    voxels = nsd.roi[int(label), "nsdgeneral"] == 1
    sides, train, test = by_hand(nsd, label, ALL[label], voxels)
    assert np.allclose(np.load(folder / "train.npy"), train, atol=2e-5)
    assert np.allclose(np.load(folder / "test.npy"), test, atol=2e-5)
    trials = run.subject(label).trials
    assert trials.images("train") == tuple(sides["train"])
    assert trials.images("test") == tuple(sides["test"])
    times = {image: trials.stimulus.count(image) for image in sides["test"]}
    assert times == {image: len(shown) for image, shown in sides["test"].items()}
    assert len(trials) == 14 * ALL[label]


@pytest.mark.parametrize(("label", "used"), [("01", 37), ("03", 32), ("04", 30)])
def test_the_first_37_sessions(nsd, tmp_path, label, used):
    run = run_of(nsd, tmp_path / "run", label, "datasets.nsd.n_sessions=37")
    mask(run, label)
    train, test = by_hand(nsd, label, used, nsd.roi[int(label), "nsdgeneral"] == 1)[1:]
    assert np.allclose(np.load(run.folder("mask", label) / "train.npy"), train, atol=2e-5)
    assert np.allclose(np.load(run.folder("mask", label) / "test.npy"), test, atol=2e-5)
    assert len(set(run.subject(label).trials.session)) == used


def test_single_trials(nsd, tmp_path):
    run = run_of(nsd, tmp_path / "run", "04", "mask.repetitions=single", chosen="V1")
    mask(run, "04")
    voxels = np.isin(nsd.roi[4, "prf-visualrois"], [1, 2])
    train, test = by_hand(nsd, "04", 30, voxels, single=True)[1:]
    assert np.allclose(np.load(run.folder("mask", "04") / "train.npy"), train, atol=2e-5)
    assert np.allclose(np.load(run.folder("mask", "04") / "test.npy"), test, atol=2e-5)


def test_betas_are_percent_in_the_order_of_the_trials(nsd):
    data = NsdDataset(str(nsd.root), n_sessions=3, format="nifti", workers=3)
    voxels = nsd.roi[1, "nsdgeneral"] == 1
    found = np.vstack(list(data.betas("01", voxels.ravel())))
    files = sorted(nsd.root.glob("nsddata_betas/ppdata/subj01/*/*/betas_session0[123].nii.gz"))
    wanted = [nib.load(path).get_fdata()[voxels].T / 300 for path in files]
    assert found.dtype == np.float32
    assert np.allclose(found, np.vstack(wanted), atol=1e-6)


def test_pieces_and_threads_change_nothing(nsd, monkeypatch):
    voxels = (nsd.roi[1, "nsdgeneral"] == 1).ravel()
    whole = np.vstack(
        list(NsdDataset(str(nsd.root), format="nifti", workers=1).betas("01", voxels))
    )
    monkeypatch.setattr(nifti, "BLOCK", 3 * 2 * voxels.size)
    pieces = list(NsdDataset(str(nsd.root), format="nifti", workers=4).betas("01", voxels))
    assert max(map(len, pieces)) == 3
    assert np.array_equal(np.vstack(pieces), whole)
    monkeypatch.setattr(sessions, "IN_FLIGHT", 0)
    alone = list(NsdDataset(str(nsd.root), format="nifti", workers=4).betas("01", voxels))
    assert np.array_equal(np.vstack(alone), whole)


def test_sessions_runs_and_space(nsd):
    about = NsdDataset(str(nsd.root)).subject("03")
    counts = [2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1]
    one = [f"{r:02d}" for r, n in enumerate(counts, start=1) for _ in range(n)]
    assert about.trials.run == tuple(one * 32)
    assert about.trials.session == tuple(f"{s:02d}" for s in range(1, 33) for _ in range(14))
    assert about.grid.shape == (7, 6, 5)
    assert about.grid.space == "func1pt8mm"
    assert about.anatomy.name == "T1_to_func1pt8mm.nii.gz"


@pytest.mark.parametrize("form", ["nifti", "hdf5"])
def test_the_affine_is_that_of_the_volumes(nsd, form):
    affine = NsdDataset(str(nsd.root), format=form).subject("01").grid.affine
    wanted = nib.load(nsd.root / "nsddata/ppdata/subj01/func1pt8mm/roi/nsdgeneral.nii.gz").affine
    assert np.allclose(affine, wanted, atol=1e-6)


def test_stimuli_are_read_one_by_one_as_asked(nsd, monkeypatch):
    data = NsdDataset(str(nsd.root), n_sessions=1)
    ids = data.subject("01").trials.images("train")[::-1]
    stimuli = data.stimuli(ids)
    read = []
    original = type(stimuli.images)._read
    monkeypatch.setattr(
        type(stimuli.images), "_read", lambda s, row: read.append(row) or original(s, row)
    )
    assert np.array_equal(stimuli.images[2], nsd.images[int(ids[2][3:]) - 1])
    assert read == [int(ids[2][3:]) - 1]
    read.clear()
    several = stimuli.images[0:5]
    assert read == sorted(read)
    for image, stimulus in zip(several, ids, strict=False):
        assert np.array_equal(image, nsd.images[int(stimulus[3:]) - 1])


def test_captions_of_coco(nsd):
    data = NsdDataset(str(nsd.root), n_sessions=1)
    ids = data.subject("01").trials.images("train")
    wanted = tuple(tuple(nsd.captions[int(i[3:]) - 1]) for i in ids)
    assert data.stimuli(ids).captions == wanted


def test_captions_of_the_curated_array(nsd, tmp_path):
    table = np.full((73_000, 5), "", "<U20")
    for row, texts in nsd.captions.items():
        table[row, : min(4, len(texts))] = texts[:4]
    np.save(tmp_path / "COCO_73k_annots_curated.npy", table)
    for given in (tmp_path, tmp_path / "COCO_73k_annots_curated.npy"):
        data = NsdDataset(str(nsd.root), n_sessions=1, captions=str(given))
        ids = data.subject("01").trials.images("test")
        assert data.stimuli(ids).captions == tuple(
            tuple(nsd.captions[int(i[3:]) - 1][:4]) for i in ids
        )


def remark_on_captions(data):
    return [remark.text for remark in data.subject("01").remarks if "captions" in remark.text]


@pytest.mark.parametrize("place", ["nsddata_stimuli/stimuli/nsd/annotations", "annots"])
@pytest.mark.parametrize("objects", [False, True])
def test_the_curated_array_goes_before_coco_and_is_named(nsd, tmp_path, place, objects):
    root = tmp_path / "tree"
    shutil.copytree(nsd.root, root, copy_function=os.link)
    ids = ("nsd00001", "nsd73000")
    (said,) = remark_on_captions(NsdDataset(str(root)))
    assert "captions are all of COCO's" in said
    assert "captions_train2017.json" in said
    table = np.full((73_000, 5), "", object if objects else "<U20")
    table[[0, -1], :2] = [["a dog", " a hound "], ["“quoted”", ""]]
    (root / place).mkdir(exist_ok=True)
    np.save(root / place / "COCO_73k_annots_curated.npy", table, allow_pickle=objects)
    data = NsdDataset(str(root))
    assert data.stimuli(ids).captions == (("a dog", "a hound"), ("“quoted”",))
    (said,) = remark_on_captions(data)
    assert said.startswith(f"{root / place / 'COCO_73k_annots_curated.npy'}: captions are those of")
    coco = NsdDataset(str(root), captions="coco")
    assert coco.stimuli(ids).captions == NsdDataset(str(nsd.root)).stimuli(ids).captions
    assert "all of COCO's" in remark_on_captions(coco)[0]


def test_the_root_may_come_from_the_environment(nsd, monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_NSD_ROOT", str(nsd.root))
    assert NsdDataset().subjects() == ("01", "03", "04")


def test_it_keeps_the_contract(nsd):
    check_dataset(NsdDataset(str(nsd.root), n_sessions=2))


def test_the_fingerprint_follows_the_betas_and_not_the_place(small, tmp_path):
    def said(**options) -> str:
        return NsdDataset(str(small.root), **options).fingerprint("01")

    before = said(format="nifti")
    assert said(n_sessions=1, format="nifti") != before
    moved = tmp_path / "moved"
    small.root.rename(moved)
    small.root = moved
    assert said(format="nifti") == before
    path = next(moved.glob("nsddata_betas/**/betas_session02.nii.gz"))
    data = np.asarray(nib.load(path).dataobj).copy()
    data[3, 3, 3, 7] += 1
    nib.Nifti1Image(data, np.eye(4)).to_filename(path)
    assert said(format="nifti") != before


def test_a_scale_in_the_header_goes_before_nsds(small):
    path = next(small.root.glob("nsddata_betas/**/betas_session01.nii.gz"))
    image = nib.Nifti1Image(small.betas[1, 1], nib.load(path).affine)
    image.header.set_slope_inter(0.5, 2)
    image.to_filename(path)
    data = NsdDataset(str(small.root), format="nifti", n_sessions=1)
    voxels = np.ones(210, bool)
    found = np.vstack(list(data.betas("01", voxels)))
    assert np.allclose(found, 0.5 * small.betas[1, 1].reshape(210, 14).T + 2)


def test_formats_may_be_mixed(small):
    next(small.root.glob("nsddata_betas/**/betas_session01.hdf5")).unlink()
    data = NsdDataset(str(small.root))
    assert [p.suffix for p in data.files("01")] == [".gz", ".hdf5"]
    found = np.vstack(list(data.betas("01", np.ones(210, bool))))
    wanted = np.vstack([small.betas[1, s].reshape(210, 14).T / 300 for s in (1, 2)])
    assert np.allclose(found, wanted, atol=1e-6)


def test_hdf5_in_other_chunks(small):
    import h5py

    path = next(small.root.glob("nsddata_betas/**/betas_session01.hdf5"))
    path.unlink()
    with h5py.File(path, "w") as file:
        file.create_dataset("betas", data=small.betas[1, 1].T)
    voxels = small.roi[1, "nsdgeneral"] == 1
    found = np.vstack(list(NsdDataset(str(small.root), n_sessions=1).betas("01", voxels.ravel())))
    assert np.allclose(found, small.betas[1, 1][voxels].T / 300, atol=1e-6)


@pytest.mark.parametrize("form", ["nifti", "hdf5"])
def test_the_space_of_one_millimetre(small, form):
    for part in ("nsddata", "nsddata_betas"):
        folder = small.root / part / "ppdata/subj01/func1pt8mm"
        folder.rename(folder.with_name("func1mm"))
    data = NsdDataset(str(small.root), space="func1mm", format=form)
    grid = data.subject("01").grid
    assert grid.space == "func1mm"
    if form == "hdf5":  # it has no affine, and gets that of NSD's volumes
        assert np.allclose(grid.affine[:3], [[1, 0, 0, -3], [0, 1, 0, -2.5], [0, 0, 1, -2]])
    voxels = data.roi("01", "V1")
    assert np.array_equal(voxels, np.isin(small.roi[1, "prf-visualrois"], [1, 2]).ravel())
    found = np.vstack(list(data.betas("01", voxels)))
    wanted = [small.betas[1, s].reshape(210, 14)[voxels].T / 300 for s in (1, 2)]
    assert np.allclose(found, np.vstack(wanted), atol=1e-6)


def test_rings_of_the_pictures_are_in_degrees(nsd, tmp_path):
    """Pictures of the data set were 8.4 degrees wide (Allen et al. 2022), so 0.5 has its place."""
    rings = Rings(stated_width(run_of(nsd, tmp_path / "run", "01"), None))
    assert rings.width == 8.4
    assert rings.of(1, 840)[0, [420, 420 + 49, 420 + 51, 420 + 401]].tolist() == [0, 0, 1, 4]
