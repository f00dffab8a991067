"""The ROI algebra against Python sets, and images against plain indexing."""

import re
import sys

import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nilearn.maskers import NiftiMasker

from neurodiffuse import rois
from neurodiffuse.errors import ConfigError, DataError
from neurodiffuse.types import Grid

N = 40
KNOWN = ("V1", "V1v", "V2", "V4", "faces", "FFA-1", "FFA-2", "mTL-faces", "ecc4+", "PPA", "lh.PPA")
RNG = np.random.default_rng(0)
MASKS = {name: RNG.random(N) < 0.4 for name in (*KNOWN, "FFA", "lh", "rh", "nsdgeneral")}
MAPS = {
    "eccentricity": RNG.uniform(0, 6, N).astype(np.float32),
    "ncsnr": RNG.uniform(0, 1, N).astype(np.float32),
}
EVERY = {**MASKS, **MAPS}


def chosen(text: str, known=tuple(EVERY)) -> set[int]:
    return set(np.flatnonzero(rois.evaluate(rois.parse(text, known), EVERY.__getitem__, N)))


def members(name: str) -> set[int]:
    return {i for i in range(N) if MASKS[name][i]}


# --- the algebra -------------------------------------------------------------------------------


def test_plus_and_minus_are_taken_from_left_to_right():
    left_to_right = ((members("V1") | members("V4")) | members("faces")) - members("V2")
    assert chosen("V1+V4+faces-V2") == left_to_right
    assert chosen("V1 - V2 + V2") == members("V1") | members("V2")
    assert chosen("V1 | V2") == members("V1") | members("V2")


def test_intersection_binds_tighter_than_union_and_comparison_tighter_still():
    ncsnr = {i for i in range(N) if MAPS["ncsnr"][i] > np.float32(0.2)}
    assert chosen("V1 + V2 & ncsnr>0.2") == members("V1") | (members("V2") & ncsnr)
    assert chosen("(V1 + V2) & ncsnr > .2") == (members("V1") | members("V2")) & ncsnr
    assert chosen("nsdgeneral & ncsnr>2e-1") == members("nsdgeneral") & ncsnr


def test_complement_and_all():
    everything = set(range(N))
    assert chosen("all") == chosen("ALL") == everything
    assert chosen("~V1 & V2") == members("V2") - members("V1")
    assert chosen("!(V1+V2)") == everything - members("V1") - members("V2")
    assert chosen("~!V1") == members("V1")


@pytest.mark.parametrize(
    ("symbol", "holds"),
    [
        (">", lambda v, x: v > x),
        (">=", lambda v, x: v >= x),
        ("<", lambda v, x: v < x),
        ("<=", lambda v, x: v <= x),
        ("==", lambda v, x: v == x),
    ],
)
def test_every_comparison_at_its_edge(symbol, holds):
    values = np.array([0.1, 0.2, 0.3, -1, np.nan], dtype=np.float32)
    tree = rois.parse(f"m{symbol}0.2")
    expected = [holds(float(v), float(np.float32(0.2))) for v in values]
    assert rois.evaluate(tree, lambda name: values, 5).tolist() == expected
    assert rois.evaluate(rois.parse("m>-2"), lambda name: values, 5).sum() == 4


def test_band_holds_its_lower_end_and_not_its_upper_one():
    values = np.array([0.4, 0.5, 0.9, 1.0, 4.0, 90.0, np.nan], dtype=np.float32)

    def inside(text):
        return np.flatnonzero(rois.evaluate(rois.parse(text), lambda name: values, 7)).tolist()

    assert inside("ecc:0.5-1") == [1, 2]
    assert inside("ecc : 0.5 - 1") == [1, 2]
    assert inside("ecc:4-") == [4, 5]
    assert inside("angle:-1--0.5") == []
    assert inside("angle:-1-0.5") == [0]
    assert inside("ecc:0-1 + ecc:4-") == [0, 1, 2, 4, 5]
    assert inside("~ecc:0-100") == [6]  # NaN is in no band, so it is in the complement


def test_band_then_difference():
    band = {i for i in range(N) if MAPS["eccentricity"][i] >= 4}
    assert chosen("ecc:4--V1") == band - members("V1")
    narrow = {i for i in band if MAPS["eccentricity"][i] < 5}
    assert chosen("eccentricity:4-5-V1") == narrow - members("V1")


def test_aliases_reach_the_known_name():
    assert rois.names(rois.parse("ecc:0-1", ["eccentricity"])) == ("eccentricity",)
    assert rois.names(rois.parse("ECC>1")) == ("eccentricity",)
    assert rois.names(rois.parse("ecc>1", ["ecc", "eccentricity"])) == ("ecc",)


