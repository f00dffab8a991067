"""Latents are named by everything that they depend on, and only finite ones are stored."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import pytest
import toy

from neurodiffuse import builtin, pipeline
from neurodiffuse.config import resolve
from neurodiffuse.errors import PluginError
from neurodiffuse.hookspecs import hookimpl
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run, opened
from neurodiffuse.steps.encode import encode
from neurodiffuse.store import LatentFile
from neurodiffuse.types import Encoder, Latents


class Weighted(Encoder):
    """The first number of a user's own file of weights, or of a folder of them."""

    def __init__(self, weights: str = "", shift: float = 0.0) -> None:
        self.weights, self.shift = weights, shift

    def shapes(self):
        return ((1,),)

    def encode(self, stimuli):
        from pathlib import Path

        place = Path(self.weights)
        file = place if place.is_file() else place / "deep" / "net.txt"
        values = np.full((len(stimuli), 1), float(file.read_text()) + self.shift, np.float32)
        return Latents(stimuli.ids, values, self.shapes())


class Hooks:
    @hookimpl
    def register_encoders(self, register):
        register("weighted", f"{__name__}:Weighted", summary="own weights", reads=("images",))


@pytest.fixture
def encoded(tmp_path):
    """Return a function that encodes with settings in a run of its own, and gives the run."""
    registry = Registry([("builtin", builtin), ("toy", toy), ("own", Hooks())])

    def make(out, *settings, version=None):
        config = resolve(registry, dataset="toy", subjects=("01",), recipe="toy", settings=settings)
        config, dataset = pipeline.open_subjects(config, registry)
        run = Run(tmp_path / out, config, registry, dataset, quiet=True)
        if version:
            card = registry.card
            registry.card = lambda *names: replace(card(*names), version=version)
        with opened(run):
            encode(run, "01")
        return run

    return make


def stored(run, feature="colour"):
    return LatentFile.open(run.latents("01", feature) / "train.npy").rows().values


def test_another_version_of_the_plugin_encodes_anew(encoded, monkeypatch):
    one = encoded("one", version="1.0")
    again = encoded("again", version="1.0")
    assert again.latents("01", "colour").name == one.latents("01", "colour").name
    monkeypatch.setattr(toy.Colour, "shapes", lambda self: ((4,),))
    values = np.full(4, 7.0, np.float32)
    monkeypatch.setattr(
        toy.Colour,
        "encode",
        lambda self, s: Latents(s.ids, np.tile(values, (len(s), 1)), ((4,),)),
    )
    two = encoded("two", version="1.1")
    assert two.latents("01", "colour").name != one.latents("01", "colour").name
    assert (stored(two) == 7).all()
    assert not (stored(one) == 7).any()


@pytest.mark.parametrize("folder", [False, True])
def test_other_weights_of_the_user_under_the_same_name_encode_anew(encoded, tmp_path, folder):
    place = tmp_path / "weights"
    file = place / "deep" / "net.txt" if folder else place
    file.parent.mkdir(exist_ok=True, parents=True)
    settings = (f"features.colour.weights={place}", "features.colour.encoder=weighted")
    file.write_text("3")
    assert (stored(encoded("one", *settings)) == 3).all()
    file.write_text("4")  # as long, so that only its time tells
    os.utime(file, ns=(10**18, 10**18))
    assert (stored(encoded("two", *settings)) == 4).all()
    file.write_text("4.25")
    os.utime(file, ns=(10**18, 10**18))  # as old, so that only its size tells
    assert (stored(encoded("three", *settings)) == 4.25).all()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("features.colour.copies=1",), ("features.colour.copies=2",)),
        (("encode.dtype=float32",), ("encode.dtype=float16",)),
        (("datasets.toy.train=40",), ("datasets.toy.train=41",)),
        (("datasets.toy.test=6",), ("datasets.toy.test=7",)),
    ],
)
def test_other_settings_encode_anew(encoded, one, other):
    first, second = encoded("one", *one), encoded("two", *other)
    assert first.latents("01", "colour").name != second.latents("01", "colour").name
    files = [LatentFile.open(run.latents("01", "colour") / "train.npy") for run in (first, second)]
    fresh = LatentFile.open(encoded("apart/three", *other).latents("01", "colour") / "train.npy")
    assert (files[1].shapes, files[1].dtype, files[1].ids) == (
        fresh.shapes,
        fresh.dtype,
        fresh.ids,
    )
    np.testing.assert_array_equal(files[1].rows().values, fresh.rows().values)


def test_other_captions_encode_anew(encoded, monkeypatch):
    words = ("features.words.encoder=words", "features.words.alpha=1")
    one = encoded("one", *words)
    before = toy.Toy.stimuli

    def renamed(self, ids):
        found = before(self, ids)
        return replace(found, captions=tuple((f"another i{int(i[1:]) + 5}",) for i in ids))

    monkeypatch.setattr(toy.Toy, "stimuli", renamed)
    two = encoded("two", *words)
    np.testing.assert_array_equal(stored(two, "words"), stored(one, "words") + 5)
    assert one.latents("01", "colour").name == two.latents("01", "colour").name


def test_an_encoder_learns_from_the_training_images_alone(encoded, monkeypatch):
    learned = []
    monkeypatch.setattr(toy.Colour, "fit", lambda self, stimuli: learned.append(stimuli.ids))
    run = encoded("run")
    assert learned == [tuple(sorted(run.subject("01").trials.images("train")))]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("image", ["i7", "i1000"])  # of the training images and of the test images
def test_latents_that_are_not_finite_are_refused_and_not_kept(encoded, monkeypatch, wrong, image):
    before = toy.Colour.encode

    def broken(self, stimuli):
        found = before(self, stimuli)
        for row, name in enumerate(found.ids):
            if name == image:
                found.values[row, 1] = wrong
        return found

    monkeypatch.setattr(toy.Colour, "encode", broken)
    with pytest.raises(PluginError, match=f"encoder Colour: latents of {image} are not finite"):
        encoded("run")
    monkeypatch.setattr(toy.Colour, "encode", before)
    assert np.isfinite(stored(encoded("run"))).all()
