"""Five simulated brains: regions are read from as they were planted, and silent voxels are flat.

``content`` are the planted labels of a picture, ``layout`` its colours in a coarse grid.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question
from neurodiffuse.run import Run, opened
from neurodiffuse.simulate.command import simulate
from neurodiffuse.steps.encode import encode
from neurodiffuse.steps.fit import fit
from neurodiffuse.steps.mask import mask
from neurodiffuse.types import Encoder, Latents, Stimuli

bids = pytest.importorskip("neurodiffuse_bids.hooks")
pytestmark = pytest.mark.slow

SEEDS = range(1, 6)
EARLY, CATEGORY = ("V1", "V2", "V3", "V4"), ("Face", "Word", "Place", "Body")
SILENT = "unresponsive"

RECIPE = """
name = "planted"
[features.layout]
encoder = "layout"
alpha = 700.0
[features.content]
encoder = "labels"
alpha = 700.0
table = "TABLE"
[stages.recon]
generator = "grey"
[metrics.pixcorr]
metric = "pixcorr"
"""


class Labels(Encoder):
    """How strongly a picture shows each label, as the simulator planted it."""

    def __init__(self, table: str) -> None:
        self.table = table

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((8,),)

    def encode(self, stimuli: Stimuli) -> Latents:
        with Path(self.table).open(encoding="utf-8") as file:
            rows = {row["stim_id"]: row for row in csv.DictReader(file, delimiter="\t")}
        values = [
            [float(v) for name, v in rows[i].items() if name.startswith("label_")]
            for i in stimuli.ids
        ]
        return Latents(stimuli.ids, np.array(values, np.float32), self.shapes())


class Layout(Encoder):
    """Colours of 16 x 16 fields."""

    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return ((16, 16, 3),)

    def encode(self, stimuli: Stimuli) -> Latents:
        small = [np.asarray(Image.fromarray(i).resize((16, 16))) for i in stimuli.images]
        values = np.stack(small).reshape(len(small), -1) / np.float32(255)
        return Latents(stimuli.ids, values, self.shapes())


@hookimpl
def register_encoders(register) -> None:
    register("labels", "questions.test_weights_simulated:Labels", summary="labels")
    register("layout", "questions.test_weights_simulated:Layout", summary="colours")


@hookimpl
def register_generators(register) -> None:
    register("grey", "questions.weights_toy:Grey", summary="grey", reads=("layout",))


@pytest.fixture(scope="module", params=SEEDS)
def percentiles(request, tmp_path_factory):
    """Return normalised differences and percentiles by (stat, region)."""
    folder = tmp_path_factory.mktemp("brain")
    words = [str(folder / "study"), "--subjects", "1", "--test", "4", "--seed", str(request.param)]
    made = CliRunner().invoke(simulate, words, obj={"quiet": True}, catch_exceptions=False)
    assert made.exit_code == 0
    recipe = folder / "planted.toml"
    table = folder / "study" / "sourcedata" / "truth" / "stimuli.tsv"
    recipe.write_text(RECIPE.replace("TABLE", table.as_posix()))
    registry = Registry([("builtin", builtin), ("bids", bids), ("planted", sys.modules[__name__])])
    config = resolve(
        registry,
        dataset="bids",
        subjects=("01",),
        recipe=str(recipe),
        root=str(folder / "study"),
    )
    config, dataset = pipeline.open_subjects(config, registry)
    run = Run(folder / "run", config, registry, dataset, quiet=True)
    with opened(run):
        for step in (mask, encode, fit):
            step(run, "01")
    question = Question(pictures=False, permutations=999, measures=("l1", "pattern"))
    with (weights(run, question).folder / "regions.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def find(rows, stat, feature, column):
    return {
        row["region"]: float(row[column])
        for row in rows
        if (row["stat"], row["feature"]) == (stat, feature)
    }


@pytest.mark.parametrize("stat", ["weight", "pattern"])
def test_category_regions_are_read_for_content_and_v1_to_v4_for_layout(percentiles, stat):
    found = find(percentiles, stat, "content", "normalised")
    assert min(found[r] for r in CATEGORY) > 0
    assert max(found[r] for r in EARLY) < 0
    content = find(percentiles, stat, "content", "percentile")
    assert min(content[r] for r in CATEGORY) > max(content[r] for r in EARLY)


def test_layout_is_read_from_v1_to_v4_first(percentiles):
    layout = find(percentiles, "weight", "layout", "percentile")
    assert min(layout[r] for r in EARLY) > max(layout[r] for r in CATEGORY)
    p = find(percentiles, "weight", "content", "p_corrected")
    assert max(p[r] for r in (*EARLY, *CATEGORY)) < 0.05


def test_voxels_that_respond_to_nothing_have_the_least_pattern(percentiles):
    for feature in ("layout", "content"):
        pattern = find(percentiles, "pattern", feature, "percentile")
        assert pattern[SILENT] < 15
        assert pattern[SILENT] < min(pattern[r] for r in (*EARLY, *CATEGORY)) - 5