# --- names -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("FFA-1", KNOWN, ("FFA-1",)),
        ("FFA-1-FFA-2", KNOWN, ("FFA-1", "FFA-2")),
        ("FFA-V1", (*KNOWN, "FFA"), ("FFA", "V1")),
        ("V1v+V1", KNOWN, ("V1v", "V1")),
        ("ffa-1 + MTL-FACES", KNOWN, ("FFA-1", "mTL-faces")),
        ("FFA1", KNOWN, ("FFA-1",)),
        ("FFA-1 - V1", ("FFA1", "V1"), ("FFA1", "V1")),
        ("FFA-1", ("FFA", "FFA1"), ("FFA1",)),
        ("FFA-1", ("FFA", "FFA1", "1"), ("FFA", "1")),
        ("mTL-faces", ("mTL", "faces", "mTLfaces"), ("mTL", "faces")),
        ("mTL-faces", ("mTL", "faces", "mTL-faces"), ("mTL-faces",)),
        ("mTL - faces", ("mTL", "faces", "mTL-faces"), ("mTL", "faces")),
        ("ecc4++V1", KNOWN, ("ecc4+", "V1")),
        ("ecc4+ & V1", KNOWN, ("ecc4+", "V1")),
        ("ecc4+V1", (*KNOWN, "ecc4"), ("ecc4", "V1")),
        ("Frontal Pole + V1", ("Frontal Pole", "V1"), ("Frontal Pole", "V1")),
        ("'FFA-1' + \"faces\"", KNOWN, ("FFA-1", "faces")),
        ("FFA-'1'", ("FFA", "FFA-1", "1"), ("FFA", "1")),
        ("lh.PPA", KNOWN, ("lh.PPA",)),
        ("lh.V1", (*KNOWN, "lh"), ("lh", "V1")),
        ("V1 + V1 - V2", KNOWN, ("V1", "V2")),
        ("all", KNOWN, ()),
        ("'all'", ("all",), ("all",)),
        ("lh.FFA-x_1", None, ("lh.FFA", "x_1")),
        ('"FFA-1"', None, ("FFA-1",)),
        ("10v-52", ("10v", "52"), ("10v", "52")),
    ],
)
def test_names(text, known, expected):
    assert rois.names(rois.parse(text, known)) == expected


def test_hemisphere_prefix_means_that_half_and_binds_tightest():
    assert chosen("lh.V1") == members("lh") & members("V1")
    assert chosen("V2 - RH.V1") == members("V2") - (members("rh") & members("V1"))
    band = {i for i in range(N) if 1 <= MAPS["eccentricity"][i] < 3}
    assert chosen("lh.ecc:1-3") == members("lh") & band
    assert chosen("lh.PPA") == members("lh.PPA")  # a region of that name goes before


def test_case_must_be_right_only_where_two_names_differ_in_nothing_else():
    assert rois.names(rois.parse("Faces", ["faces", "Faces"])) == ("Faces",)
    with pytest.raises(ConfigError, match="'FACES' may be faces, Faces"):
        rois.parse("FACES", ["faces", "Faces"])
    with pytest.raises(ConfigError, match="'FFA12' may be FFA-12, FFA1-2"):
        rois.parse("FFA12", ["FFA-12", "FFA1-2"])


def test_equal_expressions_are_equal_wherever_they_stand():
    assert rois.parse("V1 + V2", KNOWN) == rois.parse("(V1)|V2", KNOWN)
    assert rois.parse("V1 + V2", KNOWN) != rois.parse("V2 + V1", KNOWN)


# --- errors ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "character", "says"),
    [
        ("V1+Fces", 4, r"no region is called 'Fces'\. Did you mean 'faces'\? Known: faces"),
        ("V1 + mTL-fces", 6, r"'mTL-fces'\. Did you mean 'mTL-faces'\?"),
        ("V12", 1, "no region is called 'V12'"),
        ('V1+"FFA-3"', 4, "no region is called 'FFA-3'. Did you mean 'FFA-"),
        ("", 1, "expected a region, but the expression ends here. Known: V1"),
        ("   ", 4, "ends here"),
        ("V1+", 4, "ends here"),
        ("V1 + & V2", 6, "expected a region, not '&'"),
        ("V1 V2", 4, "expected an operator"),
        ("(V1 + V2", 1, "this '\\(' is never closed"),
        ("V1)", 3, "this '\\)' closes nothing"),
        ("V1 + 'faces", 6, "quotation mark is never closed"),
        ("V1 > high", 6, "expected a number after '>'"),
        ("V1 > 0.5V", 6, "expected a number after '>'"),
        ("V1 > nan", 6, "expected a number after '>'"),
        ("V1:", 4, "expected a number after ':'"),
        ("V1:1", 5, "a band is written V1:0.5-1"),
        ("V2 + V1:2-1", 6, "the band 2-1 is empty"),
        ("V1 = 2", 4, "expected an operator"),
        ("V1; import os", 3, "expected an operator"),
        ("__import__('os')", 1, "no region is called '__import__'"),
        ("rh.PPA", 1, r"no region is called 'rh.PPA'. Did you mean 'lh.PPA'"),
        ("(" * 60 + "V1" + ")" * 60, 51, "more than 50 parentheses"),
    ],
)
def test_errors_point_at_the_character(text, character, says):
    with pytest.raises(ConfigError) as caught:
        rois.parse(text, KNOWN)
    message = str(caught.value)
    assert f"at character {character}: " in message
    assert re.search(says, message), message
    assert "\n" not in message


