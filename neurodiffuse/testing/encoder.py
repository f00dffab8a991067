"""Whether an encoder keeps its promises."""

from __future__ import annotations

import numpy as np

from neurodiffuse.testing.findings import (
    Finding,
    Findings,
    constructor,
    fresh,
    left_alone,
    memory,
    moved,
    refusals,
)
from neurodiffuse.testing.stimuli import example_stimuli
from neurodiffuse.types import Encoder, Stimuli


def examine_encoder(encoder: Encoder, stimuli: Stimuli | None = None) -> list[Finding]:
    """Look at shapes, finiteness, determinism, batches, memory and the round trip of the state."""
    stimuli = stimuli or example_stimuli()
    found = constructor(encoder, Encoder)
    before = [image.copy() for image in stimuli.images]
    with found.trying("fit and encode run"), left_alone(found):
        encoder.fit(stimuli)
        whole = encoder.encode(stimuli)
        found.that(whole.ids == stimuli.ids, "encode returns the stimuli's ids in their order")
        shapes = tuple(encoder.shapes())
        found.that(
            tuple(whole.shapes) == shapes, "encode returns the shapes of shapes()", whole.shapes
        )
        size = (len(stimuli), sum(int(np.prod(shape)) for shape in shapes))
        found.that(whole.values.shape == size, f"latents are {size}", whole.values.shape)
        found.that(whole.values.dtype == np.float32, "latents are float32", whole.values.dtype)
        found.that(np.isfinite(whole.values).all(), "latents are finite")
        again = encoder.encode(stimuli).values
        found.that(np.array_equal(whole.values, again), "the same stimuli give the same latents")
        rows = [encoder.encode(stimuli.part(k, k + 1)).values for k in range(len(stimuli))]
        found.close(
            whole.values, np.vstack(rows), "a row does not depend on the other rows of the call"
        )
        _encoder_state(found, encoder, stimuli, whole.values)
        moved(found, encoder, lambda other: _encoded(other, encoder, stimuli), whole.values, 1e-2)
        found.that(
            all(np.array_equal(a, b) for a, b in zip(before, stimuli.images, strict=True)),
            "encode leaves the images alone",
        )
        memory(found, lambda: encoder.encode(stimuli))
    with found.trying("images of another size and shape are encoded"):
        wide = Stimuli(("wide",), [stimuli.images[0][: len(before[0]) * 3 // 4]], (("a wave",),))
        found.that(
            encoder.encode(wide).values.shape[0] == 1,
            "images of another size and shape are encoded",
        )
    refusals(found, encoder, lambda other: (other.fit(stimuli), other.encode(stimuli)))
    return found


def _encoded(other: Encoder, encoder: Encoder, stimuli: Stimuli) -> np.ndarray:
    other.restore(encoder.state())
    return other.encode(stimuli).values


def _encoder_state(found: Findings, encoder: Encoder, stimuli: Stimuli, values: np.ndarray) -> None:
    state = encoder.state()
    found.that(
        all(isinstance(v, np.ndarray) and v.dtype != object for v in state.values()),
        "state() holds numpy arrays that can be stored",
    )
    other = fresh(encoder)
    other.restore({key: value.copy() for key, value in state.items()})
    found.close(values, other.encode(stimuli).values, "restore(state()) encodes alike")
    learner = fresh(encoder)
    learner.fit(stimuli)
    found.close(values, learner.encode(stimuli).values, "fit learns the same from the same stimuli")
