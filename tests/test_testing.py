"""The checks for plugin authors let good classes pass and name what bad ones break."""

from __future__ import annotations

import numpy as np
import pytest
import toy
import two_toy

from neurodiffuse.testing import (
    check_dataset,
    check_encoder,
    check_generator,
    check_metric,
    examine_dataset,
    examine_encoder,
    examine_generator,
    example_stimuli,
)
from neurodiffuse.types import Images, Latents


def colours() -> dict[str, Latents]:
    return {"colour": toy.Colour().encode(example_stimuli())}


def test_good_classes_pass():
    check_dataset(toy.Toy())
    check_encoder(toy.Colour())
    check_generator(toy.Paint(grain=0.1), colours())
    check_metric(toy.Nearness())


class Centred(toy.Colour):
    def encode(self, stimuli):
        found = super().encode(stimuli)
        return Latents(found.ids, found.values - found.values.mean(0), found.shapes)


class Careless(toy.Paint):
    def generate(self, latents, *, init, seeds):
        return super().generate(
            latents, init=init, seeds=[seeds[0] + k for k in range(len(seeds))][::-1]
        )


class Unseeded(toy.Paint):
    def generate(self, latents, *, init, seeds):
        seeds = np.random.default_rng().integers(0, 2**60, len(seeds))
        return super().generate(latents, init=init, seeds=[int(s) for s in seeds])


class Backwards(toy.Nearness):
    higher_is_better = False


class Vain(toy.Nearness):
    def compare(self, seen, made):
        values = super().compare(seen, made)
        seen.values[0] = 0
        return values


def test_bad_classes_are_told_what_they_break():
    with pytest.raises(AssertionError, match="does not depend on the other rows"):
        check_encoder(Centred())
    with pytest.raises(AssertionError, match="does not depend on the others"):
        check_generator(Careless(grain=0.5), colours())
    with pytest.raises(AssertionError, match="same latents and seeds"):
        check_generator(Unseeded(grain=0.5), colours())
    with pytest.raises(AssertionError, match="scores better than noise"):
        check_metric(Backwards())
    with pytest.raises(AssertionError, match="leaves its input alone"):
        stimuli = example_stimuli(8)
        check_metric(Vain(), Images(stimuli.ids, np.stack(list(stimuli.images))))
    with pytest.raises(AssertionError, match=r"as many betas as trials: 71"):
        check_dataset(toy.Toy(fault="short"))
    with pytest.raises(AssertionError, match="in training and test at once"):
        check_dataset(toy.Toy(fault="overlap"))
    with pytest.raises(AssertionError, match="takes \\*options"):
        check_metric(toy.Greedy())


class Forgetful(toy.Colour):
    """Learns something and does not hand it on."""

    def __init__(self):
        super().__init__()
        self.shift = 0.0

    def fit(self, stimuli):
        self.shift = float(stimuli.images[0].mean())

    def encode(self, stimuli):
        found = super().encode(stimuli)
        return Latents(found.ids, found.values + self.shift, found.shapes)


class Global(toy.Paint):
    def generate(self, latents, *, init, seeds):
        np.random.seed(seeds[0])  # noqa: NPY002
        return super().generate(latents, init=init, seeds=seeds)


class Hoarder(toy.Paint):
    kept: list = []  # noqa: RUF012

    def generate(self, latents, *, init, seeds):
        self.kept.append(np.zeros(3 * 2**20, np.uint8))
        return super().generate(latents, init=init, seeds=seeds)


class Elsewhere(toy.Paint):
    def __init__(self, device: str = "auto", weights: str = ""):
        super().__init__()
        self.device, self.weights = device, weights


class Restless(toy.Colour):
    """Rounds away what another device would keep."""

    def __init__(self, device: str = "auto"):
        super().__init__()
        self.device = device

    def encode(self, stimuli):
        found = super().encode(stimuli)
        values = found.values if self.device == "auto" else np.round(found.values)
        if self.device.startswith("cuda"):
            raise ValueError("no such device")
        return Latents(found.ids, values, found.shapes)


