"""Each picture depends on its own image alone, and what was painted is not painted again."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from neurodiffuse import pipeline
from neurodiffuse.run import opened
from neurodiffuse.steps.generate import generate

GRAINY = ("stages.first.grain=0.1", "stages.recon.grain=0.1")


def painted(run):
    with opened(run):
        pipeline.execute(run, until="generate")
    folder = run.folder("generate", "01")
    return {p.relative_to(folder): np.asarray(Image.open(p)) for p in folder.rglob("*.png")}


def test_a_picture_does_not_depend_on_which_others_are_tested(make_run):
    few = painted(make_run(*GRAINY, "datasets.toy.test=6", out="few"))
    many = painted(make_run(*GRAINY, "datasets.toy.test=12", out="many"))
    assert few
    assert few.keys() < many.keys()
    for name, picture in few.items():
        # The one solve for all rows may round differently; the grain would differ by far more.
        assert np.abs(picture.astype(int) - many[name]).max() <= 1
    other = painted(make_run(*GRAINY, "datasets.toy.test=12", "predict.rescale=test", out="other"))
    shift = [np.abs(few[n].astype(int) - other[n]).max() for n in few if n.parts[0] == "decoded"]
    assert max(shift) > 1


def test_grain_is_the_image_s_own_and_the_run_s(make_run):
    one = painted(make_run(*GRAINY, out="one"))
    two = painted(make_run(*GRAINY, "seed=1", out="two"))
    first = [v for k, v in one.items() if k.parts[:2] == ("oracle", "first")]
    grain = [v.astype(float) - v.mean((0, 1)) for v in first]
    assert (
        np.abs(np.corrcoef([g.ravel() for g in grain])[np.triu_indices(len(grain), 1)]).max() < 0.5
    )
    assert all(np.abs(one[k].astype(int) - two[k]).max() > 5 for k in one)


def test_finished_pictures_are_kept(make_run):
    run = make_run(out="kept")
    painted(run)
    folder = run.folder("generate", "01")
    folder.rename(folder.with_name("generate.partial"))
    marked = folder.with_name("generate.partial") / "decoded" / "first"
    for file in marked.iterdir():
        Image.new("RGB", (8, 8), "magenta").save(file)
    generate(run, "01")
    kept = [np.asarray(Image.open(p)) for p in (folder / "decoded" / "first").iterdir()]
    assert kept
    assert all((k == (255, 0, 255)).all() for k in kept)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (np.zeros((6, 8, 8, 3)), "returned float64"),
        (np.zeros((5, 8, 8, 3), np.uint8), r"returned uint8 of shape \(5, 8, 8, 3\); 6 pictures"),
    ],
)
def test_a_generator_s_wrong_pictures_are_told(make_run, monkeypatch, made, said):
    import toy

    from neurodiffuse.errors import PluginError
    from neurodiffuse.types import Images

    monkeypatch.setattr(toy.Paint, "generate", lambda *_, **__: Images((), made))
    with pytest.raises(PluginError, match=f"generator 'paint': {said}"):
        painted(make_run())
