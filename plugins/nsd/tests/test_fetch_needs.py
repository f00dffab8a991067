"""What a recipe needs of NSD's bucket, by key, and what is known of its size."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from neurodiffuse.errors import ConfigError
from neurodiffuse_nsd.fetch.command import nsd
from neurodiffuse_nsd.fetch.needs import Request, needs, of_recipe, subject_of
from neurodiffuse_nsd.tree import Tree


@pytest.mark.parametrize("text", ["1", "01", "sub-01", "subj01"])
def test_ways_to_name_a_subject(text):
    assert subject_of(text) == "01"


@pytest.mark.parametrize("text", ["0", "9", "", "one", "../1"])
def test_subjects_that_are_not_there(text):
    with pytest.raises(ConfigError, match="NSD has no subject"):
        subject_of(text)


@pytest.mark.parametrize(
    ("version", "folder"),
    [
        ("b1", "betas_assumehrf"),
        ("b2", "betas_fithrf"),
        ("b3", "betas_fithrf_GLMdenoise_RR"),
    ],
)
@pytest.mark.parametrize(
    ("space", "form", "name"),
    [
        ("func1pt8mm", "nifti", "betas_session30.nii.gz"),
        ("func1pt8mm", "hdf5", "betas_session30.hdf5"),
        ("func1mm", "nifti", "betas_session30.nii.gz"),
        ("fsaverage", "nifti", "rh.betas_session30.mgh"),
    ],
)
def test_betas_of_all_kinds(version, folder, space, form, name):
    request = Request(("08",), 40, version, space, form, ("betas",))
    keys = [need.key for need in needs(request)]
    assert f"nsddata_betas/ppdata/subj08/{space}/{folder}/{name}" in keys
    sessions = [key for key in keys if "session" in key]
    assert len(sessions) == 30 * (2 if space == "fsaverage" else 1)


def test_what_the_data_set_reads_is_fetched():
    """Keys are the paths of the tree that the data set reads."""
    tree, keys = Tree(Path()), {need.key for need in needs(Request(("05",)))}
    for path in (
        tree.design,
        tree.picture_table,
        tree.pictures,
        tree.responses("05"),
        tree.volumes("05", "func1pt8mm") / "roi" / "nsdgeneral.nii.gz",
        tree.volumes("05", "func1pt8mm") / "roi" / "lh.prf-visualrois.nii.gz",
        tree.volumes("05", "func1pt8mm") / "prf_eccentricity.nii.gz",
        tree.volumes("05", "func1pt8mm") / "T1_to_func1pt8mm.nii.gz",
        tree.betas("05", "func1pt8mm", "b3") / "ncsnr.nii.gz",
        tree.betas("05", "func1pt8mm", "b3") / "betas_session37.nii.gz",
        tree.surface_labels("05") / "HCP_MMP1.mgz.ctab",
    ):
        assert path.as_posix() in keys


def test_a_recipe_says_what_is_needed():
    table = {"datasets": {"nsd": {"n_sessions": 12, "version": "b2", "format": "hdf5"}}}
    found = of_recipe(table, {"images"})
    assert Request(("01",), **found) == Request(
        ("01",), 12, "b2", form="hdf5", parts=("design", "betas", "rois", "anatomy", "stimuli")
    )
    assert "captions" in of_recipe({}, {"images", "captions"})["parts"]
    with pytest.raises(
        ConfigError, match=r"datasets.nsd.version: 'b4' given.*Possible: b1, b2, b3"
    ):
        of_recipe({"datasets": {"nsd": {"version": "b4"}}}, set())


def test_flags_change_what_the_recipe_says(tmp_path):
    recipe = tmp_path / "r.toml"
    recipe.write_text('[datasets.nsd]\nn_sessions = 2\nversion = "b1"\n')
    words = ["--sub", "1", "--recipe", str(recipe), "--version", "b3", "--dry-run"]
    said = CliRunner().invoke(nsd, [*words, "--root", str(tmp_path)], catch_exceptions=False).output
    assert "2 sessions of betas_fithrf_GLMdenoise_RR" in said
    assert "annotations" not in said


def test_looking_at_the_command_imports_no_client():
    code = (
        "import sys; from neurodiffuse.cli import cli\n"
        "try: cli.main(['fetch', 'nsd', '--help'])\n"
        "except SystemExit: pass\n"
        "print([m for m in ('requests', 'botocore', 'numpy', 'h5py') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_dry_run_works_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("NEURODIFFUSE_OFFLINE", "1")
    root = tmp_path / "nsd"
    words = ["--sub", "1", "--sub", "sub-03", "--root", str(root), "--dry-run"]
    words += ["--sessions", "40", "--endpoint", "http://127.0.0.1:9"]
    said = CliRunner().invoke(nsd, words, catch_exceptions=False).output
    assert not root.exists()
    assert "subject 01: 40 sessions" in said
    assert "subject 03: 32 sessions" in said
    assert said.count("betas_session") == 72
    assert "betas_session40.nii.gz  at most 1.05 GB" in said  # 81 * 104 * 83 * 750 * 2 bytes
    assert "nsd_stimuli.hdf5  about 39.6 GB" in said  # 73000 * 425 * 425 * 3 bytes
    total = 40 * 81 * 104 * 83 * 1500 + 32 * 81 * 106 * 82 * 1500
    assert f"at most {total / 1e9:.1f} GB" in said


def test_the_how_to_names_every_option():
    page = Path(__file__).parents[3] / "docs" / "how-to" / "nsd-download.md"
    if not page.exists():
        pytest.skip("the pages are not part of this distribution")
    documented = set(re.findall(r"^\| `(--[a-z-]+)", page.read_text("utf-8"), flags=re.M))
    assert documented == {name for parameter in nsd.params for name in parameter.opts}
