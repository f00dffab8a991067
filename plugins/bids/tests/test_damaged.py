"""Fields of another type than BIDS has, nested JSON, names that are no text, a damaged anatomy."""

from __future__ import annotations

import json
import os

import pytest

from neurodiffuse import pipeline, plan_text
from neurodiffuse.config import resolve
from neurodiffuse.errors import DataError, NeurodiffuseError
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse_bids.dataset import BidsDataset

from .conftest import BETAS, FUNC

pytestmark = pytest.mark.usefixtures("indexed_once")

VALUES = (None, True, -1, 1e999, "", "x", [], [1], {}, {"a": 1}, [[]], [{}])
FIELDS = ("Name", "BIDSVersion", "GeneratedBy", "License", "DatasetType", "SourceDatasets",
          "StimulusWidthDegrees", "Recipe", "HowToAcknowledge")  # fmt: skip


def read(tree) -> str:
    """Return what is said of a data set, or its error."""
    data = BidsDataset(str(tree.root))
    try:
        about = data.subject("01")
        for _ in data.betas("01", data.roi("01", about.rois[0].name).astype(bool)):
            pass
        return repr((data.about(), about.remarks))
    except NeurodiffuseError as error:
        assert "\n" not in str(error)  # noqa: PT017
        return str(error)


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_the_description_of_another_type(tree, field):
    path = tree.root / "dataset_description.json"
    given = json.loads(path.read_text())
    for value in VALUES:
        path.write_text(json.dumps(given | {field: value}))
        read(tree)


def test_what_pybids_cannot_use_is_named(tree):
    tree.json("dataset_description.json", Name="x", BIDSVersion="1.10.0", GeneratedBy=None,
              DatasetType="derivative")  # fmt: skip
    assert "dataset_description.json: a field is not what BIDS has for it" in read(tree)


@pytest.mark.parametrize("field", ["ScaleFactor", "Units", "SpatialReference", "TaskName"])
def test_a_field_of_a_sidecar_of_another_type(tree, field):
    sidecar = FUNC.format(s=1, r=1) + BETAS.replace(".nii.gz", ".json")
    for value in VALUES:
        tree.json(sidecar, **{field: value})
        read(tree)


TEXTS = ("[" * 50_000, '{"a":' * 50_000, "", "null", "[1]", '"x"', "\0" * 9)


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("kind", ["description", "sidecar", "inherited"])
def test_json_that_is_none_or_without_end(tree, kind, text):
    name = {
        "description": "dataset_description.json",
        "sidecar": FUNC.format(s=1, r=1) + BETAS.replace(".nii.gz", ".json"),
        "inherited": "stat-effect_statmap.json",
    }[kind]
    tree.image(FUNC.format(s=1, r=1) + BETAS, tree.rng.integers(0, 9, (5, 4, 3, 4)).astype("i2"))
    tree.path(name).write_text(text)
    with pytest.raises(DataError):
        BidsDataset(str(tree.root)).subject("01")  # before any betas are read
    assert name.rsplit("/", 1)[-1] in read(tree)


def test_names_that_are_no_text_are_left_out_and_told(tree):
    strange = os.fsencode(tree.root / "sub-01" / "anat") + b"/sub-01_desc-caf\xe9_mask.nii.gz"
    with open(strange, "wb") as file:  # noqa: PTH123
        file.write(b"x")
    os.mkdir(os.fsencode(tree.root) + b"/sub-\xe9")  # noqa: PTH102
    data = BidsDataset(str(tree.root))
    assert data.subjects() == ("01",)
    said = [r.text for r in data.subject("01").remarks if r.kind == "left out"]
    assert said == [r"1 files whose names are not UTF-8: sub-01_desc-caf\udce9_mask.nii.gz"]


ANATOMY = "sub-01/anat/sub-01_space-T1w_desc-preproc_T1w.nii.gz"


@pytest.mark.parametrize("how", ["cut off", "flat", "several"])
def test_a_damaged_anatomy_is_told_by_the_plan_and_the_report_is_made(tree, tmp_path, how):
    """Its header is sound, so that only who reads all of it can tell."""
    registry = Registry.installed()
    if "pixels" not in [card.name for card in registry.cards("recipe")]:
        pytest.skip("a recipe is needed")
    shape = (40, 40, 40, 2) if how == "several" else (40, 40, 40)
    values = tree.rng.random(shape).astype("f4") * (how != "flat")
    tree.image(ANATOMY, values)
    path, content = tree.root / ANATOMY, (tree.root / ANATOMY).read_bytes()
    if how == "cut off":
        path.write_bytes(content[: len(content) // 2])
    config = resolve(registry, dataset="bids", subjects=("01",), recipe="pixels",
                     root=str(tree.root), settings=("features.pixels.components=2",))  # fmt: skip
    config, data = pipeline.open_subjects(config, registry)
    run = Run(tmp_path / "run", config, registry, data, quiet=True)
    text = plan_text.describe(run, plan_of(run))
    assert f"left out   sub-01: {ANATOMY} (" in text
    assert "maps are drawn without it" in text
    with opened(run):
        pipeline.execute(run)
    page = (run.path / "report.html").read_text()
    assert "maps are drawn without it" in page


def test_a_sound_anatomy_is_drawn_on(tree):
    from neurodiffuse.readers.volumes import why_no_background

    tree.image(ANATOMY, tree.rng.random((5, 4, 3)).astype("f4"))
    assert not why_no_background(tree.root / ANATOMY)
    assert "is not an image" in why_no_background(tree.root / "dataset_description.json")
