"""Copies of a picture under another name: found by their pixels, and told once."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from neurodiffuse.errors import DataError
from neurodiffuse.run import copies as of_run
from neurodiffuse.store import content
from neurodiffuse_bids import copies
from neurodiffuse_bids.copies import equal_files, equal_pictures
from neurodiffuse_bids.dataset import BidsDataset

from . import coded

pytestmark = pytest.mark.usefixtures("indexed_once")


def opened(tree, **options) -> BidsDataset:
    return BidsDataset(str(tree.root), **options)


def copied(empty):
    """Write a study of which test picture 3 is a copy of the training picture 8."""
    coded.plain(empty, ((2, 3, 4, 5), (8, 6, 7, 3)))
    source = empty.path("stimuli/stim-3_image.png")
    shutil.copy(source, empty.path("stimuli/stim-8_image.png"))
    return empty


def test_copies_on_both_sides_are_told(empty):
    data = opened(copied(empty))
    assert "warning: split: 1 picture is in training and in test" in coded.remarks(data)
    assert "stim-8 and stim-3" in coded.remarks(data)
    assert "datasets.bids.duplicates=together" in coded.remarks(data)


def test_copies_can_be_kept_together_or_refused(empty):
    plain = opened(copied(empty)).subject("01").trials
    trials = opened(empty, duplicates="together").subject("01").trials
    moved = [s for s, a, b in zip(plain.stimulus, plain.split, trials.split, strict=True) if a != b]
    assert moved == ["stim-8"]
    assert set(trials.images("test")) == {"stim-3", "stim-5", "stim-7", "stim-8"}
    with pytest.raises(DataError, match="stim-8 and stim-3 have the same pixels"):
        opened(empty, duplicates="refuse").subject("01")


def test_copies_kept_together_count_together(empty):
    copied(empty)
    rule = "repeats>=3"
    with pytest.raises(DataError, match="no picture was seen more than 2 times"):
        opened(empty, split=rule).subject("01")
    trials = opened(empty, split=rule, duplicates="together").subject("01").trials
    assert set(trials.images("test")) == {"stim-3", "stim-8"}


def test_only_files_of_one_size_are_read(tmp_path, monkeypatch):
    sizes = {"a": b"1" * 99, "b": b"1" * 99, "c": b"2" * 99, "d": b"1" * 98}
    for name, data in sizes.items():
        (tmp_path / name).write_bytes(data)
    read = []
    from pathlib import Path

    plain = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a: (read.append(self.name), plain(self, *a))[1])
    found = equal_files({name: tmp_path / name for name in sizes})
    assert set(found) == {"a", "b"}
    assert found["a"] == found["b"]
    assert "d" not in read


# --- other files of the same pixels -----------------------------------------------------------


def written(path, pixels, form) -> None:
    """Write pixels as a file of another form: of its own bytes, and shown the same."""
    image = Image.fromarray(pixels)
    if form == "less compressed":
        image.save(path, "PNG", compress_level=0)
    elif form == "a palette":
        image.convert("P", palette=Image.Palette.ADAPTIVE, colors=4).save(path, "PNG")
    elif form == "turned":
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.rot90(pixels, 1)).save(path, "PNG", exif=exif)
    else:
        image.save(path, form, **({"lossless": True} if form == "WEBP" else {}))


@pytest.fixture
def redone(empty):
    """Write a study of which test picture 3 has the pixels of training picture 8."""

    def write(form: str):
        coded.plain(empty, ((2, 3, 4, 5), (8, 6, 7, 3)))
        pixels = np.array(Image.open(empty.path("stimuli/stim-3_image.png")))
        pixels = np.ascontiguousarray(pixels[:3])  # not square
        Image.fromarray(pixels).save(empty.path("stimuli/stim-3_image.png"))
        written(empty.path("stimuli/stim-8_image.png"), pixels, form)
        return empty

    return write


@pytest.mark.parametrize("form", ["less compressed", "a palette", "turned", "BMP", "WEBP", "TIFF"])
def test_pictures_of_the_same_pixels_are_copies(redone, form):
    tree = redone(form)
    assert "stim-8 and stim-3 have the same pixels" in coded.remarks(opened(tree))
    with pytest.raises(DataError, match="stim-8 and stim-3 have the same pixels"):
        opened(tree, duplicates="refuse").subject("01")
    trials = opened(tree, duplicates="together").subject("01").trials
    assert "stim-8" in trials.images("test")
    trials = opened(tree, split="repeats>=3", duplicates="together").subject("01").trials
    assert set(trials.images("test")) == {"stim-3", "stim-8"}


def test_one_pixel_is_a_difference(redone):
    tree = redone("PNG")
    path = tree.path("stimuli/stim-8_image.png")
    pixels = np.array(Image.open(path))
    pixels[1, 1, 1] += 1
    Image.fromarray(pixels).save(path)
    assert "same pixels" not in coded.remarks(opened(tree, duplicates="refuse"))


@pytest.mark.parametrize(("limit", "value"), [("FEW", 5), ("PIXELS", 60)])
def test_many_pictures_are_decoded_only_where_the_option_asks(redone, monkeypatch, limit, value):
    tree, read = redone("BMP"), []
    plain = copies.read_picture
    monkeypatch.setattr(copies, "read_picture", lambda path: (read.append(path), plain(path))[1])
    monkeypatch.setattr(copies, limit, value)
    assert "same pixels" not in coded.remarks(opened(tree))
    assert len(read) < 6  # 7 pictures of 12 or 16 pixels
    with pytest.raises(DataError, match="stim-8 and stim-3 have the same pixels"):
        opened(tree, duplicates="refuse").subject("01")
    shutil.copy(tree.path("stimuli/stim-3_image.png"), tree.path("stimuli/stim-8_image.png"))
    assert "stim-8 and stim-3 have the same pixels" in coded.remarks(opened(tree))


def test_pictures_are_decoded_once(redone, monkeypatch):
    tree, read = redone("BMP"), []
    plain = copies.read_picture
    monkeypatch.setattr(copies, "read_picture", lambda path: (read.append(path), plain(path))[1])
    coded.write_run(tree, "sub-02/func/sub-02_task-look", (2, 3), coded.rows_of((2, 3)))
    data = opened(tree)
    data.subject("01")
    data.subject("02")
    assert len(read) == len(set(read)) == 7


def test_what_cannot_be_read_is_no_copy(tmp_path):
    for name in "ab":
        (tmp_path / name).write_bytes(b"no picture")
    assert equal_pictures({name: tmp_path / name for name in "ab"}, every=True) == {}


def test_pictures_of_the_test_set_that_are_the_same_are_noted(empty):
    coded.plain(empty, ((2, 3, 4, 5), (6, 7, 2, 3)))
    Image.open(empty.path("stimuli/stim-5_image.png")).save(
        empty.path("stimuli/stim-7_image.png"), "BMP"
    )
    said = coded.remarks(opened(empty, duplicates="refuse"))
    assert "split: 2 pictures of the test set have the same pixels as another one of it" in said
    assert "stim-5 and stim-7. Identification cannot tell these apart" in said
    assert "warning" not in said
    moved = coded.remarks(opened(copied(empty), duplicates="together"))
    assert "stim-3 and stim-8. Identification cannot tell these apart" in moved


# --- told once --------------------------------------------------------------------------------


def run_of(data: BidsDataset, path):
    """Return what of a run is asked for: the subject, and what its pictures hold."""
    subject = data.subject("01")
    ids = (*subject.trials.images("train"), *subject.trials.images("test"))
    images = data.stimuli(ids).images
    contents = {i: content(images[k]) for k, i in enumerate(ids)}
    return SimpleNamespace(subject=lambda _: subject, contents=contents, trunk=None, path=path)


def test_what_the_data_set_says_of_copies_is_not_told_again(redone, tmp_path):
    tree = redone("BMP")
    assert of_run.note(run_of(opened(tree), tmp_path), "01") == ()
    assert of_run.note(run_of(opened(tree, duplicates="together"), tmp_path), "01") == ()


def test_what_only_the_run_finds_is_told_by_it(redone, tmp_path, monkeypatch):
    tree = redone("BMP")
    Image.open(tree.path("stimuli/stim-5_image.png")).save(
        tree.path("stimuli/stim-7_image.png"), "BMP"
    )
    monkeypatch.setattr(copies, "FEW", 5)
    run = run_of(opened(tree), tmp_path)
    across, within = of_run.note(run, "01")
    assert across.kind == "warning"
    assert "1 picture of the test set is in training as well" in across.text
    assert "stim-8 and stim-3" in across.text
    assert within.kind == "note"
    assert "1 picture of the test set has the same pixels as another one of it" in within.text
    assert "stim-5 and stim-7" in within.text
    assert of_run.remarks(run, "01") == (across, within)
    tree.path("stimuli/stim-7_image.png").unlink()
    coded.draw(tree, "stimuli/stim-7_image.png", 7)
    assert of_run.note(run_of(opened(tree), tmp_path), "01") == (across,)
