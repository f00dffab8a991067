"""Maps of weights for betas on fsaverage: each vertex has its weight, left first."""

from __future__ import annotations

import csv

import nibabel as nib
import numpy as np
import pytest
import toy

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.weights import surface
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import Run, opened
from neurodiffuse.types import Dataset, Grid, Subject

N = 10_242
PLACES = np.concatenate([np.arange(100, 160), N + np.arange(300, 360)])
"""The vertex of each of the toy's 120 voxels: half of them on either hemisphere."""


class Cortex(Dataset):
    """The toy's responses on vertices; it decodes from the first 80, on both hemispheres."""

    def __init__(self, vertices: int = N) -> None:
        self.vertices = vertices
        self.toy = toy.Toy()
        self.places = PLACES - (PLACES >= N) * (N - vertices)

    def subjects(self):
        return self.toy.subjects()

    def subject(self, label):
        about = self.toy.subject(label)
        grid = Grid((2 * self.vertices, 1, 1), np.eye(4), "fsaverage")
        return Subject(label, grid, about.trials, about.rois, "ecc<8")

    def betas(self, label, voxels):
        for block in self.toy.betas(label, np.ones(len(PLACES), bool)):
            yield block[:, voxels[self.places]]

    def roi(self, label, name):
        values = self.toy.roi(label, name)
        empty = False if values.dtype == bool else np.nan
        out = np.full(2 * self.vertices, empty, values.dtype)
        out[self.places] = values
        return out

    def stimuli(self, ids):
        return self.toy.stimuli(ids)


def fitted(path, dataset):
    registry = Registry([("builtin", builtin), ("toy", toy)])
    config = resolve(registry, dataset="toy", subjects=("01",), recipe="toy")
    run = Run(path, config, registry, dataset, quiet=True)
    with opened(run):
        pipeline.execute(run, until="fit")
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("surface") / "run", Cortex())


@pytest.fixture(scope="module")
def answer(run):
    with opened(run):
        return weights(run, Question(measures=("l1",), view=True))


def stored(answer, hemi):
    (file,) = (answer.folder / "sub-01" / "func").glob(f"*_hemi-{hemi}_space-fsaverage_*.gii")
    return nib.load(file).darrays[0].data, file


def test_each_vertex_has_its_weight(run, answer):
    (made,) = [m for m in answer.maps if m.feature == "colour"]
    both = np.concatenate([stored(answer, hemi)[0] for hemi in "LR"])
    inside = np.isin(np.arange(2 * N), PLACES[:80])
    assert not both[~inside].any()
    np.testing.assert_allclose(both[inside], made.values, rtol=1e-6)
    assert np.count_nonzero(both[:N]) > 50  # all but the voxel without variance
    assert np.count_nonzero(both[N:]) == 20


def test_names_are_bids_and_the_table_has_a_row_a_hemisphere(answer):
    _, file = stored(answer, "L")
    assert file.name.startswith("sub-01_task-unknown_hemi-L_space-fsaverage_stat-weight_desc-")
    assert file.with_name(file.name.replace(".shape.gii", ".json")).exists()
    with (answer.folder / "maps.tsv").open() as table:
        rows = list(csv.DictReader(table, delimiter="\t"))
    assert [(r["voxels"], "hemi-L" in r["file"]) for r in rows] == [("60", True), ("20", False)]
    assert all((answer.folder / r["file"]).exists() for r in rows)


def test_the_page_shows_the_cortex_and_no_slices(answer):
    page = (answer.folder / "index.html").read_text()
    assert "80 vertices of fsaverage" in page
    assert "fsaverage5, inflated and flat" in page
    assert not list(answer.folder.rglob("*slices*"))
    assert page.count("data-pieces=") == 1
    assert len(list(answer.folder.rglob("*_surface.png"))) == 1


def test_drawn_vertices_are_those_of_the_same_place(run, answer):
    (made,) = answer.maps
    image = surface.project(run, made)
    left, right = (image.data.parts[side] for side in ("left", "right"))
    assert np.flatnonzero(np.isfinite(left)).tolist() == list(range(100, 160))
    assert np.flatnonzero(np.isfinite(right)).tolist() == list(range(300, 320))


def test_coarser_meshes_are_written_and_not_drawn(tmp_path):
    run = fitted(tmp_path / "run", Cortex(642))
    with opened(run):
        answer = weights(run, Question(measures=("l1",)))
    assert stored(answer, "R")[0].shape == (642,)
    assert "fewer than the 10,242 of fsaverage5" in (answer.folder / "index.html").read_text()
