"""What is written is what was planted, read back with other libraries."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeCV

from neurodiffuse.errors import ConfigError, DataError, MissingDataError, RunError
from neurodiffuse.simulate.command import simulate
from neurodiffuse.simulate.study import Settings, Study, plan
from neurodiffuse.simulate.write import write

EXAMPLE = Path(__file__).parents[2] / "bids_example"
VALIDATOR = shutil.which("bids-validator-deno", path=str(Path(sys.executable).parent))
SMALL = Settings(train=24, test=6, repetitions=3, unequal=True, seed=4)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    root, study = tmp_path_factory.mktemp("simulate") / "small", plan(SMALL)
    write(root, study)
    return root, study


def volume(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj)


def anat(root: Path, name: str, sub: str = "01") -> Path:
    (path,) = (root / f"sub-{sub}" / "anat").glob(f"sub-{sub}_space-*_{name}")
    return path


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", dtype={"stim_id": str}, keep_default_na=False)


def truth(root: Path, sub: str = "01") -> pd.DataFrame:
    return table(root / "sourcedata" / "truth" / f"sub-{sub}_voxels.tsv")


def series(root: Path, sub: str = "01") -> list[tuple[Path, pd.DataFrame]]:
    """Return the files of betas of a subject with their events."""
    paths = sorted((root / f"sub-{sub}").glob("ses-*/func/*_desc-singletrial_statmap.nii.gz"))
    return [(p, table(p.with_name(p.name.split("_space-")[0] + "_events.tsv"))) for p in paths]


def trials(root: Path, sub: str = "01") -> tuple[np.ndarray, pd.DataFrame]:
    """Return masked betas (n_trials, n_voxels) and events."""
    mask = volume(anat(root, "label-visual_mask.nii.gz", sub)) > 0
    parts = series(root, sub)
    betas = np.concatenate([nibabel.load(path).get_fdata()[mask].T for path, _ in parts])
    return betas, pd.concat([events for _, events in parts], ignore_index=True)


# --- layout ------------------------------------------------------------------------------------


def test_betas_are_the_planted_ones(small: tuple[Path, Study]) -> None:
    root, study = small
    for subject, sub in enumerate(("01", "02")):
        betas, events = trials(root, sub)
        planned = study.trials[subject]
        expected = study.betas(subject, study.signal(subject), planned)
        assert betas.shape == expected.shape
        assert np.abs(betas - expected).max() <= 0.01 + 1e-6  # half of a step of 0.02
        ids = [study.album.pictures[t.picture].id for t in planned]
        assert events.stim_id.tolist() == ids
        assert events.split.tolist() == [t.split for t in planned]


def test_a_volume_for_every_event_and_nothing_outside_the_mask(small: tuple[Path, Study]) -> None:
    root, _ = small
    mask = volume(anat(root, "label-visual_mask.nii.gz")) > 0
    assert len(series(root)) == SMALL.sessions * SMALL.runs
    for path, events in series(root):
        image = nibabel.load(path)
        assert image.shape == (*mask.shape, len(events))
        assert image.get_data_dtype() == np.int16
        assert image.header.get_xyzt_units()[0] == "mm"
        assert not np.asarray(image.dataobj)[~mask].any()
        assert list(events) == [
            *("onset", "duration", "trial_type", "stim_file", "stim_id", "repetition", "split")
        ]
        assert (np.diff(events.onset) >= events.duration[:-1]).all()
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        assert sidecar["Units"] == "percent signal change"


def test_repetitions_are_unequal_and_counted_in_order(small: tuple[Path, Study]) -> None:
    root, _ = small
    _, events = trials(root)
    counts = events[events.split == "test"].groupby("stim_id").size()
    assert set(counts) <= {1, 2, 3}
    assert counts.nunique() > 1
    for _, rows in events.groupby("stim_id"):
        assert rows.repetition.tolist() == list(range(1, len(rows) + 1))


def test_splits_are_apart_and_tests_are_shared(small: tuple[Path, Study]) -> None:
    root, _ = small
    sets = {}
    for sub in ("01", "02"):
        _, events = trials(root, sub)
        for split in ("train", "test"):
            sets[sub, split] = set(events.stim_id[events.split == split])
        assert not sets[sub, "train"] & sets[sub, "test"]
    assert sets["01", "test"] == sets["02", "test"]
    assert len(sets["01", "train"]) == SMALL.train


def test_stimuli_are_written_with_captions(small: tuple[Path, Study]) -> None:
    root, study = small
    catalogue = table(root / "stimuli" / "stimuli.tsv")
    captions = table(root / "stimuli" / "captions.tsv").groupby("stim_id").caption.apply(tuple)
    for picture, row in zip(study.album.pictures, catalogue.itertuples(), strict=True):
        assert row.stim_id == picture.id
        assert np.array_equal(
            np.asarray(Image.open(root / "stimuli" / row.filename)), picture.image
        )
        assert captions[picture.id] == picture.captions
    assert catalogue.held_out[: SMALL.test].sum() == SMALL.test // 2
    assert not catalogue.held_out[SMALL.test :].any()


def test_truth_has_a_row_for_every_voxel_of_the_mask(small: tuple[Path, Study]) -> None:
    root, _ = small
    for sub in ("01", "02"):
        mask = volume(anat(root, "label-visual_mask.nii.gz", sub)) > 0
        assert np.array_equal(np.argwhere(mask), truth(root, sub)[["i", "j", "k"]])


def test_lookup_tables_and_maps_agree_with_the_truth(small: tuple[Path, Study]) -> None:
    root, _ = small
    rows = truth(root)
    at = tuple(rows[["i", "j", "k"]].to_numpy().T)
    found = np.full(len(rows), "unresponsive", dtype=object)
    for atlas in (
        *("prfvisualrois", "flocfaces", "flocwords", "flocplaces", "flocbodies", "objects"),
    ):
        numbers = volume(anat(root, f"seg-{atlas}_dseg.nii.gz"))
        names = table(anat(root, f"seg-{atlas}_dseg.tsv")).set_index("index").name
        assert set(np.unique(numbers)) == {0, *names.index}
        member = numbers[at] > 0
        found[member] = [names[k] for k in numbers[at][member]]
    assert found.tolist() == rows.region.tolist()
    eccentricity = volume(anat(root, "stat-eccentricity_desc-prf_statmap.nii.gz"))
    early = rows.region.str.match(r"V\d|hV4").to_numpy()
    assert np.allclose(eccentricity[at][early], np.hypot(rows.x, rows.y)[early], atol=2e-3)
    assert np.isnan(eccentricity[at][~early]).all()
    assert np.isfinite(eccentricity).sum() == early.sum()
    bands = volume(anat(root, "seg-prfeccrois_dseg.nii.gz"))
    expected = np.digitize(eccentricity[at][early], [0.5, 1, 2, 4]) + 1
    assert np.array_equal(bands[at][early], expected)
    ncsnr = volume(anat(root, "stat-ncsnr_desc-singletrial_statmap.nii.gz"))
    assert np.allclose(ncsnr[at], rows.ncsnr, atol=1e-3)


def test_left_is_left(small: tuple[Path, Study]) -> None:
    root, _ = small
    image = nibabel.load(anat(root, "seg-hemispheres_dseg.nii.gz"))
    names = table(anat(root, "seg-hemispheres_dseg.tsv")).set_index("name")["index"]
    at = np.argwhere(np.asarray(image.dataobj) == names["lh"])
    assert (nibabel.affines.apply_affine(image.affine, at)[:, 0] < 0).all()


# --- options -----------------------------------------------------------------------------------


def test_float_betas(tmp_path: Path) -> None:
    options = ["--train", "6", "--test", "2", "--subjects", "1", "--runs", "1", "--sessions", "1"]
    for dtype in ("int16", "float32"):
        out = tmp_path / dtype
        done = CliRunner().invoke(simulate, [str(out), *options, "--dtype", dtype])
        assert done.exit_code == 0, done.output
        assert "1 subject (" in done.output
    (path, _), (whole, _) = series(tmp_path / "float32")[0], series(tmp_path / "int16")[0]
    assert nibabel.load(path).get_data_dtype() == np.float32
    assert np.abs(nibabel.load(path).get_fdata() - nibabel.load(whole).get_fdata()).max() < 0.0101


def test_own_training_images_and_more_of_everything_leaves_the_rest() -> None:
    few = plan(Settings(train=6, test=3, own_train=True, runs=1))
    many = plan(Settings(train=8, test=4, own_train=True, runs=1, subjects=3))
    sets = [{few.album.pictures[k].id for k in few.album.train[s]} for s in (0, 1)]
    assert not sets[0] & sets[1]
    images = {p.id: p.image for p in many.album.pictures}
    assert all(np.array_equal(images[p.id], p.image) for p in few.album.pictures)
    assert np.array_equal(few.brains[1].tuning.x, many.brains[1].tuning.x)


def photographs(folder: Path, n: int) -> Path:
    rng = np.random.default_rng(0)
    (folder / "photos").mkdir()
    captions = {}
    for k in range(n):
        pixels = rng.integers(0, 255, (5, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((60, 40 + k)).save(folder / "photos" / f"p-{k:02d}.jpg")
        captions[f"p-{k:02d}.jpg"] = ["a dog in a street", "a  dog"] if k % 2 else ["a pizza"]
    (folder / "captions.json").write_text(json.dumps(captions))
    return folder / "photos"


def masks(folder: Path) -> Path:
    folder.mkdir()
    affine = np.diag([2.0, 2, 2, 1])
    affine[:3, 3] = (-20, -90, -20)
    for side, x in (("LH", slice(2, 7)), ("RH", slice(13, 18))):
        for region, y in (("EarlyVis", slice(1, 6)), ("PPA", slice(8, 12)), ("LOC", slice(13, 16))):
            data = np.zeros((20, 20, 20), dtype=np.uint8)
            data[x, y, 8:12] = 1
            nibabel.Nifti1Image(data, affine).to_filename(
                folder / f"sub-AB1_mask-{side}{region}.nii.gz"
            )
    return folder


def test_photographs_and_masks(tmp_path: Path) -> None:
    settings = Settings(
        images=photographs(tmp_path, 12),
        captions=tmp_path / "captions.json",
        geometry=masks(tmp_path / "masks"),
        subjects=1,
        test=4,
        size=32,
    )
    write(tmp_path / "out", plan(settings))
    rows = truth(tmp_path / "out", "AB1")
    counts = rows.groupby(["region", "hemisphere"]).size()
    assert counts["EarlyVis", "L"] == counts["EarlyVis", "R"] == 5 * 5 * 4
    assert counts["PPA", "L"] == 5 * 4 * 4
    assert (rows[(rows.region == "EarlyVis") & (rows.hemisphere == "L")].x >= 0).all()
    names = table(anat(tmp_path / "out", "seg-flocplaces_dseg.tsv", "AB1")).name.tolist()
    assert names == ["PPA"]
    _, events = trials(tmp_path / "out", "AB1")
    assert len(events) == 4 * 3 + 8
    stimuli = table(tmp_path / "out" / "sourcedata" / "truth" / "stimuli.tsv")
    shown = table(tmp_path / "out" / "stimuli" / "captions.tsv").groupby("stim_id").caption.first()
    dogs = stimuli.stim_id.map(shown).str.contains("dog")
    assert (stimuli.label_animal[dogs] == 1).all()
    assert (stimuli.label_food[~dogs] == 1).all()
    assert np.asarray(Image.open(tmp_path / "out/stimuli/stim-p00_image.png")).shape == (32, 32, 3)
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "--images IMAGES --captions CAPTIONS --geometry GEOMETRY" in readme
    assert str(tmp_path) not in readme


# --- bad input ---------------------------------------------------------------------------------


def test_every_wrong_setting_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        plan(Settings(subjects=0, noise=(-1.0,), held_out=2, captions=Path("c.json")))
    assert len(told.value.problems) == 4
    with pytest.raises(
        ConfigError, match="--size: 1000000 given; it must be from 16 to 2048 pixels"
    ):
        plan(Settings(size=1_000_000))
    with pytest.raises(ConfigError, match="5 trials are too few for 4 runs"):
        plan(Settings(train=3, test=2, repetitions=1))


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    study = plan(Settings(train=6, test=2, subjects=1))
    with pytest.raises(RunError, match="not empty"):
        write(tmp_path, study)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(RunError, match=r"mine\.txt is a file"):
        write(tmp_path / "mine.txt", study)
    done = CliRunner().invoke(simulate, [str(tmp_path), "--images", "none"])
    assert isinstance(done.exception, RunError)  # told before anything is drawn or read


def test_nothing_is_left_of_a_broken_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = plan(Settings(train=6, test=2, subjects=1))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("neurodiffuse.simulate.write.write_truth", full)
    with pytest.raises(RunError, match="out: no space left on the disk"):
        write(tmp_path / "out", study)
    assert not list(tmp_path.iterdir())


def test_bad_photographs_are_named(tmp_path: Path) -> None:
    folder = photographs(tmp_path, 8)
    good = Settings(images=folder, captions=tmp_path / "captions.json", test=2)
    with pytest.raises(MissingDataError, match="no such folder"):
        plan(Settings(images=tmp_path / "none"))
    with pytest.raises(MissingDataError, match="8 images are too few for 7 test"):
        plan(Settings(images=folder, test=7))
    (tmp_path / "captions.json").write_text('{"p-00.jpg": ["a cat"]}')
    with pytest.raises(MissingDataError, match=r"no captions for .* and 4 more"):
        plan(good)
    (tmp_path / "captions.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        plan(good)
    (folder / "p-00.jpg").write_bytes((folder / "p-00.jpg").read_bytes()[:200])
    with pytest.raises(DataError, match=r"p-00\.jpg: the image is cut off or damaged"):
        plan(Settings(images=folder, test=2))


def test_bad_masks_are_named(tmp_path: Path) -> None:
    folder = masks(tmp_path / "masks")
    with pytest.raises(DataError, match=r"masks of 1 subjects \(AB1\)"):
        plan(Settings(geometry=folder, train=6, test=2))
    one = Settings(geometry=folder, train=6, test=2, subjects=1)
    shutil.copy(folder / "sub-AB1_mask-LHPPA.nii.gz", folder / "sub-AB1_mask-LHPPO.nii.gz")
    with pytest.raises(DataError, match=r"'PPO'\. Did you mean 'PPA'"):
        plan(one)
    (folder / "sub-AB1_mask-LHPPO.nii.gz").rename(folder / "notes.nii.gz")
    with pytest.raises(DataError, match=r"notes\.nii\.gz: the name of a mask must look like"):
        plan(one)
    (folder / "notes.nii.gz").unlink()
    other = nibabel.Nifti1Image(np.ones((4, 4, 4), dtype=np.uint8), np.eye(4))
    other.to_filename(folder / "sub-AB1_mask-RHRSC.nii.gz")
    with pytest.raises(DataError, match=r"RHRSC\.nii\.gz: its grid \(4, 4, 4\) is not that of"):
        plan(one)
    empty = nibabel.Nifti1Image(np.zeros((20, 20, 20), dtype=np.uint8), np.eye(4))
    empty.to_filename(folder / "sub-AB1_mask-RHRSC.nii.gz")
    with pytest.raises(DataError, match="this mask is empty"):
        plan(one)
    (folder / "sub-AB1_mask-RHRSC.nii.gz").write_bytes(b"\x1f\x8b not really")
    with pytest.raises(DataError, match="this mask cannot be read"):
        plan(one)


def test_importing_the_command_imports_no_numpy() -> None:
    code = "import sys, neurodiffuse.simulate.command; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- bids_example ------------------------------------------------------------------------------


def content(path: Path) -> bytes:
    """Return a file's bytes, unpacked where another zlib may pack them otherwise."""
    if "ng" not in zlib.ZLIB_RUNTIME_VERSION:
        return path.read_bytes()
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    return np.asarray(Image.open(path)).tobytes() if path.suffix == ".png" else path.read_bytes()


