"""`neurodiffuse rois`: the counts are those of plain masks, and only its own folder is replaced."""

from __future__ import annotations

import csv
import dataclasses
import json
import re

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner
from toy import SHAPE, Toy

from neurodiffuse.errors import ConfigError, DataError, RunError
from neurodiffuse.questions.rois import pictures
from neurodiffuse.questions.rois.ask import listing, write
from neurodiffuse.questions.rois.command import rois
from neurodiffuse.questions.rois.pictures import plates
from neurodiffuse.questions.rois.table import Region, Row
from neurodiffuse.report.brain import image_of
from neurodiffuse.types import Grid, Roi


def rows(page):
    with (page.parent / "rois.tsv").open(encoding="utf-8") as file:
        return {row["name"]: row for row in csv.DictReader(file, delimiter="\t")}


def test_regions_are_counted_on_the_grid_and_in_the_mask():
    found = listing(Toy(), "01", mask="V1+FFA1-ecc:0-1")
    counts = {r.row.name: (r.row.voxels, r.row.inside) for r in found.regions}
    # V1 is voxels 0 to 19, FFA1 20 to 29, ecc below 1 is 0 to 9: the mask is 10 to 29
    assert counts == {
        "left": (60, 20),
        "V1": (20, 10),
        "FFA1": (10, 10),
        "nothing": (0, 0),
        "ecc": (120, 20),
    }


def test_a_map_has_its_spread_inside_the_mask():
    found = listing(Toy(), "01", mask="FFA1")
    (row,) = [r.row for r in found.regions if r.row.kind == "map"]
    low, high = np.percentile(np.arange(20, 30) / 10, (5, 95))
    assert (row.low, row.high, row.units) == (pytest.approx(low), pytest.approx(high), "degree")


class Angles(Toy):
    """The toy's map as polar angle, of which voxels 0 to 9 lie on both sides of 0."""

    def subject(self, label):
        about = super().subject(label)
        return dataclasses.replace(about, rois=(*about.rois, Roi("angle", "map", units="degree")))

    def roi(self, label, name):
        if name != "angle":
            return super().roi(label, name)
        return ((np.arange(120) * 4.0 - 18) % 360).astype(np.float32)


def test_an_angle_has_its_arc_and_a_scale_without_ends(tmp_path, monkeypatch):
    data, drawn = Angles(), {}
    found = listing(data, "01", mask="ecc:0-1")
    (row,) = [r.row for r in found.regions if r.row.name == "angle"]
    # -18, -14 … 18: nine of ten
    assert (row.low, row.high) in {(342, 14), (346, 18)}

    def draw(image, *, scale, units, **given):
        drawn[units] = (image, scale)
        return b"png"

    monkeypatch.setattr(pictures, "map_picture", draw)
    shown = plates(found.about, found.mask, found.regions)
    image, scale = drawn["degree"]
    assert scale.cyclic
    assert (scale.low, scale.high) == (0, 360)
    inside = np.nan_to_num(image.dataobj).ravel()[found.mask]
    np.testing.assert_allclose(inside, [342, 346, 350, 354, 358, 2, 6, 10, 14, 18])
    assert "same colour" in shown[-1].note


def test_expressions_take_the_place_of_the_list_and_their_masks_are_written(tmp_path):
    data = Toy()
    found = listing(data, "01", expressions=["V1 & ecc>=1.5", "left-V1"])
    page = write(found, data, "toy", tmp_path / "out", masks=True)
    assert {name: int(row["voxels"]) for name, row in rows(page).items()} == {
        "V1 & ecc>=1.5": 5,
        "left-V1": 40,
    }
    (path,) = (tmp_path / "out").glob("mask-1-*.nii.gz")
    stored = nib.load(path)
    inside = np.flatnonzero(np.asarray(stored.dataobj).ravel())
    assert inside.tolist() == [15, 16, 17, 18, 19]
    assert stored.shape == SHAPE


def test_where_nothing_is_the_table_says_so(tmp_path):
    data = Toy()
    page = write(listing(data, "01"), data, "toy", tmp_path / "out", masks=False)
    assert rows(page)["nothing"]["low"] == "n/a"
    assert not list(page.parent.glob("*.nii.gz"))


