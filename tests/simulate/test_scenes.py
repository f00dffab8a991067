import hashlib

import numpy as np
import pytest

from neurodiffuse.simulate.scenes import (
    BACKGROUNDS,
    CATEGORIES,
    COLOURS,
    WORDS,
    SceneObject,
    is_held_out,
    render,
    scene,
)


@pytest.fixture(scope="module")
def many():
    return [scene(i) for i in range(300)]


def test_a_scene_depends_on_seed_and_index_alone(many):
    again = scene(7)
    assert np.array_equal(again.image, many[7].image)
    assert again.captions == many[7].captions
    assert not np.array_equal(scene(7, seed=1).image, many[7].image)


def test_bytes_are_the_same_on_every_machine():
    digest = hashlib.sha256(b"".join(scene(i).image.tobytes() for i in range(4))).hexdigest()
    assert digest == ("9cbb8628281421141fc5808e075f588c36bbcb298d4a7dc53e8ab4dcaf15c96e")


def test_every_category_colour_and_background_occurs(many):
    assert {o.category for s in many for o in s.objects} == set(CATEGORIES)
    assert {o.colour for s in many for o in s.objects} == set(COLOURS)
    assert {s.background for s in many} == set(BACKGROUNDS)
    assert {o.detail for s in many for o in s.objects if o.category == "word"} == set(WORDS)


def test_one_object_mostly_two_sometimes(many):
    two = np.mean([len(s.objects) == 2 for s in many])
    assert 0.12 < two < 0.25
    for s in many:
        assert len({o.category for o in s.objects}) == len(s.objects)


@pytest.mark.parametrize(("spread", "least", "most"), [(1.0, 0.08, 0.13), (0.3, 0.02, 0.05)])
def test_single_objects_stray_as_far_as_asked(spread, least, most):
    drawn = [scene(i, spread=spread, size=8) for i in range(150)]
    centres = np.array([s.objects[0].centre for s in drawn if len(s.objects) == 1])
    assert (centres.std(axis=0) > least).all()
    assert (centres.std(axis=0) < most).all()
    assert np.abs(centres.mean(axis=0) - 0.5).max() < 0.03


def test_captions_name_what_is_drawn(many):
    for s in many:
        assert s.caption == s.captions[0]
        assert 2 <= len(s.captions) <= 3
        for caption in s.captions:
            assert s.background in caption
            assert all(o.category in caption and o.colour in caption for o in s.objects)
            assert "a orange" not in caption


def test_left_object_is_named_as_the_left_one(many):
    pair = next(s for s in many if len(s.objects) == 2)
    assert pair.objects[0].centre[0] < pair.objects[1].centre[0]
    left, right = pair.captions[0].split(" left of ")
    assert pair.objects[0].category in left
    assert pair.objects[1].category in right


def test_one_combination_in_seven_is_held_out():
    kept = np.array(
        [[[is_held_out(c, k, b) for b in BACKGROUNDS] for k in COLOURS] for c in CATEGORIES]
    )
    assert (kept.sum(axis=2) == 1).all()
    assert (kept.sum(axis=(0, 1)) > 0).all()


@pytest.mark.parametrize("kind", ["train", "held-out"])
def test_combinations_asked_for_are_given(kind):
    for i in range(60):
        s = scene(i, combinations=kind)
        flags = [is_held_out(o.category, o.colour, s.background) for o in s.objects]
        assert s.held_out == any(flags) == (kind == "held-out")


def test_unknown_combinations_are_refused():
    with pytest.raises(ValueError, match="held-out"):
        scene(0, combinations="test")


def test_an_object_covers_its_place_and_nothing_else():
    empty = render((), "grey", seed=3)
    thing = SceneObject("apple", "red", (0.3, 0.6), 0.25)
    drawn = render((thing,), "grey", seed=3)
    rows, columns = np.nonzero((drawn != empty).any(axis=2))
    assert rows.min() >= 64 * 0.35 - 1
    assert rows.max() <= 64 * 0.85 + 1
    assert columns.min() >= 64 * 0.05 - 1
    assert columns.max() <= 64 * 0.55 + 1
    red, green, blue = drawn[round(64 * 0.65), round(64 * 0.3)]
    assert red > 2 * green
    assert red > 2 * blue


@pytest.mark.parametrize("size", [32, 64, 96])
def test_size_changes_resolution_only(size):
    image = scene(5, size=size).image
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8
    small = image.reshape(8, size // 8, 8, size // 8, 3).mean(axis=(1, 3))
    reference = scene(5, size=128).image.reshape(8, 16, 8, 16, 3).mean(axis=(1, 3))
    assert np.abs(small - reference).mean() < 3
