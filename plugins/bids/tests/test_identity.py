"""What a picture, a run and a session is, whatever its names: each trial against its volume."""

from __future__ import annotations

import shutil
import unicodedata

import pytest

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse_bids.dataset import BidsDataset
from neurodiffuse_bids.identity import Names, index, same, whole

from . import coded
from .conftest import BETAS

RUNS = ((2, 3, 4, 5), (3, 2, 5, 6))


def opened(tree, **options) -> BidsDataset:
    return BidsDataset(str(tree.root), **options)


def respelt(tree, stems, spell, drop=("stim_id", "split")) -> None:
    """Write the events again; ``spell(run, number)`` returns the columns that name pictures."""
    for run, (stem, numbers) in enumerate(zip(stems, RUNS, strict=True)):
        rows = []
        for row, n in zip(coded.rows_of(numbers), numbers, strict=True):
            kept = {k: v for k, v in row.items() if k not in drop}
            rows.append({**kept, **spell(run, n)})
        coded.events(tree, f"{stem}_events.tsv", rows)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("1", "01", True), ("01", "1.0", True), ("10", "1", False), ("0", "00", True),
     ("pre", "Pre", False), ("a1", "a01", False)],
)  # fmt: skip
def test_labels_are_indices_where_they_are_numbers(one, other, expected):
    assert same("run", one, other) is expected
    assert (index(one) == index(other)) is expected
    assert not same("desc", "1", "01")


def test_numbers_of_tables():
    assert [whole(n) for n in ("12", "12.0", "12.50", "012.0", "v12.0")] == [
        "12", "12", "12.50", "012", "v12.0",
    ]  # fmt: skip


def test_a_loose_match_must_be_the_only_one():
    names = Names(["Cat", "cat", "Dog", "0012", "7"])
    assert names.find("cat") == (("cat",), False)
    assert names.find("dog.JPG") == (("Dog",), True)
    assert names.find("12.0") == (("0012",), True)
    assert set(names.find("CAT")[0]) == {"Cat", "cat"}
    assert names.find("1") == ((), True)


def test_numbers_that_pandas_wrote_as_floats(empty):
    stems = coded.plain(empty, RUNS)
    respelt(empty, stems, lambda run, n: {"stim_id": f"{n}.0" if run else n})
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    trials = data.subject("01").trials
    assert trials.stimulus == tuple(str(n) for run in RUNS for n in run)
    assert set(trials.images("test")) == {"2", "3", "5"}
    assert "3 pictures have several names" in coded.remarks(data)


@pytest.mark.parametrize("zeros", [False, True])
def test_numbers_without_a_column_of_files(empty, zeros):
    stems = coded.plain(empty, RUNS)
    for n in {n for run in RUNS for n in run}:
        empty.path(f"stimuli/stim-{n}_image.png").rename(empty.path(f"stimuli/{n:04d}.png"))
    respelt(
        empty, stems, lambda run, n: {"stim_id": f"{n:03d}" if run and zeros else f"{n}.0"},
        drop=("stim_id", "stim_file", "split"),
    )  # fmt: skip
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    assert len(set(data.subject("01").trials.stimulus)) == 5
    assert "5 pictures were found by names that differ" in coded.remarks(data) or zeros


