"""Paths of pictures that lead nowhere here: what is wrong with them is told."""

from __future__ import annotations

import pytest

from neurodiffuse.errors import DataError
from neurodiffuse_bids.dataset import BidsDataset

from . import coded

pytestmark = pytest.mark.usefixtures("indexed_once")


def told(tree, path: str, name: str) -> str:
    """Return the message on a study whose picture 3, the file ``name``, tables call ``path``."""
    (stem, *_) = coded.plain(tree, ((2, 3, 4, 5),))
    tree.path("stimuli/stim-3_image.png").rename(tree.path(f"stimuli/{name}"))
    rows = coded.rows_of((2, 3, 4, 5))
    rows[1]["stim_file"] = path
    coded.events(tree, f"{stem}_events.tsv", rows)
    data = BidsDataset(str(tree.root))
    ids = list(dict.fromkeys(data.subject("01").trials.stimulus))
    with pytest.raises(DataError) as error:
        data.stimuli(ids)
    said = str(error.value)
    assert "\n" not in said
    return said


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"C:\exp\stimuli\x.png", "x.png"),
        ("D:/exp/faces/x.png", "faces/x.png"),
        (r"\\server\share\x.png", "x.png"),
        ("/home/other/exp/stimuli/x.png", "x.png"),
        ("~/exp/x.PNG", "x.png"),
        ("file:///home/other/my%20x.png", "my x.png"),
        ("https://example.org/x.png", "x.png"),
    ],
)
def test_paths_of_another_machine_are_told(empty, path, name):
    empty.path(f"stimuli/{name}")
    said = told(empty, path, name)
    assert f"{path!r} is a whole path or an address, perhaps of another machine" in said
    assert f"paths start in {empty.root / 'stimuli'}." in said
    assert f"There is a file {name!r}: write that name" in said


@pytest.mark.parametrize(
    ("path", "name"), [("my%20x.png", "my x.png"), ("exp1/x.png", "x.png"),
                       ("stimuli/caf%C3%A9.png", "café.png")],
)  # fmt: skip
def test_names_that_are_written_in_another_way_are_told(empty, path, name):
    said = told(empty, path, name)
    assert f"There is a file {name!r}: write that name" in said
    assert "another machine" not in said


def test_nothing_is_guessed_of_a_file_that_is_not_there(empty):
    said = told(empty, r"C:\exp\y.png", "x.png")
    assert "another machine" in said
    assert "There is a file" not in said
    path = empty.root / "stimuli/z.png"
    said = told(empty, str(path), "x.png")
    assert "another machine" not in said
    assert "There is a file" not in said
