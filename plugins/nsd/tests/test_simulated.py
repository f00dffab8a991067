"""A simulated tree has NSD's names, types, index bases and labels, and the planted answers."""

from __future__ import annotations

import csv
import json

import h5py
import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from scipy.io import loadmat

from neurodiffuse.cli import cli
from neurodiffuse.errors import ConfigError, RunError
from neurodiffuse.simulate.study import Settings
from neurodiffuse_nsd.dataset import NsdDataset
from neurodiffuse_nsd.simulate.geometry import placed, refined
from neurodiffuse_nsd.simulate.layout import NsdLayout
from neurodiffuse_nsd.simulate.plan import plan

SMALL = Settings(subjects=2, train=40, test=12, sessions=2, size=32, noise=(0.0,))
FUNC = "nsddata/ppdata/subj0{}/func1pt8mm"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made") / "tree"
    NsdLayout(format="both", pixels=40).write(root, SMALL)
    return root


def table(path, delimiter="\t") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_the_design_has_nsds_shapes_and_counts_from_one(made):
    design = loadmat(made / "nsddata/experiments/nsd/nsd_expdesign.mat")
    assert design["masterordering"].shape == (1, 76)
    assert design["subjectim"].shape == (8, 10_000)
    assert design["sharedix"].shape == (1, 1000)
    assert design["stimpattern"].shape == (2, 12, 75)
    assert design["basiccnt"].shape == (3, 2)
    pictures, shared = design["subjectim"], design["sharedix"][0]
    assert all(np.array_equal(row[:1000], shared) for row in pictures)
    everyone = np.concatenate([shared, pictures[:, 1000:].ravel()])
    assert np.array_equal(np.sort(everyone), np.arange(1, 73_001))
    order = design["masterordering"][0]
    assert set(order) == {*range(1, 13), *range(1001, 1041)}
    assert design["stimpattern"].sum() == 76
    assert design["basiccnt"].sum(axis=1).tolist() == [52, 12, 12]


def test_the_table_of_pictures(made):
    rows = table(made / "nsddata/experiments/nsd/nsd_stim_info_merged.csv", ",")
    assert len(rows) == 73_000
    assert list(rows[0])[1:10] == [
        "cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000", "shared1000",
        "subject1",
    ]  # fmt: skip
    assert list(rows[0])[-1] == "subject8_rep2"
    design = loadmat(made / "nsddata/experiments/nsd/nsd_expdesign.mat")
    for trial, number in enumerate(design["masterordering"][0], start=1):
        row = rows[int(design["subjectim"][1, number - 1]) - 1]
        assert row["subject2"] == "1"
        assert str(trial) in (row["subject2_rep0"], row["subject2_rep1"], row["subject2_rep2"])
        assert row["shared1000"] == str(number <= 1000)
    assert [row["nsdId"] for row in rows] == [str(k) for k in range(73_000)]


def test_betas_are_nsds_in_both_formats(made):
    folder = made / "nsddata_betas/ppdata/subj02/func1pt8mm/betas_fithrf_GLMdenoise_RR"
    for session in ("01", "02"):
        image = nib.load(folder / f"betas_session{session}.nii.gz")
        data = np.asarray(image.dataobj)
        assert image.get_data_dtype() == np.int16
        assert image.shape == (28, 28, 20, 38)
        assert image.header.get_zooms()[:3] == pytest.approx((1.8, 1.8, 1.8))
        assert np.allclose(image.affine[:3, 3], -1.8 * (np.array([28, 28, 20]) - 1) / 2)
        with h5py.File(folder / f"betas_session{session}.hdf5") as file:
            assert list(file) == ["betas"]
            assert file["betas"].chunks == (38, 1, 1, 1)
            assert np.array_equal(file["betas"][()].transpose(3, 2, 1, 0), data)
        brain = nib.load(made / FUNC.format(2) / "brainmask.nii.gz").get_fdata() > 0
        assert not data[~brain].any()
        assert (data[brain].std(axis=1) > 0).mean() > 0.9


def test_labels_of_regions(made):
    folder = made / FUNC.format(1) / "roi"
    cortex = {}
    for side in ("", "lh.", "rh."):
        for atlas, n in (("prf-visualrois", 7), ("floc-faces", 5), ("nsdgeneral", 1)):
            values = np.asarray(nib.load(folder / f"{side}{atlas}.nii.gz").dataobj)
            assert values.min() == -1
            assert 0 in values
            assert values.max() <= n
            cortex.setdefault(side, values >= 0)
            assert np.array_equal(cortex[side], values >= 0)
    assert np.array_equal(cortex[""], cortex["lh."] | cortex["rh."])
    assert not (cortex["lh."] & cortex["rh."]).any()


def test_planted_regions_and_maps_are_found_by_name(made):
    data = NsdDataset(str(made))
    truth = table(made / "simulated_truth/sub-01_voxels.tsv")
    shape = data.subject("01").grid.shape
    flat = [np.ravel_multi_index([int(row[k]) for k in "ijk"], shape) for row in truth]
    assert np.array_equal(np.flatnonzero(data.roi("01", "nsdgeneral")), flat)
    for name, planted in {
        "V1": ("V1v", "V1d"), "V4": ("hV4",), "FFA": ("FFA1", "FFA2"), "PPA": ("PPA",),
        "faces": ("OFA", "FFA1", "FFA2"), "LO": ("LO",), "HCP_MMP1.V2": ("V2v", "V2d"),
    }.items():  # fmt: skip
        wanted = [f for f, row in zip(flat, truth, strict=True) if row["region"] in planted]
        assert np.array_equal(np.flatnonzero(data.roi("01", name)), wanted), name
    left = [f for f, row in zip(flat, truth, strict=True) if row["hemisphere"] == "L"]
    assert np.array_equal(np.flatnonzero(data.roi("01", "lh.nsdgeneral")), left)
    degrees = [float(row["eccentricity"]) for row in truth]
    assert np.allclose(data.roi("01", "eccentricity")[flat], degrees, atol=1e-3)


