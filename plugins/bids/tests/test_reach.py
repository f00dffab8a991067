"""Links that lead out of a data set, and what is no plain file: never opened, and named."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from pathlib import Path

import pytest

from neurodiffuse import pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import DataError, NeurodiffuseError
from neurodiffuse.plan import plan_of
from neurodiffuse.plugins import Registry
from neurodiffuse.readers import reach
from neurodiffuse.run import Run
from neurodiffuse_bids.dataset import BidsDataset

SECRET = "root:x:0:0:TOPSECRET"

_OPENED: list[str] = []
_HOOKED = False


@pytest.fixture
def opened():
    """Return a list of the files that Python opens from now on, by the names they are opened by."""
    global _HOOKED
    if not _HOOKED:
        sys.addaudithook(lambda event, args: event == "open" and _OPENED.append(str(args[0])))
        _HOOKED = True
    _OPENED.clear()
    return _OPENED


def everything(tree, links: str = "inside", **options) -> str:
    """Read all that a run would and return what is said of it."""
    data = BidsDataset(str(tree.root), **options)
    reach.limit(data.home(), options, links)
    about = data.subject("01")
    said = [remark.text for remark in about.remarks]
    ids = sorted(set(about.trials.stimulus))
    stimuli = data.stimuli(ids)
    for k in range(len(ids)):
        stimuli.images[k]
    said += [text for texts in stimuli.captions for text in texts]
    for name in (roi.name for roi in about.rois):
        data.roi("01", name)
    everywhere = data.roi("01", about.rois[0].name).astype(bool) | True
    for _ in data.betas("01", everywhere):
        pass
    said += map(repr, data.about().values())
    if about.anatomy:
        said.append(str(about.anatomy))
    return "\n".join(said)


def told(tree, **options) -> str:
    try:
        return everything(tree, **options)
    except NeurodiffuseError as error:
        return str(error)


@pytest.fixture
def full(tree):
    """The tree with one file of each further kind that is read."""
    tree.json("sub-01/ses-01/func/sub-01_ses-01_task-look_run-01_space-T1w_stat-effect_"
              "desc-singletrial_statmap.json", Units="arbitrary")  # fmt: skip
    tree.json("task-look_events.json", stim_id={"Description": "picture"})
    tree.table("stimuli/stimuli.tsv", "stim_id type", *(f"stim-{x} image" for x in "abcdef"))
    tree.mask("sub-01/anat/sub-01_space-T1w_desc-brain_mask.nii.gz", 0.2)
    tree.table(
        "sub-01/sub-01_sessions.tsv",
        "session_id acq_time",
        "ses-01 2020-01-01",
        "ses-02 2020-01-02",
    )
    tree.image(
        "sub-01/anat/sub-01_space-T1w_desc-preproc_T1w.nii.gz",
        tree.rng.random((5, 4, 3)).astype("f4"),
    )
    return tree


def files_of(tree) -> list[Path]:
    return sorted(path for path in tree.root.rglob("*") if path.is_file())


NAMES = 32
"""Files in the tree of these tests, at most; those that are not there are not asked for."""


@pytest.mark.parametrize("number", range(NAMES))
def test_a_link_that_leads_out_is_never_opened(full, opened, tmp_path, number):
    files = files_of(full)
    assert len(files) <= NAMES
    if number >= len(files):
        return
    path = files[number]
    everything(full)
    is_read = str(path) in opened
    (tmp_path / "passwd").write_text(SECRET)
    path.unlink()
    path.symlink_to(tmp_path / "passwd")
    opened.clear()
    said = told(full)
    assert str(path) not in opened, said
    assert SECRET not in said
    if is_read:
        assert path.name in said
        assert "leads out of the data set" in said


def test_with_links_any_they_are_followed(full, tmp_path):
    before = everything(full)
    for path in files_of(full):
        other = tmp_path / "scratch" / path.relative_to(full.root)
        other.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, other)
        path.symlink_to(other)
    assert everything(full, links="any") == before
    with pytest.raises(DataError, match=r"leads out of the data set, to .*--links any"):
        everything(full)


def test_folders_that_are_links_count_as_links(full, tmp_path):
    shutil.move(full.root / "sub-01", tmp_path / "sub-01")
    (full.root / "sub-01").symlink_to(tmp_path / "sub-01")
    with pytest.raises(DataError, match="is a link, or is below one, that leads out"):
        everything(full)
    everything(full, links="any")


def test_links_within_the_data_set_and_a_root_that_is_a_link_are_fine(full, tmp_path):
    before = everything(full)
    store = full.root / ".git" / "annex" / "objects"
    store.mkdir(parents=True)
    for number, path in enumerate(p for p in files_of(full) if ".git" not in p.parts):
        shutil.move(path, store / str(number))
        path.symlink_to(os.path.relpath(store / str(number), path.parent))
    assert everything(full) == before
    (tmp_path / "link").symlink_to(full.root)
    full.root = tmp_path / "link"
    assert everything(full).replace("/link/", "/toy/") == before


def test_folders_that_the_user_names_are_reached(full, tmp_path):
    shutil.move(full.root / "stimuli", tmp_path / "pictures")
    (full.root / "sub-01" / "anat" / "extra.txt").touch()
    everything(full, stimuli_dir=str(tmp_path / "pictures"))
    (full.root / "stimuli").symlink_to(tmp_path / "pictures")
    everything(full, stimuli_dir=str(tmp_path / "pictures"))
    with pytest.raises(DataError, match="leads out"):
        everything(full)


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "circle"])
@pytest.mark.parametrize("number", range(NAMES))
def test_what_is_no_plain_file_is_never_opened(full, opened, number, kind, monkeypatch):
    """A pipe or a device is waited for without end: one line instead, or the file is left out."""
    files = files_of(full)
    if number >= len(files):
        return
    path = files[number]
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        monkeypatch.chdir(path.parent)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name[:100])
        Path(path.name[:100]).rename(path.name)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(path.name)
    opened.clear()
    said = told(full)
    assert str(path) not in opened, said


def test_the_plan_names_the_first_link_that_leaves(full, tmp_path):
    registry = Registry.installed()
    if "pixels" not in [card.name for card in registry.cards("recipe")]:
        pytest.skip("a recipe is needed")
    shutil.move(full.root / "stimuli/stim-c_image.png", tmp_path / "c.png")
    (full.root / "stimuli/stim-c_image.png").symlink_to(tmp_path / "c.png")

    def run_of(links):
        config = resolve(registry, dataset="bids", subjects=("01",), recipe="pixels",
                         root=str(full.root), links=links)  # fmt: skip
        config, data = pipeline.open_subjects(config, registry)
        return Run(tmp_path / "run", config, registry, data, quiet=True)

    with pytest.raises(DataError, match=r"stim-c_image\.png: is a link.*--links any"):
        plan_of(run_of("inside"))
    plan_of(run_of("any"))
