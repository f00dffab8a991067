"""Stretches of files: the same bytes past the cache, in memory that nobody holds any more."""

import errno
import os

import numpy as np
import pytest

from neurodiffuse import reading
from neurodiffuse.reading import Stretches

direct = pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="the system always caches")


@pytest.fixture
def content(tmp_path):
    """A file of 5 pages and some bytes, and what it holds."""
    values = np.random.default_rng(0).integers(0, 256, 5 * 4096 + 77, np.uint8)
    (tmp_path / "x").write_bytes(values.tobytes())
    return tmp_path / "x", values


@pytest.fixture
def opened(monkeypatch):
    """Flags of every file that `os.open` was asked for."""
    seen, real = [], os.open
    monkeypatch.setattr(os, "open", lambda p, f, *more: seen.append(f) or real(p, f, *more))
    return seen


@pytest.mark.parametrize("kept", [10**6, pytest.param(100, marks=direct)])
def test_stretches_hold_the_files_bytes(content, monkeypatch, kept):
    monkeypatch.setattr(reading, "KEPT", kept)
    path, values = content
    with Stretches(path) as file:
        for start, size in ((0, 1), (128, 4096), (4096, 4096), (77, len(values) - 77), (20000, 0)):
            np.testing.assert_array_equal(file.read(start, size), values[start : start + size])


@direct
def test_only_a_large_file_is_read_past_the_cache(content, monkeypatch, opened):
    path, values = content
    for kept, past in ((len(values), False), (len(values) - 1, True)):
        monkeypatch.setattr(reading, "KEPT", kept)
        opened.clear()
        with Stretches(path) as file:
            file.read(0, 10)
        assert [bool(flags & os.O_DIRECT) for flags in opened] == [past]


@direct
@pytest.mark.parametrize("where", ["opening", "reading"])
def test_a_disk_that_cannot_is_read_through_the_cache(content, monkeypatch, where):
    """Some file systems refuse to open a file so, some to read what they opened."""
    monkeypatch.setattr(reading, "KEPT", 100)
    path, values = content
    refused, real_open, real_read = set(), os.open, os.preadv

    def opening(path, flags, *more):
        if flags & os.O_DIRECT and where == "opening":
            refused.add("opening")
            raise OSError(errno.EINVAL, "not on this disk")
        file = real_open(path, flags, *more)
        if flags & os.O_DIRECT:
            refused.add(file)
        else:
            refused.discard(file)
        return file

    def read(file, *more):
        if file in refused:
            raise OSError(errno.EINVAL, "not on this disk")
        return real_read(file, *more)

    monkeypatch.setattr(os, "open", opening)
    monkeypatch.setattr(os, "preadv", read)
    with Stretches(path) as file:
        np.testing.assert_array_equal(file.read(128, 9000), values[128:9128])


@direct
def test_a_disk_that_fails_is_not_read_another_way(content, monkeypatch, opened):
    monkeypatch.setattr(reading, "KEPT", 100)
    closed, real = [], os.close

    def fail(*_):
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "preadv", fail)
    monkeypatch.setattr(os, "close", lambda file: closed.append(file) or real(file))
    with pytest.raises(OSError, match="broken disk"):
        Stretches(content[0])
    assert len(opened) == len(closed) == 1


@pytest.mark.parametrize("kept", [10**6, pytest.param(100, marks=direct)])
def test_a_file_that_ends_before_is_an_error(content, monkeypatch, kept):
    monkeypatch.setattr(reading, "KEPT", kept)
    path, values = content
    with Stretches(path) as file:
        with pytest.raises(EOFError, match=str(len(values) + 1)):
            file.read(4096, len(values) + 1 - 4096)
        with pytest.raises(EOFError):
            file.read(10**6, 5)
        assert len(file.read(4096, len(values) - 4096)) == len(values) - 4096


def test_memory_that_is_held_keeps_its_bytes_and_other_memory_is_used_again(content):
    path, values = content
    with Stretches(path) as file:
        held = file.read(0, 4096)[10:20]
        places = {file.read(4096, 4096).ctypes.data for _ in range(10)}
        np.testing.assert_array_equal(held, values[10:20])
    assert len(places) == 1
