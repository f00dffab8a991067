"""What is told of trials that are chosen or split otherwise than the user may think."""

from __future__ import annotations

import pytest

from neurodiffuse.errors import DataError
from neurodiffuse.plan import _check_split
from neurodiffuse.readers.tables import read_table
from neurodiffuse_bids.dataset import BidsDataset

from . import coded

pytestmark = pytest.mark.usefixtures("indexed_once")

RUNS = ((2, 3, 4, 5), (6, 7, 2, 3))
KEYS = {2: "2", 3: "03.0", 4: "stim-4", 5: "5", 6: "6", 7: "7", 8: "stim-8"}


def opened(tree, **options) -> BidsDataset:
    return BidsDataset(str(tree.root), **options)


def told(tree, **options) -> str:
    with pytest.raises(DataError) as error:
        _check_split(opened(tree, **options).subject("01"))
    return str(error.value)


# --- options that leave too few trials --------------------------------------------------------


@pytest.mark.parametrize("split", ["column", "fraction:0.5", "repeats>=2"])
def test_a_choice_that_leaves_no_trial_is_the_cause(empty, split):
    stems = coded.plain(empty, RUNS)
    for stem, numbers in zip(stems, RUNS, strict=True):
        rows = coded.rows_of(numbers, trial_type="image")
        coded.events(empty, f"{stem}_events.tsv", rows)
    said = told(empty, exclude={"trial_type": "image"}, split=split)
    assert "sub-01: datasets.bids.exclude leaves no trial. Choose others." in said
    said = told(empty, exclude={"trial_type": "image"}, trials_filter={"stim_id": "stim-2"})
    assert "datasets.bids.trials_filter and datasets.bids.exclude leave no trial." in said


def test_events_without_any_stimulus_are_no_question_of_the_split(empty):
    stems = coded.plain(empty, RUNS)
    for stem, numbers in zip(stems, RUNS, strict=True):
        rows = coded.rows_of(numbers, stim_id="n/a", stim_file="n/a")
        coded.events(empty, f"{stem}_events.tsv", rows)
    assert "sub-01: no row of the events has a stimulus" in told(empty)


def test_a_choice_that_leaves_too_few_images_is_named(empty):
    coded.plain(empty, RUNS)
    tests = ["stim-5", "stim-7"]
    said = told(empty, exclude={"stim_id": tests})
    assert "one test image only; at least 2" in said
    assert said.endswith("Check the split of the data set and datasets.bids.exclude.")
    said = told(empty, trials_filter={"split": "test"})
    assert "no training images" in said
    assert said.endswith("Check the split of the data set and datasets.bids.trials_filter.")
    assert told(empty, split="repeats>=1").endswith("Check the split of the data set.")


# --- tables of sides --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "name"), [(",", "commas"), (";", "semicolons"), ("|", "bars"), ("  ", "spaces")]
)
def test_tables_without_tabs_are_told_so(empty, tmp_path, mark, name):
    coded.plain(empty, RUNS)
    table = tmp_path / "split.csv"
    table.write_text(f"stim_id{mark}split\nstim-2{mark}train\n")
    said = told(empty, split_file=str(table))
    assert f"split.csv: its columns are separated by {name}; tabs are needed" in said
    empty.path("stimuli/stimuli.tsv").write_text(table.read_text())
    assert f"stimuli.tsv: its columns are separated by {name}" in told(empty)
    empty.path("stimuli/stimuli.tsv").unlink()
    empty.path("stimuli/captions.tsv").write_text(f"stim_id{mark}caption\nstim-2{mark}two\n")
    with pytest.raises(DataError, match=rf"captions\.tsv: its columns are separated by {name}"):
        opened(empty).stimuli(["stim-2"])


def test_one_column_whose_name_has_a_blank_or_a_comma_is_a_table(tmp_path):
    table = tmp_path / "one.tsv"
    for name in ("my column", "rate, Hz"):
        table.write_text(f"{name}\n1\n2\n")
        assert read_table(table).get(name) == ("1", "2")


def test_sides_that_stimuli_tsv_contradicts_are_told(empty):
    coded.plain(empty, RUNS)
    sides = {2: "training", 3: "train", 4: "n/a", 5: "TEST", 6: "test", 7: "test"}
    rows = [{"stim_id": f"stim-{n}", "split": side} for n, side in sides.items()]
    coded.events(empty, "stimuli/stimuli.tsv", rows)
    data = opened(empty)
    assert set(data.subject("01").trials.images("test")) == {"stim-3", "stim-5", "stim-7"}
    (said,) = (r for r in data.subject("01").remarks if "different sides" in r.text)
    assert said.kind == "note"
    assert "of 2 pictures, such as stim-3 (test, and train in stimuli.tsv)" in said.text
    assert "different sides" not in coded.remarks(opened(empty, split="repeats>=2"))
    coded.events(empty, "stimuli/stimuli.tsv", [rows[0], rows[3]])
    assert "different sides" not in coded.remarks(opened(empty))


def test_names_of_a_split_file_that_no_picture_has_are_told(empty, tmp_path):
    coded.plain(empty, RUNS)
    coded.draw(empty, "stimuli/stim-8_image.png", 8)  # not shown to this subject
    table = tmp_path / "split.tsv"
    lines = [f"{key}\t{'test' if n % 2 else 'train'}" for n, key in KEYS.items()]
    table.write_text("\n".join(["stim_id\tsplit", *lines]))
    data = opened(empty, split_file=str(table))
    assert "Are the names right" not in coded.remarks(data)
    table.write_text("\n".join(["stim_id\tsplit", *lines, "stim-500\ttest", "stin-2\tn/a"]))
    (said,) = (
        r for r in opened(empty, split_file=str(table)).subject("01").remarks
        if "Are the names right" in r.text
    )  # fmt: skip
    assert said.kind == "note"
    assert "2 images are neither in the folder of stimuli nor in the events" in said.text
    assert "stim-500, stin-2" in said.text