def test_the_same_listing_is_the_same_bytes(tmp_path):
    data = Toy()
    pages = [
        write(listing(data, "01"), data, "toy", tmp_path / name, masks=False).read_bytes()
        for name in ("a", "b")
    ]
    assert pages[0] == pages[1]
    assert b"http" not in pages[0].replace(b"http-equiv", b"")


def test_a_folder_of_its_own_is_replaced_and_no_other(tmp_path):
    data = Toy()
    found = listing(data, "01")
    write(found, data, "toy", tmp_path / "out", masks=False)
    (tmp_path / "out" / "old").touch()
    write(found, data, "toy", tmp_path / "out", masks=False)
    assert not (tmp_path / "out" / "old").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(RunError, match="not made by this command"):
        write(found, data, "toy", tmp_path / "mine", masks=False)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_smaller_regions_lie_on_top_and_halves_are_not_drawn_again(monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        pictures, "regions_picture", lambda *given: drawn.setdefault("image", given[1]) and b""
    )
    index = np.arange(120)

    def region(name, values, atlas="atlas"):
        return Region(Row(name, "mask", atlas, int(values.sum()), 1, None, None, "", ""), values)

    found = [
        region("small", index < 5),
        region("large", index < 30),
        region("lh.large", index < 15),
        region("other", index < 5, "alias"),
    ]
    (plate,) = plates(Toy().subject("01"), index < 60, found)
    volume = np.asarray(drawn["image"].dataobj).ravel()
    assert [int((volume == k).sum()) for k in (1, 2, 3)] == [5, 25, 0]
    assert [name for name, _ in plate.legend] == ["small", "large"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"mask": "V7"}, r"--mask 'V7'.*V7.*V1"),
        ({"expressions": ["V1 &"]}, r"--roi 'V1 &'"),
        ({"expressions": ["ecc"]}, r"map of numbers"),
    ],
)
def test_wrong_expressions_are_told_with_the_option(given, said):
    with pytest.raises(ConfigError, match=said):
        listing(Toy(), "01", **given)


def test_detail_is_listed_when_asked_for_and_always_understood():
    class Detailed(Toy):
        def subject(self, label):
            about = super().subject(label)
            rois = [dataclasses.replace(r, detail=r.name == "FFA1") for r in about.rois]
            return dataclasses.replace(about, rois=tuple(rois))

    few, every = (listing(Detailed(), "01", detail=d) for d in (False, True))
    assert "FFA1" not in {r.row.name for r in few.regions}
    assert "and 1 more in detail: --all lists them" in str(few)
    assert "FFA1" in {r.row.name for r in every.regions}
    assert "more in detail" not in str(every)
    (found,) = listing(Detailed(), "01", expressions=["FFA1"]).regions
    assert found.row.voxels == 10


def test_an_empty_mask_is_told():
    with pytest.raises(DataError, match="no voxel of sub-01"):
        listing(Toy(), "01", mask="nothing")


def test_the_command_lists_and_writes(registry, tmp_path):
    given = ["--dataset", "toy", "--sub", "1", "--sub", "02"]
    run = CliRunner().invoke
    only = run(rois, [*given, "--list"], obj={"registry": registry})
    assert only.exit_code == 0, only.output
    assert "sub-01: grid 6 x 5 x 4, space toy; mask left: 60 voxels" in only.output
    assert "no voxel at all: nothing" in only.output
    assert "not in the mask" not in only.output
    words = ("--roi", "V1-V1", "--roi", "ecc>7", "--roi", "V1")
    named = run(rois, [*given, "--list", *words], obj={"registry": registry})
    assert "no voxel at all: V1-V1\n" in named.output
    assert "not in the mask: ecc>7\n" in named.output
    done = run(rois, [*given, "--out", str(tmp_path / "o")], obj={"registry": registry})
    assert done.exit_code == 0, done.output
    assert sorted(p.name for p in (tmp_path / "o").iterdir()) == ["sub-01", "sub-02"]


def test_settings_of_other_sections_are_refused(registry):
    given = ["--dataset", "toy", "--sub", "1", "--list"]
    run = CliRunner().invoke
    good = run(rois, [*given, "--set", "datasets.toy.train=9"], obj={"registry": registry})
    assert good.exit_code == 0
    for setting in ("mask.select=V1", "datasets.toy.tarin=9", "train=9"):
        wrong = run(rois, [*given, "--set", setting], obj={"registry": registry})
        assert isinstance(wrong.exception, ConfigError), setting