class Jumbled(toy.Toy):
    def betas(self, label, voxels):
        for block in super().betas(label, voxels):
            yield block[:, ::-1]


@pytest.mark.parametrize(
    ("found", "broken"),
    [
        (lambda: examine_encoder(Forgetful()), {"restore(state()) encodes alike"}),
        (
            lambda: examine_generator(Global(), colours()),
            {"numpy's global random state is left alone"},
        ),
        (
            lambda: examine_generator(Hoarder(), colours()),
            {"memory does not grow from call to call"},
        ),
        (
            lambda: examine_generator(Elsewhere(), colours()),
            {
                "a device that is not there is refused",
                "weights that are not there are refused in one line that names them",
            },
        ),
        (
            lambda: examine_encoder(Restless()),
            {"it gives the same on the CPU as on its device"},
        ),
        (
            lambda: examine_dataset(Jumbled()),
            {
                f"sub-{s}: a voxel's betas do not depend on which others are asked for"
                for s in ("01", "02", "10")
            },
        ),
    ],
)
def test_each_broken_promise_is_told_and_no_other(found, broken):
    assert {finding.promise for finding in found() if not finding.kept} == broken


def test_what_a_generator_says_it_can_do_without_is_left_out():
    (found,) = [
        f for f in examine_generator(toy.Paint(), colours(), optional=("colour",)) if not f.kept
    ]
    assert str(found) == "it paints without colour: KeyError: 'colour'"
    init = Images(colours()["colour"].ids, np.zeros((6, 8, 8, 3), np.uint8))
    found = examine_generator(toy.Paint(), colours(), init=init, optional=("init",))
    assert "it paints without init" in {f.promise for f in found if f.kept}


class Remembering(two_toy.Guided):
    """Goes on with the captions of an earlier call where it is given none."""

    def generate(self, latents, *, init, seeds):
        self.text = latents.get("text", getattr(self, "text", None))
        return super().generate({**latents, "text": self.text}, init=init, seeds=seeds)


class Deaf(two_toy.Guided):
    """Never listens to captions."""

    def generate(self, latents, *, init, seeds):
        heard = {name: part for name, part in latents.items() if name != "text"}
        return super().generate(heard, init=init, seeds=seeds)


class Learned(two_toy.Guided):
    """Needs what the captions' encoder has learned, whether captions are given or not."""

    def restore(self, states):
        self.scale = states["text"]["scale"]


@pytest.mark.parametrize(
    ("generator", "broken"),
    [
        (two_toy.Guided(), []),
        (Remembering(), ["without text it paints other pictures"]),
        (Deaf(), ["without text it paints other pictures"]),
        (Learned(), ["it paints without text"]),
    ],
)
def test_a_generator_that_ignores_what_is_withheld_is_told(generator, broken):
    stimuli = example_stimuli()
    latents = colours()
    red = np.random.default_rng(0).uniform(0, 1, (len(stimuli), 3)).astype(np.float32)
    latents["text"] = Latents(stimuli.ids, red, ((3,),))
    init = Images(stimuli.ids, np.full((len(stimuli), 8, 8, 3), 90, np.uint8))
    found = examine_generator(
        generator,
        latents,
        init=init,
        states={"text": {"scale": np.ones(1)}},
        optional=("text", "init"),
    )
    assert [finding.promise for finding in found if not finding.kept] == broken


def test_a_crash_is_one_finding_with_its_cause():
    class Crash(toy.Colour):
        def encode(self, stimuli):
            raise KeyError("width")

    (finding, *_) = [f for f in examine_encoder(Crash()) if not f.kept]
    assert str(finding) == "fit and encode run: KeyError: 'width'"
    with pytest.raises(AssertionError) as caught:
        check_encoder(Crash())
    assert isinstance(caught.value.__cause__, KeyError)
