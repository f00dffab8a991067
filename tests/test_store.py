"""What is written is what is read, and a block of columns is a block of columns."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from neurodiffuse import reading, store
from neurodiffuse.errors import DataError, RunError
from neurodiffuse.store import LatentFile


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(store.latents, "WIDTH", 8)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("targets", [3, 8, 20])
def test_rows_in_batches_are_columns_in_blocks(tmp_path, targets):
    values = np.random.default_rng(0).standard_normal((11, targets)).astype(np.float32)
    file = LatentFile.create(tmp_path / "x.npy", [f"i{k}" for k in range(11)], [(targets,)])
    for start in (8, 0, 4):
        file.write(start, values[start : start + 4])
    again = LatentFile.open(tmp_path / "x.npy")
    assert again.ids[3] == "i3"
    np.testing.assert_array_equal(again.rows().values, values)
    np.testing.assert_array_equal(again.rows(2, 5).values, values[2:5])
    for columns, block in again.blocks():
        np.testing.assert_array_equal(block, values[:, columns])
    assert sum(c.stop - c.start for c, _ in again.blocks()) == targets


@pytest.mark.usefixtures("narrow")
def test_images_are_found_by_id(tmp_path):
    file = LatentFile.create(tmp_path / "x.npy", list("abcd"), [(2100,)])
    values = np.arange(4 * 2100, dtype=np.float32).reshape(4, 2100)
    file.write(0, values)
    found = LatentFile.open(tmp_path / "x.npy").of(["d", "b"])
    assert found.ids == ("d", "b")
    np.testing.assert_array_equal(found.values, values[[3, 1]])
    with pytest.raises(RunError, match=r"x\.npy: has no row for 2 of 3 images, the first 'e'"):
        file.places(["a", "e", "f"])


def test_float16_keeps_what_lies_far_from_zero(tmp_path):
    """Means of 300 deviations, tiny and huge units, a target that first stands still."""
    rng = np.random.default_rng(1)
    sd = np.tile([1e-9, 1.0, 1e9, 3.0], 5)
    values = (rng.standard_normal((700, 20)) + 300) * sd
    values[:64, 3], values[:, 7], values[:, 11] = 5.0, 0.0, 4.25
    values = values.astype(np.float32)
    file = LatentFile.create(tmp_path / "x.npy", [f"i{k}" for k in range(700)], [(20,)], "float16")
    file.settle(values[:64])
    for start in (64, 0, 400):
        file.write(start, values[start : start + 336])
    again = LatentFile.open(tmp_path / "x.npy")
    read = np.concatenate([block for _, block in again.blocks()], axis=1)
    np.testing.assert_array_equal(again.rows().values, read)
    assert read.dtype == np.float32
    spread = values.std(axis=0, dtype=float)
    varies = spread > 1e-6 * np.abs(values).max(axis=0)
    assert varies.sum() == 18
    assert (np.abs(read - values).max(axis=0)[varies] / spread[varies]).max() < 2e-3
    np.testing.assert_array_equal(read[:, [7, 11]], values[:, [7, 11]])


def test_float16_files_are_half_as_large(tmp_path):
    values = np.random.default_rng(0).standard_normal((1000, 4096)).astype(np.float32)
    file = LatentFile.create(
        tmp_path / "x.npy", [f"i{k}" for k in range(1000)], [(4096,)], "float16"
    )
    file.settle(values[:64])
    file.write(0, values)
    assert sum(f.stat().st_size for f in tmp_path.iterdir()) <= 1.05 * 2 * values.size


def test_a_value_that_float16_cannot_hold_is_told(tmp_path):
    values = np.ones((3, 5), np.float32)
    file = LatentFile.create(tmp_path / "x.npy", "abc", [(5,)], "float16")
    file.settle(values)
    values[2, 4] = 1e8
    with pytest.raises(DataError, match=r"column 4 .* encode.dtype = 'float32'"):
        file.write(0, values)


def test_a_file_that_was_cut_off_is_told(tmp_path):
    file = LatentFile.create(tmp_path / "x.npy", ["a", "b"], [(600,)])
    with file.path.open("r+b") as opened:
        opened.truncate(1000)
    with pytest.raises(RunError, match="cut off or damaged"):
        list(file.blocks())


@pytest.mark.parametrize("gone", ["x.npy", "x.json"])
def test_latents_that_are_gone_are_told(tmp_path, gone):
    LatentFile.create(tmp_path / "x.npy", ["a"], [(3,)])
    (tmp_path / gone).unlink()
    with pytest.raises(RunError, match="it is gone"):
        LatentFile.open(tmp_path / "x.npy")


def test_shapes_undo_the_flattening(tmp_path):
    file = LatentFile.create(tmp_path / "x.npy", ["a", "b"], [(2, 3), (4,)])
    file.write(0, np.arange(20).reshape(2, 10))
    first, second = file.rows().blocks()
    assert first.tolist() == [[[0, 1, 2], [3, 4, 5]], [[10, 11, 12], [13, 14, 15]]]
    assert second.tolist() == [[6, 7, 8, 9], [16, 17, 18, 19]]


@pytest.mark.usefixtures("narrow")
def test_a_part_of_a_block_that_is_held_keeps_its_values(tmp_path):
    """Memory of blocks is filled again, but never while anybody sees a piece of it."""
    values = np.arange(6 * 80, dtype=np.float32).reshape(6, 80)
    file = LatentFile.create(tmp_path / "x.npy", list("abcdef"), [(80,)])
    file.write(0, values)
    held = []
    for columns, block in file.blocks():
        if columns.start % 16 == 0:
            held.append((columns, block[2:3, ::3]))
    assert len(held) == 5
    for columns, piece in held:
        np.testing.assert_array_equal(piece, values[2:3, columns][:, ::3])


@pytest.mark.usefixtures("narrow")
def test_memory_of_blocks_is_filled_again(tmp_path):
    file = LatentFile.create(tmp_path / "x.npy", list("abcdef"), [(800,)])
    pages = {block.__array_interface__["data"][0] // mmap.PAGESIZE for _, block in file.blocks()}
    assert len(pages) <= 4


@pytest.mark.usefixtures("narrow")
def test_a_file_that_was_cut_is_said_to_be(tmp_path):
    file = LatentFile.create(tmp_path / "x.npy", list("abcdef"), [(77,)])
    with file.path.open("r+b") as cut:
        cut.truncate(file.path.stat().st_size - 5)
    with pytest.raises(RunError, match="cut off or damaged"):
        list(file.blocks())


def test_a_triangle_is_stored_without_what_is_above_it(tmp_path):
    rng = np.random.default_rng(0)
    for order in "CF":
        matrix = np.array(rng.standard_normal((2000, 2000)), np.float32, order=order)
        store.save_triangle(tmp_path / "x.npy", matrix)
        found = np.load(tmp_path / "x.npy", mmap_mode="r")
        assert found.flags.f_contiguous
        np.testing.assert_array_equal(found, np.tril(matrix))
    store.save_triangle(tmp_path / "one.npy", np.ones((1, 1)))
    assert np.load(tmp_path / "one.npy").tolist() == [[1.0]]


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot be told")
@pytest.mark.parametrize("large", [True, False])
def test_only_a_large_file_is_not_kept_in_the_cache_when_it_is_written(
    tmp_path, monkeypatch, large
):
    said = []
    monkeypatch.setattr(os, "posix_fadvise", lambda *asked: said.append(asked[1:]))
    monkeypatch.setattr(reading, "KEPT", 100 if large else 2**29)
    file = LatentFile.create(tmp_path / "x.npy", list("ab"), [(80,)])
    file.write_columns(slice(0, 80), np.ones((2, 80), np.float32))
    assert said == ([(0, 0, os.POSIX_FADV_DONTNEED)] if large else [])
    np.testing.assert_array_equal(file.rows().values, 1.0)


def test_labels_are_alphanumeric_and_distinct():
    ids = ["stim-nsd02951", "coco/a-1.jpg", "coco/a_1.jpg", "…"]
    found = store.labels(ids)
    assert found[0] == "nsd02951"
    assert all(name.isalnum() for name in found)
    assert len(set(found)) == len(ids)
    assert store.labels(ids) == found


def test_seed_depends_on_the_image_and_the_run_alone():
    assert store.seed_of(0, "a") == store.seed_of(0, "a")
    assert len({store.seed_of(s, i) for s in (0, 1) for i in "abc"}) == 6
    assert 0 <= store.seed_of(0, "a") < 2**63


def test_picture_survives_being_written(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    store.save_image(tmp_path / "a.png", values)
    np.testing.assert_array_equal(store.load_images(tmp_path, ["a"])[0], values)
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_a_block_that_is_let_go_of_is_no_memory_whichever_thread_read_it(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    def held() -> int:
        lines = dict(x.split(":", 1) for x in Path("/proc/self/status").read_text().splitlines())
        return sum(int(lines[kind].split()[0]) for kind in ("RssAnon", "RssShmem")) * 1024

    ids = [f"i{k}" for k in range(2400)]
    file = LatentFile.create(tmp_path / "x.npy", ids, ((2048,),))
    block = 2400 * 2048 * 4
    with ThreadPoolExecutor(1) as reader:
        before = held()
        for _ in range(4):
            assert reader.submit(lambda: file.block(0)[1].shape).result() == (2400, 2048)
        assert held() - before < block / 4
