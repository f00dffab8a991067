"""Angles: told by name and units, averaged and drawn as what comes back to where it began."""

from __future__ import annotations

import base64
import colorsys
import io
import re

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from neurodiffuse.report.angles import arc, degrees, mean_angle, period
from neurodiffuse.report.brain import image_of, map_picture
from neurodiffuse.report.scale import ANGLES
from neurodiffuse.report.viewers import map_viewer
from neurodiffuse.types import Grid

MANY = np.array([0.0, 90, 359, np.nan])
FEW = np.array([-3.0, 0.5, np.nan])


@pytest.mark.parametrize(
    ("name", "units", "values", "expected"),
    [
        ("prf_angle", "degree", MANY, 360),
        ("angle", "deg", MANY, 360),
        ("lh.prfangle", "Degrees", MANY, 360),
        ("prf-polarangle", "", MANY, 360),
        ("polarAngle", "", FEW, 2 * np.pi),
        ("phase", "rad", MANY, 2 * np.pi),
        ("angle", "percent", MANY, 0),
        ("prf_eccentricity", "degree", MANY, 0),
        ("prf_size", "degree", FEW, 0),
        ("triangle", "degree", MANY, 0),
        ("rectangles", "", MANY, 0),
    ],
)
def test_angles_are_told_by_name_and_units(name, units, values, expected):
    assert period(name, units, values) == pytest.approx(expected)


def test_no_angle_looks_like_no_value():
    found = degrees(np.array([0.0, 360, -90, 1e-4, 359.9, 725, np.nan]), 360)
    np.testing.assert_allclose(found, [360, 360, 270, 360, 359.9, 5, np.nan], rtol=1e-6)
    np.testing.assert_allclose(degrees(np.array([np.pi, -np.pi / 2]), 2 * np.pi), [180, 270])


def test_the_mean_of_359_and_1_is_not_180():
    stack = np.array([[359.0, 10, np.nan, 350], [1, 20, np.nan, np.nan]])
    turns = (mean_angle(stack) + 180) % 360 - 180  # 0 and 360 are one direction
    np.testing.assert_allclose(turns, [0, 15, np.nan, -10], atol=1e-4)
    assert mean_angle(stack)[0] == 360


def test_the_arc_is_the_shortest_that_holds_nine_in_ten():
    across = np.r_[np.linspace(350, 359, 50), np.linspace(1, 10, 40), np.full(10, 180.0)]
    assert arc(across, 360) == pytest.approx((350, 10))
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 2 * np.pi, 57)
    start, end = arc(values, 2 * np.pi)
    width = (end - start) % (2 * np.pi)

    def share(begin):
        return ((values - begin) % (2 * np.pi) <= width + 1e-9).mean()

    assert share(start) >= 0.9
    # none of a dense circle of shorter arcs holds as many
    begins = np.linspace(0, 2 * np.pi, 5000)
    assert max(((values - b) % (2 * np.pi) < width - 1e-6).mean() for b in begins) < 0.9


def hues(png):
    """Return the hues, from 0 to 1, of the coloured pixels of a picture without its bar."""
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) / 255
    left = pixels[:, : int(0.84 * pixels.shape[1])].reshape(-1, 3)
    return np.array(
        [colorsys.rgb_to_hsv(*p)[0] for p in np.unique(left, axis=0) if np.ptp(p) > 0.5]
    )


GRID = Grid((6, 5, 4), np.diag([3.0, 3, 3, 1]), "toy")


def test_angles_on_both_sides_of_zero_have_one_colour():
    values = np.full(120, np.nan)
    values[::2], values[1::2] = 1, 359
    values[0] = 0
    near = hues(map_picture(image_of(degrees(values, 360), GRID), scale=ANGLES, units="degree"))
    assert len(near)
    assert ((near < 0.03) | (near > 0.97)).all()
    opposite = hues(map_picture(image_of(degrees(values + 180, 360), GRID), scale=ANGLES))
    assert len(opposite)
    assert (abs(opposite - 0.5) < 0.05).all()


def test_triangles_of_the_cortex_do_not_average_across_zero():
    vertices = 2 * 10_242
    values = np.where(np.arange(vertices) % 2, 1.0, 359.0)
    image = image_of(degrees(values, 360), Grid((vertices, 1, 1), np.eye(4), "fsaverage"))
    found = hues(map_picture(image, scale=ANGLES))
    assert ((found < 0.05) | (found > 0.95)).all()


def test_the_viewer_has_angles_on_the_same_scale():
    image = nib.Nifti1Image(np.full((6, 5, 4), 180, np.float32), GRID.affine)
    page = map_viewer(image, ANGLES, "angle")
    drawn = re.search(r'id="colorMap[^>]*?base64,([^"]*)"', page, re.DOTALL)[1]
    bar = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGB")).astype(int)
    ends = bar[0, [0, -1]]
    assert (ends[:, 0] > 240).all()  # red
    assert (ends[:, 1:] < 30).all()
    assert re.search(r'"max": ?360', page)
