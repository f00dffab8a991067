"""A small tree of NSD, written row by row with nibabel, h5py and scipy; nothing of the plugin."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import nibabel as nib
import numpy as np
import pytest
from scipy.io import savemat

SHAPE = (7, 6, 5)
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
AFFINE[:3, 3] = -0.9 * (np.array(SHAPE) - 1)
SESSIONS = {1: 40, 3: 32, 4: 30}
RUNS, SLOTS, TRIALS = 12, 75, 14
BETAS = "betas_fithrf_GLMdenoise_RR"
ATLASES = {
    "nsdgeneral": 1,
    "prf-visualrois": 7,
    "prf-eccrois": 5,
    "floc-faces": 5,
    "floc-words": 5,
    "floc-places": 3,
    "floc-bodies": 4,
    "streams": 7,
    "Kastner2015": 25,
    "HCP_MMP1": 20,
}


class Tree:
    """The tree, with everything that was written into it kept as arrays."""

    def __init__(self, root: Path, last: dict[int, int]) -> None:
        self.root = root
        self.last = last  # sessions of each subject
        self.rng = np.random.default_rng(5)
        self.betas: dict[tuple[int, int], np.ndarray] = {}  # (subject, session): x, y, z, trial
        self.roi: dict[tuple[int, str], np.ndarray] = {}
        self.map: dict[tuple[int, str], np.ndarray] = {}

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def volume(self, name: str, data: np.ndarray) -> np.ndarray:
        nib.Nifti1Image(data, AFFINE).to_filename(self.path(name))
        return data

    def design(self) -> None:
        """Forty sessions: three showings of 187 pictures, of which 40 are shared, shuffled."""
        n = 40 * TRIALS
        shown = np.concatenate([np.arange(1, 41), np.arange(1001, 1148)])
        order = self.rng.permutation(np.resize(np.repeat(shown, 3), n))
        self.ordering = order
        ids = self.rng.permutation(73_000) + 1
        shared = np.sort(ids[:1000])
        self.pictures = np.hstack([np.tile(shared, (8, 1)), ids[1000:].reshape(8, 9000)])
        self.pattern = np.zeros((40, RUNS, SLOTS))
        counts = [2, 1, 1, 1, 1, 2, 1, 1, 1, 1, 1, 1]
        for session in range(40):
            for run, count in enumerate(counts):
                self.pattern[session, run, self.rng.permutation(SLOTS)[:count]] = 1
        self.runs = [run for run, count in enumerate(counts, start=1) for _ in range(count)]
        savemat(
            self.path("nsddata/experiments/nsd/nsd_expdesign.mat"),
            {
                "masterordering": order[None].astype(float),
                "subjectim": self.pictures.astype(float),
                "sharedix": shared[None].astype(float),
                "stimpattern": self.pattern,
                "basiccnt": np.zeros((3, 40)),
            },
        )

    def shown(self, subject: int) -> np.ndarray:
        """Numbers of the pictures, from 1, trial by trial."""
        return np.array([self.pictures[subject - 1, k - 1] for k in self.ordering])

    def responses(self, subject: int) -> None:
        lines = ["SUBJECT\tSESSION\tRUN\tTRIAL\t73KID\t10KID\tTIME\tISOLD"]
        for t in range(self.last[subject] * TRIALS):
            row = (subject, t // TRIALS + 1, self.runs[t % TRIALS], 1,
                   self.shown(subject)[t], self.ordering[t], 0.5, "NaN")  # fmt: skip
            lines.append("\t".join(map(str, row)))
        path = self.path(f"nsddata/ppdata/subj{subject:02d}/behav/responses.tsv")
        path.write_text("\n".join(lines) + "\n")

    def sessions(self, subject: int) -> None:
        folder = f"nsddata_betas/ppdata/subj{subject:02d}/func1pt8mm/{BETAS}"
        for session in range(1, self.last[subject] + 1):
            data = self.rng.integers(-3000, 3000, (*SHAPE, TRIALS)).astype(np.int16)
            data[0, 0] = 0
            self.betas[subject, session] = data
            self.volume(f"{folder}/betas_session{session:02d}.nii.gz", data)
            with h5py.File(self.path(f"{folder}/betas_session{session:02d}.hdf5"), "w") as file:
                file.create_dataset("betas", data=data.T, chunks=(TRIALS, 1, 1, 1))
        ncsnr = self.rng.random(SHAPE).astype(np.float32)
        self.map[subject, "ncsnr"] = self.volume(f"{folder}/ncsnr.nii.gz", ncsnr)

    def regions(self, subject: int) -> None:
        space = f"nsddata/ppdata/subj{subject:02d}/func1pt8mm"
        left = np.zeros(SHAPE, bool)
        left[: SHAPE[0] // 2] = True
        for name, n in ATLASES.items():
            both = self.rng.integers(-1, n + 1, SHAPE).astype(np.int16)
            for side, cortex in (("", left | ~left), ("lh.", left), ("rh.", ~left)):
                data = np.where(cortex, both, -1).astype(np.int16)
                self.roi[subject, side + name] = self.volume(
                    f"{space}/roi/{side}{name}.nii.gz", data
                )
        degrees = (self.rng.random(SHAPE) * 6).astype(np.float32)
        degrees[0, 0, 0], degrees[1, 0, 0] = np.nan, 1000
        self.map[subject, "prf_eccentricity"] = self.volume(
            f"{space}/prf_eccentricity.nii.gz", degrees
        )
        self.volume(f"{space}/T1_to_func1pt8mm.nii.gz", degrees)

    def stimuli(self) -> None:
        """Pictures as 73,000 rows, and captions for those that somebody sees."""
        rows = {int(p) - 1 for s in self.last for p in self.shown(s)}
        self.images: dict[int, np.ndarray] = {}
        path = self.path("nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")
        with h5py.File(path, "w") as file:
            data = file.create_dataset(
                "imgBrick", (73_000, 12, 11, 3), np.uint8, chunks=(1, 12, 11, 3)
            )
            for row in rows:
                self.images[row] = self.rng.integers(0, 256, (12, 11, 3)).astype(np.uint8)
                data[row] = self.images[row]
        self.captions = {
            row: [f"picture {row} {'abcdef'[k]}" for k in range(5 + row % 2)] for row in rows
        }
        coco = self.rng.permutation(500_000)[:73_000]
        with self.path("nsddata/experiments/nsd/nsd_stim_info_merged.csv").open("w") as file:
            table = csv.writer(file)
            table.writerow(["", "cocoId", "cocoSplit", "cropBox", "nsdId"])
            for row in range(73_000):
                split = "val2017" if row % 3 == 0 else "train2017"
                table.writerow([row, coco[row], split, "(0, 0, 0.1, 0.1)", row])
        for split in ("train2017", "val2017"):
            items = [
                {"image_id": int(coco[row]), "id": 1, "caption": f"{text} \n"}
                for k in range(6)
                for row in sorted(rows, reverse=True)
                if (split == "val2017") == (row % 3 == 0)
                for text in self.captions[row][k : k + 1]
            ]
            items.append({"image_id": 999_999, "id": 2, "caption": "of no picture of NSD"})
            path = self.path(f"nsddata_stimuli/stimuli/nsd/annotations/captions_{split}.json")
            path.write_text(json.dumps({"annotations": items}))


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch):
    monkeypatch.setenv("NEURODIFFUSE_CACHE", "off")
    monkeypatch.delenv("NEURODIFFUSE_NSD_ROOT", raising=False)


@pytest.fixture(scope="session")
def nsd(tmp_path_factory) -> Tree:
    """Three subjects with 40, 32 and 30 sessions, in both formats; not to be changed."""
    tree = Tree(tmp_path_factory.mktemp("nsd"), SESSIONS)
    tree.design()
    for subject in SESSIONS:
        tree.responses(subject)
        tree.sessions(subject)
        tree.regions(subject)
    tree.stimuli()
    return tree


@pytest.fixture
def small(tmp_path) -> Tree:
    """One subject of whom two sessions are there; may be broken."""
    tree = Tree(tmp_path / "nsd", {1: 2})
    tree.design()
    tree.responses(1)
    tree.sessions(1)
    tree.regions(1)
    return tree