SPELLINGS = {
    "with the folder": lambda run, n: f"stimuli/faces/p{n}.png",
    "with a dot": lambda run, n: f"{'./' if run else ''}faces/p{n}.png",
    "with a detour": lambda run, n: f"{'faces/../' if run else ''}faces/p{n}.png",
    "with a detour by nowhere": lambda run, n: f"{'none/../' if run else ''}faces/p{n}.png",
    "of Windows": lambda run, n: f"faces\\p{n}.png" if run else f"faces/p{n}.png",
    "as a BIDS URI": lambda run, n: f"bids::stimuli/faces/p{n}.png",
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_paths_are_compared_by_what_they_name(empty, name):
    stems = coded.plain(empty, RUNS)
    for n in {n for run in RUNS for n in run}:
        coded.draw(empty, f"stimuli/faces/p{n}.png", n)
    respelt(empty, stems, lambda run, n: {"stim_file": SPELLINGS[name](run, n)})
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    trials = data.subject("01").trials
    assert trials.stimulus == tuple(f"faces/p{n}.png" for run in RUNS for n in run)
    assert len(trials.images("test")) == 3


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_names_that_look_the_same(empty, on_disk):
    stems = coded.plain(empty, RUNS)
    for n in {n for run in RUNS for n in run}:
        coded.draw(empty, "stimuli/" + unicodedata.normalize(on_disk, f"café_{n}.png"), n)
    forms = ("NFC", "NFD")
    respelt(
        empty, stems,
        lambda run, n: {"stim_file": unicodedata.normalize(forms[run], f"café_{n}.png")},
    )  # fmt: skip
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    composed = [unicodedata.normalize("NFC", f"café_{n}.png") for run in RUNS for n in run]
    assert list(data.subject("01").trials.stimulus) == composed


def test_an_alias_in_the_folder_is_the_file_it_links_to(empty):
    stems = coded.plain(empty, RUNS)
    for n in {n for run in RUNS for n in run}:
        empty.path(f"stimuli/copy-{n}.png").symlink_to(f"stim-{n}_image.png")
    respelt(
        empty, stems,
        lambda run, n: {"stim_file": f"copy-{n}.png" if run else f"stim-{n}_image.png"},
    )  # fmt: skip
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    assert len(set(data.subject("01").trials.stimulus)) == 5


def test_ids_that_differ_by_case_are_two_pictures(empty):
    stems = coded.plain(empty, RUNS)
    letters = {2: "cat", 3: "Cat", 4: "dog", 5: "Dog", 6: "emu"}
    for n, name in letters.items():
        coded.draw(empty, f"stimuli/{name}.png", n)
    respelt(
        empty, stems, lambda run, n: {"stim_id": letters[n]}, drop=("stim_id", "stim_file")
    )  # fmt: skip
    assert coded.seen(opened(empty)) == [*RUNS[0], *RUNS[1]]
    empty.path("stimuli/Cat.png").unlink()
    with pytest.raises(DataError, match=r"cat\.png: is the only image for the stimuli cat and Cat"):
        opened(empty).subject("01")


def test_one_file_is_not_found_loosely_for_two(empty):
    stems = coded.plain(empty, RUNS)
    ends = {2: "a.png", 3: "a.jpg", 4: "b.png", 5: "c.png", 6: "d.png"}
    for n, name in ends.items():
        coded.draw(empty, f"stimuli/{name}", n)
    respelt(
        empty, stems, lambda run, n: {"image_filename": ends[n]}, drop=("stim_id", "stim_file")
    )  # fmt: skip
    assert opened(empty).subject("01").trials.stimulus[:2] == ("a.png", "a.jpg")
    empty.path("stimuli/a.jpg").unlink()
    with pytest.raises(DataError, match=r"only image for the stimuli a\.png and a\.jpg"):
        opened(empty).subject("01")


def test_the_file_decides_not_the_text_of_the_id(empty):
    stems = coded.plain(empty, RUNS)
    respelt(empty, stems, lambda run, n: {"stim_id": f"Face{n}" if run else f"face{n}"})
    data = opened(empty, split="repeats>=2")
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    assert len(set(data.subject("01").trials.stimulus)) == 5


def test_a_split_file_and_captions_may_spell_ids_differently(empty, tmp_path):
    stems = coded.plain(empty, RUNS)
    respelt(empty, stems, lambda run, n: {"stim_id": f"{n}.0"})
    file = tmp_path / "split.tsv"
    lines = [f"{'' if n % 2 else '0'}{n}\t{'test' if n == 5 else 'train'}" for n in (2, 3, 4, 5, 6)]
    file.write_text("\n".join(["stim_id\tsplit", *lines]))
    empty.path("stimuli/captions.tsv").write_text("stim_id\tcaption\n5\tfive\n2.0\ttwo\n03\tthree")
    data = opened(empty, split_file=str(file))
    assert data.subject("01").trials.images("test") == ("5",)
    assert data.stimuli(["5", "2", "3", "4"]).captions == (("five",), ("two",), ("three",), ())


# --- names and sides ------------------------------------------------------------------------


def test_names_with_the_picture_of_another_name_are_told(empty):
    coded.plain(empty)
    assert "another name" not in coded.remarks(opened(empty))
    for table in empty.root.rglob("*_events.tsv"):
        text = table.read_text("utf-8").replace("stim-2\tstim-2_", "stim-2\tstim-X_")
        text = text.replace("stim-3\tstim-3_", "stim-3\tstim-2_")
        table.write_text(text.replace("stim-X", "stim-3"), "utf-8")
    said = coded.remarks(opened(empty))
    assert "warning: stimuli: 2 stimuli have a picture that carries another name" in said
    assert "stim-3_image.png of stim-2" in said


def test_trials_without_a_side_are_told(empty):
    coded.plain(empty, ((2, 3, 4, 5), (8, 6, 7, 3)))
    table = empty.path("stimuli/split.tsv")
    sides = {2: "train", 3: "n/a", 4: "", 5: "test", 6: "train", 7: "test", 8: "train"}
    rows = "".join(f"stim-{k}\t{side}\n" for k, side in sides.items())
    table.write_text("stim_id\tsplit\n" + rows)
    said = coded.remarks(opened(empty, split_file=str(table)))
    assert "split: 3 of 8 trials, of 2 pictures such as stim-3, have no side" in said
    assert "left out" in said


# --- links ------------------------------------------------------------------------------------


def annexed(folder, store, key_of=lambda path: path.name):
    """Replace the files of a folder by links into a store, as git-annex does."""
    import os

    store.mkdir(parents=True)
    for path in sorted(folder.glob("*.png")):
        target = store / key_of(path)
        path.replace(target)
        path.symlink_to(os.path.relpath(target, path.parent))


@pytest.mark.parametrize("mark", ["dataset_description.json", ".datalad", ".git"])
def test_links_may_lead_into_the_data_set_around_the_pictures(empty, tmp_path, mark):
    coded.plain(empty)
    raw = tmp_path / "raw"
    shutil.move(empty.root / "stimuli", raw / "stimuli")
    place = raw / mark
    place.write_text("{}") if "." in mark[1:] else place.mkdir()
    annexed(raw / "stimuli", raw / ".git" / "annex" / "objects")
    data = opened(empty, stimuli_dir=str(raw / "stimuli"))
    assert len(coded.seen(data)) == 8
    outside = tmp_path / "elsewhere"
    shutil.move(raw / ".git" / "annex", outside)
    (raw / "stimuli" / "stim-2_image.png").unlink()
    (raw / "stimuli" / "stim-2_image.png").symlink_to(outside / "objects" / "stim-2_image.png")
    with pytest.raises(DataError, match=r"leads out of the data set, to .*elsewhere"):
        opened(empty, stimuli_dir=str(raw / "stimuli")).stimuli(["stim-2"])


def test_a_derivative_inside_the_data_set_of_its_links(empty):
    coded.plain(empty)
    annexed(empty.root / "stimuli", empty.root.parent / ".git" / "annex" / "objects")
    assert len(coded.seen(opened(empty))) == 8


def test_one_object_of_the_store_is_two_files(empty):
    stems = coded.plain(empty)
    store = empty.root / ".git" / "annex" / "objects"
    draw = coded.draw(empty, "stimuli/stim-6_image.png", 2)  # a copy of picture 2
    assert draw.exists()
    before = opened(empty).subject("01").trials.stimulus
    annexed(empty.root / "stimuli", store, lambda p: p.read_bytes().hex()[:4000][-40:])
    assert opened(empty).subject("01").trials.stimulus == before
    assert len(stems) == 2


# --- runs, sessions, subjects -----------------------------------------------------------------


def test_events_of_run_1_belong_to_betas_of_run_01(empty, tmp_path):
    stems = coded.plain(empty, RUNS)
    raw = tmp_path / "raw" / "sub-1" / "ses-1" / "func"
    raw.mkdir(parents=True)
    for k, stem in enumerate(stems, 1):
        name = f"sub-1_ses-1_task-look_run-{k}_events.tsv"
        empty.path(f"{stem}_events.tsv").rename(raw / name)
    data = opened(empty, events_dir=str(tmp_path / "raw"))
    assert coded.seen(data) == [*RUNS[0], *RUNS[1]]
    assert data.subject("01").trials.run == ("01",) * 4 + ("02",) * 4


def test_one_run_twice_is_refused(empty):
    stems = coded.plain(empty, RUNS)
    for path in (f"{stems[0]}{BETAS}", f"{stems[0]}_events.tsv"):
        shutil.copy(empty.path(path), empty.path(path.replace("run-01", "run-1")))
    with pytest.raises(DataError, match=r"run-1_space.*holds the same betas as .*run-01_space"):
        opened(empty).subject("01")
    empty.path(f"{stems[0]}{BETAS}".replace("run-01", "run-1")).unlink()
    with pytest.raises(
        DataError, match=r"run-01_events.* and .*run-1_events.*: both are the table"
    ):
        opened(empty).subject("01")


def test_one_table_twice_is_refused_where_tables_are_joined(empty):
    stem = "sub-01/ses-01/func/sub-01_ses-01_task-look"
    for run in ("1", "2", "02"):
        coded.events(empty, f"{stem}_run-{run}_events.tsv", coded.rows_of((2, 3)))
    empty.image(f"{stem}{BETAS}", coded.volumes([2, 3, 2, 3, 2, 3]))
    with pytest.raises(DataError, match=r"run-02_events.* and .*run-2_events.*: both are"):
        opened(empty).subject("01")


def test_one_subject_twice_is_refused(empty):
    coded.plain(empty, RUNS)
    empty.path("sub-1/anat/x.txt").write_text("")
    with pytest.raises(DataError, match="the folders sub-01, sub-1 are of one subject"):
        opened(empty).subject("01")


@pytest.mark.parametrize(
    ("stem", "entity"),
    [
        ("sub-01/ses-01/func/sub-01_ses-01_task-look", "run"),
        ("sub-01/func/sub-01_task-look", "session"),
        ("sub-01/func/sub-01_task-look_run-1", "session"),
    ],
)
def test_joined_betas_beside_those_of_the_runs_are_refused(empty, stem, entity):
    coded.plain(empty, RUNS)
    numbers = [*RUNS[0], *RUNS[1]]
    empty.image(f"{stem}{BETAS}", coded.volumes(numbers))
    with pytest.raises(DataError, match=f"hold the same trials .*{entity} = ") as error:
        opened(empty).subject("01")
    wanted = {"suffix": "statmap", "stat": "effect", "desc": "singletrial"}
    assert all(f'{key} = "{value}"' in str(error.value) for key, value in wanted.items())
    if entity == "run":
        joined = opened(empty, betas_filter={**wanted, "run": ""})
        assert coded.seen(joined) == numbers
        assert coded.seen(opened(empty, betas_filter={**wanted, "run": ["1", "2"]})) == numbers


def test_single_trials_beside_their_series_are_refused(empty):
    (stem, _) = coded.plain(empty, RUNS)
    for k, n in enumerate(RUNS[0], 1):
        name = f"{stem}_trial-{k}{BETAS}".replace("_trial", "_space-T1w_trial")
        empty.image(name.replace("_space-T1w_stat", "_stat"), coded.volumes([n])[..., 0])
    with pytest.raises(DataError, match=r'hold the same trials .*trial = ""'):
        opened(empty).subject("01")


def test_a_label_in_a_column_is_that_of_the_files(empty):
    coded.plain(empty, RUNS)
    joined = "sub-01/ses-2/func/sub-01_ses-2_task-look"
    rows = [{**row, "run": "1.0"} for row in coded.rows_of((2, 7))]
    coded.write_run(empty, joined, (2, 7), rows)
    coded.draw(empty, "stimuli/stim-7_image.png", 7)
    trials = opened(empty).subject("01").trials
    assert trials.run == ("01",) * 4 + ("02",) * 4 + ("01",) * 2


def test_subjects_without_betas_are_no_part_of_shared(empty):
    coded.plain(empty, ((2, 3, 4, 5),))
    stem = "sub-02/func/sub-02_task-look"
    coded.write_run(empty, stem, (6, 5, 3), coded.rows_of((6, 5, 3)))
    coded.draw(empty, "stimuli/stim-6_image.png", 6)
    empty.mask("sub-03/anat/sub-03_desc-brain_mask.nii.gz")
    empty.path("sub-04/notes.txt").write_text("")
    data = opened(empty, split="shared")
    assert set(data.subject("01").trials.images("test")) == {"stim-3", "stim-5"}
    said = "left out: sub-03, sub-04: no betas; split = shared counts the other 2 subjects"
    assert said in coded.remarks(data)
    fresh = opened(empty)  # before a subject is open
    assert len(fresh.stimuli(["stim-6"])) == 1


def test_shared_pictures_may_have_other_names(empty):
    coded.plain(empty, ((2, 3, 4, 5),))
    rows = [{"onset": k, "stim_file": f"./stim-{n}_image.png"} for k, n in enumerate((5, 3))]
    coded.write_run(empty, "sub-02/func/sub-02_task-look", (5, 3), rows)
    data = opened(empty, split="shared")
    assert set(data.subject("01").trials.images("test")) == {"stim-3", "stim-5"}
    assert data.subject("02").trials.stimulus == ("stim-5", "stim-3")


def test_missing_pictures_are_told_at_once(empty):
    coded.plain(empty, RUNS)
    for n in (3, 4):
        empty.path(f"stimuli/stim-{n}_image.png").unlink()
    data = opened(empty)
    ids = dict.fromkeys(data.subject("01").trials.stimulus)
    with pytest.raises(MissingDataError) as error:
        data.stimuli(list(ids))
    said = str(error.value)
    for text in ("2 of 5 stimuli have no picture", "stim-3_image.png", "stim-4_image.png",
                 "datasets.bids.exclude", "datasets.bids.missing=skip"):  # fmt: skip
        assert text in said
    skipping = opened(empty, missing="skip")
    assert coded.seen(skipping) == [2, 5, 2, 5, 6]
    assert "warning: stimuli: 3 trials of 2 pictures that are not there" in coded.remarks(skipping)
    shutil.rmtree(empty.root / "stimuli")
    with pytest.raises(MissingDataError, match="5 of 5 stimuli have no picture"):
        opened(empty, missing="skip").subject("01")
