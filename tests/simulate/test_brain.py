"""The planted brain answers as it says it does; oracles are dots, gratings and repeats."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neurodiffuse.errors import DataError
from neurodiffuse.simulate.brain import DRIFT, GAIN, OFFSET, Brain, Moment
from neurodiffuse.simulate.channels import CHANNELS, channels
from neurodiffuse.simulate.geometry import phantom
from neurodiffuse.simulate.masks import build
from neurodiffuse.simulate.pictures import scene_labels
from neurodiffuse.simulate.regions import LABELS, named, strengths
from neurodiffuse.simulate.scenes import Scene, SceneObject, scene
from neurodiffuse.simulate.tuning import FIELD


@pytest.fixture(scope="module")
def brain() -> Brain:
    return Brain.grow(phantom(1, seed=3), 1, noise=1.0, seed=3)


@pytest.fixture(scope="module")
def seen() -> tuple[np.ndarray, np.ndarray, list[Scene]]:
    scenes = [scene(k, seed=11) for k in range(80)]
    return (
        np.stack([s.image for s in scenes]),
        np.stack([scene_labels(s) for s in scenes]),
        scenes,
    )


def region_of(brain: Brain, *names: str) -> np.ndarray:
    return np.asarray([r.name in names for r in brain.geometry.region])


# --- geometry ----------------------------------------------------------------------------------


def test_voxels_are_distinct_and_in_order(brain: Brain) -> None:
    voxels = brain.geometry.voxels
    assert (np.diff(voxels) > 0).all()
    assert 1200 <= brain.geometry.n_voxels <= 1800
    assert (np.sign(brain.geometry.millimetres[:, 0]) < 0).tolist() == (
        brain.geometry.hemisphere == "L"
    ).tolist()


def test_each_region_is_one_patch_in_each_hemisphere(brain: Brain) -> None:
    """Flood fill, so that the patches are contiguous by another road than they were made."""
    geometry = brain.geometry
    at = np.stack(np.unravel_index(geometry.voxels, geometry.shape), axis=1)
    for name in ("V1v", "hV4", "FFA1", "PPA", "LO"):
        for side in "LR":
            left = {tuple(v) for v in at[region_of(brain, name) & (geometry.hemisphere == side)]}
            front = [left.pop()]
            while front:
                one = front.pop()
                near = {v for v in left if max(abs(a - b) for a, b in zip(v, one, strict=True)) < 2}
                left -= near
                front += near
            assert not left, (name, side)


def test_a_subject_does_not_depend_on_how_many_there_are() -> None:
    one, three = build(None, 1, seed=5), build(None, 3, seed=5)
    assert np.array_equal(one[0].voxels, three[0].voxels)
    assert one[0].region == three[0].region
    sizes = {g.n_voxels for g in three}
    assert len(sizes) == 3  # subjects differ in size


# --- receptive fields --------------------------------------------------------------------------


def test_fields_lie_in_the_half_of_the_field_that_the_patch_sees(brain: Brain) -> None:
    left = brain.geometry.hemisphere == "L"
    early = np.asarray([r.kind == "retinotopic" for r in brain.geometry.region])
    assert (brain.tuning.x[early & left] >= -1e-9).all()
    assert (brain.tuning.x[early & ~left] <= 1e-9).all()
    assert (brain.tuning.y[region_of(brain, "V1v", "V2v", "V3v")] >= -1e-9).all()
    assert (brain.tuning.y[region_of(brain, "V1d", "V2d", "V3d")] <= 1e-9).all()
    assert (brain.tuning.y[region_of(brain, "hV4")] > 0).any()
    assert (brain.tuning.y[region_of(brain, "hV4")] < 0).any()


def test_fields_grow_with_eccentricity_and_from_area_to_area(brain: Brain) -> None:
    medians = []
    for names in (("V1v", "V1d"), ("V2v", "V2d"), ("V3v", "V3d"), ("hV4",)):
        rows = region_of(brain, *names)
        eccentricity, size = brain.tuning.eccentricity[rows], brain.tuning.size[rows]
        assert np.corrcoef(eccentricity, size)[0, 1] > 0.8
        medians.append(np.median(size))
        counts, _ = np.histogram(eccentricity, [0, 0.5, 1, 2, 4, np.inf])
        assert (counts >= 3).all()
        density = counts[:4] / (0.5, 0.5, 1, 2)
        assert (np.diff(density) < 0).all()  # cortical magnification
    assert medians == sorted(medians)


def test_a_bar_drives_the_voxels_whose_field_it_crosses(brain: Brain) -> None:
    """Sweep bars over the picture: where a voxel answers is its planted field."""
    inside = np.maximum(np.abs(brain.tuning.x), np.abs(brain.tuning.y)) < FIELD / 2 - 1.5
    rows = np.flatnonzero(region_of(brain, "V1v", "V1d", "V2v", "V2d") & inside)
    weights = np.zeros_like(brain.tuning.channels)
    weights[:, CHANNELS.index("luminance")] = 1
    plain = replace(brain, tuning=replace(brain.tuning, channels=weights))
    bars = np.full((33, 64, 64, 3), 128, dtype=np.uint8)
    for k in range(32):
        bars[k, :, 2 * k : 2 * k + 2] = 255  # a column, from left to right
    at = (np.arange(32) + 0.5) * FIELD / 32 - FIELD / 2
    for images, planted in (
        (bars, brain.tuning.x),
        (bars.transpose(0, 2, 1, 3)[np.r_[31:-1:-1, 32]], brain.tuning.y),  # rows, upwards
    ):
        answer = plain.layout(images)[:, rows]
        answer = (answer[:32] - answer[32]) / (answer[:32] - answer[32]).sum(axis=0)
        centre = at @ answer
        assert np.abs(centre - planted[rows]).max() < 0.12
        spread = np.sqrt(at**2 @ answer - centre**2)
        assert np.corrcoef(spread, brain.tuning.size[rows])[0, 1] > 0.95


# --- channels ----------------------------------------------------------------------------------


def test_colour_channels_by_hand() -> None:
    red, blue = np.zeros((2, 64, 64, 3), dtype=np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    seen = channels(np.stack([red, blue]))[:, :3].mean(axis=(2, 3))
    expected = [[0.299 - 0.5, 1, -0.5], [0.114 - 0.5, 0, 1]]
    assert np.allclose(seen, expected)


@pytest.mark.parametrize("cycles", [4, 8, 16])
@pytest.mark.parametrize("angle", [0, 45, 90, 135])
def test_a_grating_drives_its_own_energy_most(cycles: int, angle: int) -> None:
    """At angle 0 the luminance changes downwards: the stripes lie flat."""
    down, across = np.mgrid[:64, :64] / 64
    turn = np.deg2rad(angle)
    # frequency along (down, across) turned from "down" towards "-across"
    phase = 2 * np.pi * cycles * (down * np.cos(turn) - across * np.sin(turn))
    grey = np.uint8(127 + 100 * np.sin(phase))
    energy = channels(np.repeat(grey[None, :, :, None], 3, axis=3))[0, 3:].mean(axis=(1, 2))
    assert CHANNELS[3 + int(energy.argmax())] == f"energy{cycles}at{angle}"


# --- categories --------------------------------------------------------------------------------


def test_category_regions_prefer_what_they_should(brain: Brain, seen: tuple) -> None:
    images, labels, scenes = seen
    signal = brain.signal(images, labels)
    kinds = {"face": "FFA1", "word": "VWFA1", "house": "PPA", "person": "EBA"}
    shown = np.asarray([[any(o.category == k for o in s.objects) for k in kinds] for s in scenes])
    for name in kinds.values():
        mean = signal[:, region_of(brain, name)].mean(axis=1)
        means = [mean[shown[:, k]].mean() for k in range(len(kinds))]
        assert list(kinds.values())[int(np.argmax(means))] == name


def test_categories_do_not_depend_on_where_the_object_is() -> None:
    left, right = (
        replace(
            scene(1, seed=0),
            objects=(SceneObject("face", "red", (x, 0.5), 0.3),),
            background="grey",
        )
        for x in (0.3, 0.7)
    )
    assert np.array_equal(scene_labels(left), scene_labels(right))
    assert scene_labels(left)[LABELS.index("face")] == pytest.approx(0.9)


def test_early_areas_know_no_category_and_control_voxels_nothing(brain: Brain, seen: tuple) -> None:
    images, labels, _ = seen
    signal, other = brain.signal(images, labels), brain.signal(images, labels[::-1])
    early = np.asarray([r.kind == "retinotopic" for r in brain.geometry.region])
    control = region_of(brain, "unresponsive")
    assert np.array_equal(signal[:, early], other[:, early])
    assert not np.allclose(signal[:, region_of(brain, "FFA1")], other[:, region_of(brain, "FFA1")])
    assert (signal[:, control] == 0).all()
    assert np.allclose(signal[:, ~control].mean(axis=0), 0)
    assert np.allclose(signal[:, ~control].std(axis=0), 1)


def test_without_labels_layout_drives_all(brain: Brain, seen: tuple) -> None:
    images, labels, _ = seen
    signal = brain.signal(images, np.zeros_like(labels))
    assert np.allclose(signal[:, region_of(brain, "FFA1")].std(axis=0), 1)


def test_words_in_captions_become_labels() -> None:
    found = dict(zip(LABELS, strengths(("A man riding two horses.", "An empty sky")), strict=True))
    assert found["body"] == 0.5
    assert found["animal"] == 0.5
    assert found["face"] == 0.25
    assert found["word"] == 0
    assert strengths(()) == (0,) * len(LABELS)


# --- noise -------------------------------------------------------------------------------------


def test_noise_and_its_ceiling_are_as_planted(brain: Brain) -> None:
    n_pictures, repeats = 60, 6
    rng = np.random.default_rng(0)
    signal = rng.standard_normal((n_pictures, brain.geometry.n_voxels)) * (brain.tuning.ncsnr > 0)
    order = [(p, r) for r in range(repeats) for p in range(n_pictures)]
    moments = [Moment(p, r, 1, 1, 0.0) for p, r in order]
    betas = brain.betas(signal[[p for p, _ in order]], moments)
    betas = betas.reshape(repeats, n_pictures, -1)
    noise = np.sqrt(betas.var(axis=0, ddof=1).mean(axis=0))
    assert np.median(noise / brain.tuning.noise) == pytest.approx(1, abs=0.02)
    power = betas.mean(axis=0).var(axis=0, ddof=1) - noise**2 / repeats
    ncsnr = np.sqrt(np.clip(power, 0, None)) / noise
    responsive = brain.tuning.ncsnr > 0
    assert np.corrcoef(ncsnr[responsive], brain.tuning.ncsnr[responsive])[0, 1] > 0.85
    assert np.median(ncsnr[responsive]) == pytest.approx(1.0, abs=0.12)
    assert ncsnr[~responsive].mean() < 0.2


def test_neighbours_share_noise(brain: Brain) -> None:
    silent = np.zeros((400, brain.geometry.n_voxels))
    noise = brain.betas(silent, [Moment(p, 0, 1, 1, 0.0) for p in range(400)])
    where = brain.geometry.millimetres
    distance = np.linalg.norm(where[:, None] - where[None], axis=2)
    correlation = np.corrcoef(noise.T)
    assert correlation[(distance > 0) & (distance < 4)].mean() > 0.1
    assert abs(correlation[distance > 40].mean()) < 0.08


def test_trials_do_not_depend_on_one_another(brain: Brain) -> None:
    signal = np.random.default_rng(1).standard_normal((6, brain.geometry.n_voxels))
    moments = [Moment(p, 1, 1 + p % 2, 1, p / 6) for p in range(6)]
    whole = brain.betas(signal, moments)
    part = brain.betas(signal[[4, 1]], [moments[4], moments[1]])
    assert np.array_equal(part, whole[[4, 1]])


def test_sessions_differ_in_gain_and_offset(brain: Brain) -> None:
    moments = [Moment(1, 1, session, 1, 0.0) for session in range(40)]
    shape = 40, brain.geometry.n_voxels
    silent, driven = brain.betas(np.zeros(shape), moments), brain.betas(np.ones(shape), moments)
    responsive = brain.tuning.ncsnr > 0
    amplitude = (driven - silent)[:, responsive] / (brain.tuning.noise * brain.tuning.ncsnr)[
        responsive
    ]
    assert np.median(np.log(amplitude), axis=1).std() == pytest.approx(GAIN, rel=0.3)
    offsets = (silent - silent.mean(axis=0)) / brain.tuning.noise
    assert offsets.std() == pytest.approx(OFFSET, rel=0.1)


def test_runs_drift(brain: Brain) -> None:
    shape = 2, brain.geometry.n_voxels
    start, end = brain.betas(np.zeros(shape), [Moment(1, 1, 1, 1, -1.0), Moment(1, 1, 1, 1, 1.0)])
    assert ((end - start) / brain.tuning.noise).std() == pytest.approx(2 * DRIFT, rel=0.1)


def test_no_noise_at_all() -> None:
    brain = Brain.grow(phantom(1, seed=0), 1, noise=0, seed=0)
    signal = np.random.default_rng(1).standard_normal((3, brain.geometry.n_voxels))
    signal *= brain.tuning.ncsnr > 0
    once = brain.betas(signal, [Moment(k, 1, 1, 1, 0.0) for k in range(3)])
    again = brain.betas(signal, [Moment(k, 2, 1, 1, 0.9) for k in range(3)])
    responsive = brain.tuning.ncsnr > 0
    assert np.array_equal(once[:, responsive], again[:, responsive])


def test_another_seed_is_another_brain(brain: Brain) -> None:
    other = Brain.grow(phantom(1, seed=4), 1, noise=1.0, seed=4)
    assert other.geometry.n_voxels != brain.geometry.n_voxels
    again = Brain.grow(phantom(1, seed=3), 1, noise=1.0, seed=3)
    assert np.array_equal(again.tuning.channels, brain.tuning.channels)


# --- names -------------------------------------------------------------------------------------


def test_region_names() -> None:
    assert named("FFA-1", where="x").name == "FFA1"
    assert named("v4", where="x").name == "hV4"
    with pytest.raises(DataError, match=r"mask\.nii: no region is called 'PPB'.*'PPA'"):
        named("PPB", where="mask.nii")