def test_long_chains_and_many_prefixes_do_not_exhaust_the_stack():
    assert chosen("+".join(["V1"] * 3000)) == members("V1")
    assert chosen("~" * 3000 + "V1") == members("V1")
    with pytest.raises(ConfigError):
        rois.parse("lh." * 5000 + "V1", tuple(EVERY))


def test_mask_used_as_map_and_map_used_as_mask():
    with pytest.raises(ConfigError, match="character 6: 'ncsnr' is a map of numbers, not a mask"):
        chosen("V1 + ncsnr")
    with pytest.raises(ConfigError, match="character 1: 'V1' is a mask, not a map"):
        chosen("V1>0.5")
    with pytest.raises(ConfigError, match="is a mask, not a map"):
        chosen("V1:0-1")


def test_lookup_of_another_shape_or_type_is_refused():
    with pytest.raises(DataError, match=r"region 'V1': has shape \(3,\), the grid has 4 voxels"):
        rois.evaluate(rois.parse("V1"), lambda name: np.ones(3, bool), 4)
    with pytest.raises(DataError, match="is of type int16"):
        rois.evaluate(rois.parse("V1"), lambda name: np.array([-1, 0, 1, 2], "i2"), 4)


def test_the_masks_looked_up_are_not_modified():
    before = {name: values.copy() for name, values in EVERY.items()}
    chosen("V1 + V2 - V4 & faces + ncsnr>0.5")
    chosen("V1 & V2")
    assert all(np.array_equal(before[name], EVERY[name]) for name in EVERY)


# --- random expressions ------------------------------------------------------------------------

LEAVES = st.one_of(
    st.sampled_from(sorted(MASKS)).map(lambda name: (f'"{name}"', members(name))),
    st.sampled_from(["V1", "V1v", "FFA-1", "mTL-faces", "FFA"]).map(lambda n: (n, members(n))),
    st.just(("all", set(range(N)))),
    st.tuples(st.sampled_from(sorted(MAPS)), st.integers(0, 6), st.integers(1, 3)).map(
        lambda t: (
            f"{t[0]}:{t[1]}-{t[1] + t[2]}",
            {i for i in range(N) if t[1] <= MAPS[t[0]][i] < t[1] + t[2]},
        )
    ),
    st.tuples(st.sampled_from(sorted(MAPS)), st.sampled_from(["<", ">="])).map(
        lambda t: (
            f"{t[0]}{t[1]}0.5",
            {i for i in range(N) if (MAPS[t[0]][i] < 0.5) == (t[1] == "<")},
        )
    ),
)


def _combined(parts):
    def binary(t):
        (a, x), symbol, (b, y) = t
        value = x & y if symbol == "&" else x - y if symbol == "-" else x | y
        return f"({a}) {symbol} ({b})", value

    return st.one_of(
        st.tuples(parts, st.sampled_from("+|-&"), parts).map(binary),
        parts.map(lambda t: (f"~({t[0]})", set(range(N)) - t[1])),
    )


@settings(max_examples=200, deadline=None)
@given(st.recursive(LEAVES, _combined, max_leaves=10))
def test_random_nested_expressions_equal_set_algebra(case):
    text, expected = case
    assert chosen(text) == expected


