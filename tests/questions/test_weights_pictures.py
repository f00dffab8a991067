"""Pictures: on the subject's own anatomy; on templates only where data are in their space."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pytest
from nilearn.surface import load_surf_data
from PIL import Image
from questions import weights_toy

from neurodiffuse.questions.weights.ask import weights
from neurodiffuse.questions.weights.question import Question

TEMPLATE = "MNI152NLin2009cAsym"


@pytest.fixture
def fitted(tmp_path):
    return weights_toy.fitter(tmp_path)


class Page(HTMLParser):
    """Collects what a page would load, its pieces and its frames, put together from them."""

    def __init__(self) -> None:
        super().__init__()
        self.loads, self.lists, self.text, self.pieces = [], [], [], {}
        self.in_pieces = False

    def handle_starttag(self, tag, attributes):
        self.in_pieces = ("id", "pieces") in attributes
        for name, value in attributes:
            if name in ("src", "srcset", "href", "data", "poster") and tag != "a":
                self.loads.append(value)
            if name == "data-pieces":
                self.lists.append(value.split())

    def handle_data(self, data):
        if self.in_pieces:
            self.pieces = json.loads(data)
            self.in_pieces = False
        else:
            self.text.append(data)

    @property
    def frames(self):
        return ["".join(self.pieces[name] for name in names) for names in self.lists]


def read(text):
    page = Page()
    page.feed(text)
    return page


def colours(path):
    return np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3).astype(int)


def test_page_is_complete_in_itself(fitted, tmp_path):
    run = fitted(f"anatomy={weights_toy.anatomy(tmp_path)}")
    question = Question(permutations=19, view=True, measures=("percentile",))
    folder = weights(run, question).folder
    page = read((folder / "index.html").read_text())
    assert len(page.frames) == 2
    assert all(frame.rstrip().endswith("</html>") for frame in page.frames)
    shared = sum(len(piece) for piece in page.pieces.values())
    assert shared < 0.8 * sum(len(frame) for frame in page.frames)
    for part in (page, *(read(frame) for frame in page.frames)):
        assert all(load.startswith("data:") for load in part.loads)
        assert part.loads or part is not page
    for frame in page.frames:
        assert not re.search(r"""(?:src|href)=["']?https?:""", frame)
    text = html.unescape("".join(page.text))
    assert "No surface and no glass brain" in text
    assert "'func2mm'" in text
    assert not list(folder.rglob("*_glass.png"))
    assert not list(folder.rglob("*.gii"))


def test_slices_show_the_map_on_the_anatomy(fitted, tmp_path):
    question = Question(permutations=19, measures=("l1",), features=("a",))
    bare = weights_toy.fitter(tmp_path / "bare")()
    without = next(weights(bare, question).folder.rglob("*_slices.png"))
    run = fitted(f"anatomy={weights_toy.anatomy(tmp_path)}")
    drawn = next(weights(run, question).folder.rglob("*_slices.png"))
    for path in (without, drawn):
        assert (np.ptp(colours(path), axis=1) > 60).mean() > 0.02  # viridis
    grey = [
        (np.ptp(c, axis=1) < 8) & (c.mean(axis=1) > 90) & (c.mean(axis=1) < 235)
        for c in (colours(without), colours(drawn))
    ]
    assert grey[1].mean() > grey[0].mean() + 0.05


def test_maps_in_mni_space_are_on_glass_and_surface(fitted):
    run = fitted(f"space={TEMPLATE}")
    question = Question(permutations=19, measures=("percentile",), features=("a",), view=True)
    folder = weights(run, question).folder
    func = folder / "sub-01" / "func"
    stem = f"sub-01_task-viewing_space-{TEMPLATE}_stat-percentile_desc-a"
    for kind in ("slices", "glass", "surface"):
        assert np.ptp(colours(func / f"{stem}_{kind}.png")) > 200
    volume = nib.load(func / f"{stem}_statmap.nii.gz")
    for side in "LR":
        file = f"sub-01_task-viewing_hemi-{side}_space-fsaverage5_stat-percentile_desc-a"
        values = load_surf_data(func / f"{file}_statmap.shape.gii")
        assert values.shape == (10242,)
        there = values[np.isfinite(values)]
        assert 50 < len(there) < 5000
        assert there.min() > 0
        assert there.max() <= np.asarray(volume.dataobj).max() + 1e-3
    page = read((folder / "index.html").read_text())
    assert len(page.frames) == 2
    text = "".join(page.text)
    assert "No surface" not in text
    for said in ("Glass brain: percentile of weights.", "Slices to explore: percentile of weights"):
        assert said in text


def test_a_map_of_nothing_is_said_and_not_explored(fitted, recwarn):
    """The last latent of b never varies."""
    question = Question(features=("b",), components=(7,), measures=("l1",), view=True)
    folder = weights(fitted(), question).folder
    page = read((folder / "index.html").read_text())
    assert "It is 0 everywhere." in "".join(page.text)
    assert not page.frames
    assert not list(folder.rglob("*.png"))
    assert not [w for w in recwarn if "threshold" in str(w.message).lower()]


def test_a_feature_named_like_markup_stays_text(fitted):
    run = fitted("")
    title = "<script>alert(1)</script>"
    object.__setattr__(run.config, "name", title)
    folder = weights(run, Question(permutations=19, pictures=False)).folder
    assert title not in (folder / "index.html").read_text()