def test_responses_are_the_planted_ones(made):
    """Without noise a picture's repetitions agree, and so do both formats."""
    both = []
    for form in ("nifti", "hdf5"):
        data = NsdDataset(str(made), format=form)
        about = data.subject("01")
        both.append(np.vstack(list(data.betas("01", data.roi("01", "V1")))))
    assert np.array_equal(*both)
    test = about.trials.images("test")
    assert len(test) == 12
    for image in test:
        rows = [k for k, s in enumerate(about.trials.stimulus) if s == image]
        assert len(rows) == 3
        together = np.corrcoef(both[0][rows])
        assert together.min() > 0.9
    assert len(about.trials.images("train")) == 40


def test_pictures_and_captions_belong_together(made):
    study = plan(SMALL).study
    data = NsdDataset(str(made))
    trials = data.subject("02").trials
    ids = trials.images("test") + trials.images("train")
    stimuli = data.stimuli(ids)
    assert stimuli.images[0].shape == (40, 40, 3)
    own = [study.album.pictures[k] for k in study.album.seen_by(1)]
    for image, captions in zip(stimuli.images, stimuli.captions, strict=True):
        same = [p for p in own if sorted(p.captions) == sorted(captions)]
        seen = image.reshape(8, 5, 8, 5, 3).mean((1, 3))
        apart = [np.abs(seen - p.image.reshape(8, 4, 8, 4, 3).mean((1, 3))).mean() for p in same]
        assert min(apart) < 6


def test_a_subject_has_at_most_its_published_sessions():
    made = plan(Settings(subjects=4, train=80, train_repetitions=9, test=80, sessions=40, size=16))
    assert [trials[-1].session for trials in made.study.trials] == [40, 40, 32, 30]
    assert made.pattern.shape == (40, 12, 75)
    assert made.pattern.sum() == len(made.columns) == 960
    assert {len({t.session for t in made.trials})} == {40}


def test_finer_voxels_in_a_larger_volume():
    coarse = plan(SMALL).study.brains[0].geometry
    fine = placed(refined(coarse, 2.0), (60, 60, 44))
    assert fine.n_voxels == 8 * coarse.n_voxels
    where = fine.millimetres[fine.hemisphere == "L"][:, 0]
    assert (where < 1.5).all()
    for name in ("V1v", "PPA"):
        centres = [
            g.millimetres[[r.name == name for r in g.region]].mean(axis=0) for g in (coarse, fine)
        ]
        assert np.allclose(*centres, atol=1.6)
    ranks = [o for o, r, h in zip(fine.order, fine.region, fine.hemisphere, strict=True)
             if r.name == "PPA" and h == "R"]  # fmt: skip
    assert sorted(ranks) == list(range(len(ranks)))
    with pytest.raises(ConfigError, match="smaller scale"):
        placed(refined(coarse, 4.0), (81, 104, 83))


def test_the_command(tmp_path):
    out = tmp_path / "tree"
    words = ["simulate", str(out), "--layout", "nsd", "--subjects", "1", "--train", "30", "--test",
             "10", "--sessions", "1", "--set", "pixels=16"]  # fmt: skip
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 0, result.output
    assert "in NSD's layout" in result.output
    assert "not the Natural Scenes Dataset" in (out / "README.md").read_text()
    captions = out / "nsddata_stimuli/stimuli/nsd/annotations/captions_train2017.json"
    assert set(json.loads(captions.read_text())) == {"info", "annotations"}
    again = CliRunner().invoke(cli, words)
    assert isinstance(again.exception, RunError)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--layout", "nds"], "Did you mean 'nsd'?"),
        (["--layout", "nsd", "--set", "pixel=3"], "Did you mean 'pixels'?"),
        (["--layout", "nsd", "--set", "pixels"], "key=value"),
        (["--layout", "nsd", "--set", "scale=9"], "from 0.5 to 4"),
        (["--layout", "nsd", "--set", "format=raw"], "'nifti', 'hdf5', 'both'"),
        (["--layout", "bids", "--set", "scale=2"], "no such option"),
        (["--layout", "nsd", "--subjects", "9"], "NSD has 8"),
        (["--layout", "nsd", "--train", "9500"], "NSD has 9000"),
        (["--layout", "nsd", "--train", "2000", "--sessions", "1"], "more sessions"),
    ],
)
def test_settings_that_cannot_be(tmp_path, words, said):
    result = CliRunner().invoke(cli, ["simulate", str(tmp_path / "x"), "--subjects", "1", *words])
    assert result.exit_code == 1
    assert said in str(result.exception)
    assert not (tmp_path / "x").exists()


@pytest.mark.slow
def test_decoding_and_region_optimal_pictures(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "run"
    NsdLayout(pixels=64).write(tree, Settings(subjects=1, train=150, test=24, sessions=3))
    data = ["--dataset", "nsd", "--root", str(tree), "--sub", "1"]
    for words in (
        ["decode", *data, "--recipe", "pixels", "--out", str(out)],
        ["roi-optimal", "--run", str(out), "--roi", "FFA", "--roi", "visual", "--roi", "category",
         "--roi", "eccentricity"],
    ):  # fmt: skip
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
    scores = json.loads((out / "steps/sub-01/score/scores.json").read_text())
    found = {s["metric"]: s["mean"] for s in scores if s["source"] == "decoded"}
    assert found["identification-pixels"] > 0.75
    page = next(out.glob("roi-optimal/*/index.html")).read_text()
    assert "; left out." not in page