@settings(max_examples=200, deadline=None)
@given(LEAVES, st.lists(st.tuples(st.sampled_from("+|-&"), LEAVES), max_size=6))
def test_random_chains_equal_python_once_their_intersections_are_bracketed(first, rest):
    text = first[0] + "".join(f" {symbol} {leaf[0]}" for symbol, leaf in rest)
    terms = [("+", first[1])]
    for symbol, (_, value) in rest:
        if symbol == "&":
            terms[-1] = (terms[-1][0], terms[-1][1] & value)
        else:
            terms.append((symbol, value))
    expected: set[int] = set()
    for symbol, value in terms:
        expected = expected - value if symbol == "-" else expected | value
    assert chosen(text) == expected


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="V12faces-+&|~!()\"':.<>=0e \tlhx", max_size=24))
def test_any_text_is_an_expression_or_one_clear_error(text):
    try:
        tree = rois.parse(text, tuple(EVERY))
    except ConfigError as error:
        found = re.search(r"at character (\d+): ", str(error))
        assert found
        assert 1 <= int(found.group(1)) <= len(text) + 1
    else:
        assert set(rois.names(tree)) <= set(EVERY)


# --- images ------------------------------------------------------------------------------------

AFFINE = np.array([[1.8, 0, 0, -20], [0, 1.8, 0.1, -30], [0, 0, 2, 5], [0, 0, 0, 1]])
GRID = Grid((5, 4, 3), AFFINE, "T1w")


def _mask(seed=3):
    return np.random.default_rng(seed).random(GRID.size) < 0.4


def test_image_equals_direct_indexing_and_nilearn_reads_it_back():
    voxels = _mask()
    values = np.random.default_rng(1).normal(size=(2, int(voxels.sum())))
    image = rois.to_image(values, voxels, GRID)
    data = np.asarray(image.dataobj)
    assert data.shape == (5, 4, 3, 2)
    coordinates = [np.unravel_index(i, GRID.shape) for i in np.flatnonzero(voxels)]
    for column, place in enumerate(coordinates):
        assert np.array_equal(data[place], values[:, column].astype(np.float32))
    assert np.count_nonzero(data.any(axis=-1)) == voxels.sum()
    masker = NiftiMasker(rois.mask_image(voxels, GRID), standardize=None).fit()
    assert np.array_equal(masker.transform(image), values.astype(np.float32))


def test_image_header(tmp_path):
    voxels = _mask()
    flat = np.arange(voxels.sum(), dtype=float)
    flat[0] = np.nan
    nibabel.save(rois.to_image(flat, voxels, GRID), tmp_path / "map.nii.gz")
    image = nibabel.load(tmp_path / "map.nii.gz")
    assert image.shape == GRID.shape
    assert image.get_data_dtype() == np.float32
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.affine, AFFINE, atol=1e-5)
    assert np.isnan(image.get_fdata()).sum() == 1


def test_mask_image_is_zeros_and_ones_on_the_grid():
    voxels = _mask()
    image = rois.mask_image(voxels, GRID)
    assert image.get_data_dtype() == np.uint8
    assert image.header.get_xyzt_units()[0] == "mm"
    assert np.array_equal(np.asarray(image.dataobj).ravel() == 1, voxels)
    assert np.array_equal(image.affine, AFFINE)


def test_images_refuse_what_does_not_fit():
    voxels = _mask()
    count = int(voxels.sum())
    with pytest.raises(DataError, match=f"the mask has {count} voxels"):
        rois.to_image(np.zeros(count + 1), voxels, GRID)
    with pytest.raises(DataError, match="the mask is empty"):
        rois.to_image(np.zeros(0), np.zeros(GRID.size, bool), GRID)
    with pytest.raises(DataError, match=r"needs bool of shape \(60,\)"):
        rois.mask_image(voxels[1:], GRID)
    with pytest.raises(DataError, match="needs bool"):
        rois.mask_image(np.where(voxels, 1, -1), GRID)


def test_describe_counts_on_the_grid_and_in_the_mask():
    regions = {
        "V1": np.array([1, 1, 0, 0, 1], bool),
        "aTL-faces": np.array([0, 0, 1, 0, 0], bool),
        "ncsnr": np.array([0.1, np.nan, 0.3, 0.2, 0], np.float32),
    }
    inside = np.array([1, 1, 0, 1, 0], bool)
    extents = rois.describe(regions, regions.__getitem__, inside)
    assert [(e.name, e.voxels, e.inside) for e in extents] == [
        ("V1", 3, 2),
        ("aTL-faces", 1, 0),
        ("ncsnr", 4, 2),
    ]
    assert rois.empty(extents) == ("aTL-faces",)
    with pytest.raises(DataError, match="the mask has"):
        rois.describe(["V1"], regions.__getitem__, inside[1:])


def test_parsing_imports_no_nilearn(tmp_path):
    import subprocess

    code = (
        "import sys; from neurodiffuse import rois; rois.parse('V1+V2');"
        "sys.exit(any(m in sys.modules for m in ('nilearn', 'nibabel', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
