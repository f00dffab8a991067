"""Small BIDS derivatives, made with nibabel and written out row by row."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from neurodiffuse_bids.index import subject_files

SHAPE = (5, 4, 3)
AFFINE = np.diag([2.0, 2.0, 2.5, 1.0])


class Tree:
    """A derivative that is being built; every method writes one kind of file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rng = np.random.default_rng(7)
        self.json("dataset_description.json", Name="Toy", BIDSVersion="1.10.0",
                  DatasetType="derivative", GeneratedBy=[{"Name": "test", "Version": "3"}],
                  License="CC0", HowToAcknowledge="Toy et al.")  # fmt: skip

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def json(self, name: str, **content: object) -> None:
        self.path(name).write_text(json.dumps(content))

    def table(self, name: str, columns: str, *rows: str) -> None:
        lines = ["\t".join(line.split(" ")) for line in (columns, *rows)]
        self.path(name).write_text("\n".join(lines) + "\n")

    def image(self, name: str, data: np.ndarray, affine: np.ndarray = AFFINE) -> np.ndarray:
        nib.Nifti1Image(data, affine).to_filename(self.path(name))
        return data

    def betas(self, name: str, n: int, shape: tuple[int, ...] = SHAPE) -> np.ndarray:
        return self.image(name, self.rng.normal(0, 2, (*shape, n)).astype(np.float32))

    def mask(self, name: str, above: float = 0.5) -> np.ndarray:
        return self.image(name, (self.rng.random(SHAPE) > above).astype(np.uint8))

    def pictures(self, *labels: str) -> dict[str, np.ndarray]:
        made = {}
        for label in labels:
            made[label] = self.rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
            Image.fromarray(made[label]).save(self.path(f"stimuli/stim-{label}_image.png"))
        return made


FUNC = "sub-01/ses-{s:02d}/func/sub-01_ses-{s:02d}_task-look_run-{r:02d}"
BETAS = "_space-T1w_stat-effect_desc-singletrial_statmap.nii.gz"


@pytest.fixture(autouse=True)
def _no_cache(tmp_path, monkeypatch):
    """Have every index built in memory: no folder can be made below a file, and it is faster."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("")


@pytest.fixture
def indexed_once(monkeypatch):
    """Index each tree once, which takes most of the time of reading a small one.

    The index depends on nothing but the names of files, and trees of these tests do not change
    after they were read.
    """
    monkeypatch.setattr("neurodiffuse_bids.dataset.subject_files", cache(subject_files))


@pytest.fixture
def empty(tmp_path) -> Tree:
    return Tree(tmp_path / "toy")


@pytest.fixture
def tree(empty) -> Tree:
    """Two sessions, runs of unequal length, images a-f, e and f test; masks, atlas and map."""
    shown = {(1, 1): "a b c e", (1, 2): "d f a", (2, 1): "e b"}
    empty.expected = []
    for (s, r), labels in shown.items():
        stem = FUNC.format(s=s, r=r)
        rows = [
            f"{4 * k} 3 image stim-{x}_image.png stim-{x} {'test' if x in 'ef' else 'train'}"
            for k, x in enumerate(labels.split())
        ]
        empty.table(
            f"{stem}_events.tsv", "onset duration trial_type stim_file stim_id split", *rows
        )
        empty.expected.append(empty.betas(f"{stem}{BETAS}", len(rows)))
    empty.images = empty.pictures(*"abcdef")
    empty.path("stimuli/captions.tsv").write_text(
        'stim_id\tcaption\nstim-a\ta red "stop" sign\nstim-a\tan octagon\n'
        'stim-e\t"a ""quoted"" word"\n'
    )
    anat = "sub-01/anat/sub-01_space-T1w_"
    empty.visual = empty.mask(f"{anat}label-nsdgeneral_mask.nii.gz", 0.3)
    empty.labels = empty.rng.integers(-1, 4, SHAPE).astype(np.int16)
    empty.image(f"{anat}seg-prfvisualrois_dseg.nii.gz", empty.labels)
    empty.table(
        f"{anat}seg-prfvisualrois_dseg.tsv", "index name", "0 Unknown", "1 V1v", "2 V1d", "3 hV4"
    )
    empty.faces = empty.rng.integers(0, 3, SHAPE).astype(np.int16)
    empty.image(f"{anat}seg-flocfaces_dseg.nii.gz", empty.faces)
    empty.table(f"{anat}seg-flocfaces_dseg.tsv", "index name", "1 FFA1", "2 FFA2")
    empty.eccentricity = empty.rng.random(SHAPE).astype(np.float32) * 8
    empty.image(f"{anat}stat-eccentricity_desc-prf_statmap.nii.gz", empty.eccentricity)
    empty.json(f"{anat}stat-eccentricity_desc-prf_statmap.json", Units="degree")
    return empty
