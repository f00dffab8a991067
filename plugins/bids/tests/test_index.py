"""The index that is kept between runs."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from neurodiffuse_bids.index import natural, subject_files


def paths(root: Path, cache: Path) -> set[str]:
    return {f.path.relative_to(root).as_posix() for f in subject_files(root, "01", cache)}


def on_disk(root: Path) -> set[str]:
    inside = [*root.glob("sub-01/**/*"), *root.glob("*")]
    return {p.relative_to(root).as_posix() for p in inside if p.name.endswith((".nii.gz", ".tsv"))}


def test_it_lists_what_is_there_and_follows_changes(tree, tmp_path):
    cache = tmp_path / "cache"
    tree.table("participants.tsv", "participant_id", "sub-01")
    tree.path("sub-010/func/sub-010_betas.nii.gz").touch()
    tree.path("sub-01/figures/sub-01_desc-x_statmap.nii.gz").touch()
    expected = on_disk(tree.root) - {"sub-01/figures/sub-01_desc-x_statmap.nii.gz"}
    assert paths(tree.root, cache) == expected
    kept = list(cache.rglob("*.sqlite"))
    stamp = kept[0].stat().st_mtime_ns
    assert paths(tree.root, cache) == expected
    assert [p.stat().st_mtime_ns for p in cache.rglob("*.sqlite")] == [stamp]
    tree.path("sub-01/anat/sub-01_label-new_mask.nii.gz").touch()
    next(tree.root.glob("sub-01/ses-02/func/*_events.tsv")).unlink()
    changed = paths(tree.root, cache)
    assert changed == on_disk(tree.root) - {"sub-01/figures/sub-01_desc-x_statmap.nii.gz"}
    assert len(list(cache.rglob("*.sqlite"))) == 1  # that of the tree as it was is gone


def test_entities(tree, tmp_path):
    (file,) = [f for f in subject_files(tree.root, "01", tmp_path) if f["stat"] == "eccentricity"]
    assert dict(file.entities) == {
        "subject": "01",
        "space": "T1w",
        "stat": "eccentricity",
        "desc": "prf",
        "suffix": "statmap",
        "extension": ".nii.gz",
    }


def test_a_cache_that_cannot_be_written(tree, tmp_path):
    blocked = tmp_path / "file"  # a file is in the way
    assert paths(tree.root, blocked / "cache") == on_disk(tree.root)


def test_two_processes_at_once(tree, tmp_path):
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        found = list(pool.map(paths, [tree.root] * 4, [tmp_path / "cache"] * 4))
    assert all(one == on_disk(tree.root) for one in found)
    assert len(list((tmp_path / "cache").rglob("*.sqlite"))) == 1


def test_numbers_sort_as_numbers():
    assert sorted(["run10", "run2", "run1", "a"], key=natural) == ["a", "run1", "run2", "run10"]