class Cortex(Toy):
    """The toy's regions on the vertices of fsaverage5; V1 is left, FFA1 is right."""

    n = 10_242

    def subject(self, label):
        return dataclasses.replace(
            super().subject(label), grid=Grid((2 * self.n, 1, 1), np.eye(4), "fsaverage")
        )

    def roi(self, label, name):
        values = super().roi(label, name)
        out = np.full(2 * self.n, False if values.dtype == bool else np.nan, values.dtype)
        out[:20], out[self.n : self.n + 100] = values[:20], values[20:]
        return out


def test_regions_of_a_surface_are_drawn_on_the_cortex(tmp_path):
    data = Cortex()
    found = listing(data, "01")
    page = write(found, data, "toy", tmp_path / "out", masks=False, view=True)
    text = page.read_text()
    drawn = [f"sub-01: {name}, cortex" for name in ("other masks", "ecc")]
    assert all(text.count(f'alt="{alt}"') == 1 for alt in drawn)
    assert "20\u202f484 vertices" in text
    assert text.count("data-pieces=") == len(drawn)
    pieces = json.loads(re.search(r'id="pieces">(.*?)</script>', text, re.DOTALL)[1])
    frames = [
        "".join(pieces[n] for n in names.split())
        for names in re.findall(r'data-pieces="([^"]*)"', text)
    ]
    for frame in frames:
        assert frame.lstrip().startswith("<!DOCTYPE html>")
        assert frame.rstrip().endswith("</html>")
        assert not re.search(r"""(?:src|href)=["']?https?:""", frame)
    # both have nilearn's script and its mesh; the page has them once
    assert len(text) < 0.75 * sum(map(len, frames))
    assert len(text) < 5e6


def test_regions_keep_their_side_of_the_cortex():
    image = image_of(Cortex().roi("01", "FFA1"), Cortex().subject("01").grid)
    left, right = (image.data.parts[side] for side in ("left", "right"))
    assert not left.any()
    assert np.flatnonzero(right).tolist() == list(range(10))


def test_vertices_that_are_too_few_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr(Cortex, "n", 642)
    data = Cortex()
    page = write(listing(data, "01"), data, "toy", tmp_path / "out", masks=False)
    assert "fewer than the 10,242 of fsaverage5" in page.read_text()


class Template(Angles):
    """The toy's regions and maps in MNI space, in large voxels; half of them are left."""

    affine = np.array([[25.0, 0, 0, -62.5], [0, 35, 0, -90], [0, 0, 35, -45], [0, 0, 0, 1]])

    def subject(self, label):
        grid = Grid(SHAPE, self.affine, "MNI152NLin2009cAsym")
        return dataclasses.replace(super().subject(label), grid=grid)


def test_data_in_mni_space_are_drawn_on_slices_and_on_the_cortex(monkeypatch):
    for kind in ("map", "regions"):
        monkeypatch.setattr(pictures, f"{kind}_picture", lambda *given, **more: b"drawn")
    found = listing(Template(), "01", mask="all")
    drawn = plates(found.about, found.mask, found.regions)
    titles = ["other masks", "ecc", "angle"]
    assert [p.title for p in drawn] == [t + w for t in titles for w in ("", ", on fsaverage5")]
    assert [p.cortex for p in drawn] == [False, True] * 3
    assert drawn[0].legend == drawn[1].legend


def test_a_page_of_mni_space_has_both(tmp_path):
    data = Template()
    found = listing(data, "01", mask="all", expressions=["left"])
    page = write(found, data, "toy", tmp_path / "out", masks=False, view=True).read_text()
    assert "Axial slices on the MNI152 template, and fsaverage5" in page
    assert (page.count("Slices to explore"), page.count("Cortex to explore")) == (1, 1)
    assert 'alt="sub-01: regions, on fsaverage5, cortex"' in page


def test_data_in_the_subjects_own_space_are_not_projected(monkeypatch):
    monkeypatch.setattr(pictures, "map_picture", lambda *given, **more: b"drawn")
    found = listing(Angles(), "01")
    assert not any(plate.cortex for plate in plates(found.about, found.mask, found.regions))
