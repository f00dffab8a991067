"""Brain pictures: viewers show what their map has and no more; labels stay inside their slices."""

from __future__ import annotations

import io

import nibabel as nib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from neurodiffuse.report.brain import image_of, map_picture
from neurodiffuse.report.scale import Scale, colour_bar
from neurodiffuse.report.viewers import map_viewer, regions_viewer
from neurodiffuse.types import Grid

VERTICES = 2 * 10_242
SURFACE = Grid((VERTICES, 1, 1), np.eye(4), "fsaverage")
VOLUME = nib.Nifti1Image(np.arange(120, dtype=np.float32).reshape(6, 5, 4), np.diag([3, 3, 3, 1]))
BAR = '"colorMap"'


def test_slices_of_regions_have_no_scale_and_those_of_maps_have():
    """Regions have names, not numbers: a bar from 0 to their count would say nothing."""
    assert BAR in map_viewer(VOLUME, Scale(0, 119), "map")
    assert BAR not in regions_viewer(VOLUME, ["#ff0000"] * 119, "regions")


@pytest.mark.parametrize("signed", [True, False])
def test_the_cortex_has_a_negative_scale_for_signed_maps_only(signed):
    values = np.linspace(-1 if signed else 0, 1, VERTICES)
    page = map_viewer(image_of(values, SURFACE), Scale.of(values), "map")
    assert ("useNegativeCmap: true" in page) is signed


@pytest.mark.parametrize("high", [0.00073, 0.093, 0.13, 0.99, 5, 98, 999, 3456, 1.2e5])
@pytest.mark.parametrize("low", [0, -1])
def test_no_number_of_a_scale_is_cut_off(high, low):
    figure = Figure(figsize=(6.4, 4))
    colour_bar(figure, Scale(low * high, high), "units", (0.905, 0.2, 0.02, 0.6))
    figure.canvas.draw()
    box = figure.axes[0].get_tightbbox().transformed(figure.transFigure.inverted())
    assert box.x1 < 1
    assert box.x0 > 0.85
    assert len(figure.axes[0].get_yticks()) >= 2


@pytest.mark.parametrize(("deep", "ratio"), [(1, 1), (1.4, 1.4), (3, 1.6)])
def test_slices_are_as_deep_as_the_head(deep, ratio):
    anatomy = nib.Nifti1Image(np.full((20, int(20 * deep), 10), 9, np.float32), np.eye(4))
    values = np.zeros(anatomy.shape, np.float32)
    values[5:15, 5:15] = 1
    drawn = map_picture(nib.Nifti1Image(values, anatomy.affine), anatomy=anatomy)
    width, height = Image.open(io.BytesIO(drawn)).size
    assert height / width == pytest.approx(2 * ratio * 0.85 / 3, rel=0.01)