def sums(root: Path) -> dict[str, str]:
    files = sorted(p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(content(p)).hexdigest() for p in files}


def test_bids_example_is_made_again_to_the_byte(tmp_path: Path) -> None:
    done = CliRunner().invoke(simulate, [str(tmp_path / "again")])
    assert done.exit_code == 0, done.output
    assert "\n    neurodiffuse simulate OUT\n" in (EXAMPLE / "README.md").read_text()
    assert sums(tmp_path / "again") == sums(EXAMPLE)


def test_bids_example_is_small() -> None:
    assert sum(p.stat().st_size for p in EXAMPLE.rglob("*") if p.is_file()) < 5.2e6


@pytest.mark.skipif(VALIDATOR is None, reason="no bids-validator-deno")
def test_bids_example_is_valid() -> None:
    done = subprocess.run(
        [VALIDATOR, str(EXAMPLE), "--format", "json"], capture_output=True, text=True
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [i for i in issues if i["severity"] == "error"] == []
    assert done.returncode == 0


@pytest.mark.parametrize(("sub", "least"), [("01", 0.65), ("02", 0.6)])
def test_bids_example_decodes(sub: str, least: float) -> None:
    """A ridge from voxels to 60 principal components of the pixels, by scikit-learn alone."""
    betas, events = trials(EXAMPLE, sub)
    training = (events.split == "train").to_numpy()
    betas = (betas - betas[training].mean(axis=0)) / betas[training].std(axis=0)
    ids = {s: sorted(set(events.stim_id[events.split == s])) for s in ("train", "test")}
    rows = {
        s: np.stack([betas[(events.stim_id == i).to_numpy()].mean(axis=0) for i in names])
        for s, names in ids.items()
    }
    pixels = {
        s: np.stack([np.asarray(Image.open(EXAMPLE / "stimuli" / f"{i}_image.png")) for i in names])
        .reshape(len(names), -1)
        .astype(float)
        for s, names in ids.items()
    }
    pca = PCA(60, random_state=0).fit(pixels["train"])
    ridge = RidgeCV([100, 300, 1000]).fit(rows["train"], pca.transform(pixels["train"]))
    made = pca.inverse_transform(ridge.predict(rows["test"]))
    table = np.corrcoef(made, pixels["test"])[: len(made), len(made) :]
    assert np.diag(table).mean() > least
    assert table[~np.eye(len(table), dtype=bool)].mean() < 0.35
