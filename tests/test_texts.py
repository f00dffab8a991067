"""Arrays of texts are read, and nothing that a pickle names is run."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.readers.texts import read_texts

TEXTS = [["a dog", "naïve “quotes”"], ["", "x"]]


def written(path, content, protocol):
    """Write an array of objects as numpy of any version does, whatever the objects are."""
    with path.open("wb") as file:
        shape = getattr(content, "shape", (2, 2))
        header = {"descr": "|O", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        pickle.dump(content, file, protocol=protocol)
    return path


@pytest.mark.parametrize("kind", ["U", "S", "O"])
def test_texts_of_every_kind_are_the_same(tmp_path, kind):
    table = np.array(TEXTS, object)
    if kind != "O":
        table = np.array([[cell.encode() if kind == "S" else cell for cell in r] for r in TEXTS])
    np.save(tmp_path / "t.npy", table, allow_pickle=True)
    found = read_texts(tmp_path / "t.npy")
    assert found.tolist() == TEXTS
    assert all(type(cell) is str for cell in found.flat)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("old", [False, True])
def test_pickles_of_every_protocol_are_read(tmp_path, protocol, old):
    table = np.array([[TEXTS[0][0], np.str_(TEXTS[0][1])], [None, TEXTS[1][1]]], object)
    path = written(tmp_path / "t.npy", table, protocol)
    if (
        old and protocol < 4
    ):  # numpy 1 called its core otherwise, and names have the length before them
        content = path.read_bytes().replace(
            b"\x16numpy._core.multiarray", b"\x15numpy.core.multiarray"
        )
        path.write_bytes(content.replace(b"cnumpy._core.multiarray", b"cnumpy.core.multiarray"))
    assert read_texts(path).tolist() == TEXTS


class Shell:
    """What runs a command when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch {self.mark}",)


@pytest.mark.parametrize("inside", [True, False])
def test_nothing_is_run(tmp_path, inside):
    mark = tmp_path / "ran"
    shell = Shell(mark)
    table = np.array([["a", shell]], object) if inside else shell
    path = written(tmp_path / "t.npy", table, 4)
    with pytest.raises(DataError, match="'posix' 'system', and reading that could run") as told:
        read_texts(path)
    assert "\n" not in str(told.value)
    assert not mark.exists()
    np.load(path, allow_pickle=True)  # the same file does run it elsewhere
    assert mark.exists()


@pytest.mark.parametrize(
    "content",
    [
        np.array([[3.0, "a"]], object),
        np.array([["a", ["b"]]], object),
        np.array([["a", np.float64(3)]], object),
        ["a"],
        "a",
        np.ma.array(["a"], object),
    ],
)
def test_what_is_no_array_of_texts_is_refused(tmp_path, content):
    with pytest.raises(DataError) as told:
        read_texts(written(tmp_path / "t.npy", content, 4))
    assert "\n" not in str(told.value)


def test_damaged_files_are_one_line(tmp_path):
    path = tmp_path / "t.npy"
    with pytest.raises(MissingDataError, match="there is no such file"):
        read_texts(path)
    np.save(path, np.array(TEXTS, object), allow_pickle=True)
    whole = path.read_bytes()
    for content in (b"", b"no array", whole[:40], whole[:-9], whole[:128]):
        path.write_bytes(content)
        with pytest.raises(DataError) as told:
            read_texts(path)
        assert "\n" not in str(told.value)
    np.save(path, np.zeros((2, 2)))
    with pytest.raises(DataError, match="float64 of shape"):
        read_texts(path)
    np.save(path, np.array([b"\xff"]))
    with pytest.raises(DataError, match="no texts in UTF-8"):
        read_texts(path)
