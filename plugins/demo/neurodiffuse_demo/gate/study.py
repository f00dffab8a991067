"""The scenes, subjects and networks that every question of the gate is asked of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

from neurodiffuse.progress import progress
from neurodiffuse.simulate.scenes import Scene, scene
from neurodiffuse.types import Images
from neurodiffuse_demo.gate.decode import Decoder, Given, Painter, alphas, encode
from neurodiffuse_demo.gate.scores import Marks, marks
from neurodiffuse_demo.gate.subjects import Subject, subject
from neurodiffuse_demo.metrics import Evaluator

TRAIN, MAIN, PAIRS, HELD_OUT = 4000, 200, 80, 100
NOISE = (0.4, 0.6, 0.8)
"""Single-trial noise of the three subjects, over the signal's spread."""


@dataclass(eq=False)
class Study:
    """Scenes of seeds that no network was trained on, and what was found so far."""

    train: Sequence[Scene]
    tests: dict[str, list[Scene]]
    known: Given
    true: dict[str, Given]
    subjects: list[Subject] = field(default_factory=list)
    decoders: list[Decoder] = field(default_factory=list)
    painter: Painter = field(default_factory=Painter)
    evaluator: Evaluator = field(default_factory=Evaluator)
    rows: dict[str, Marks] = field(default_factory=dict)
    pictures: dict[str, Images] = field(default_factory=dict)

    def note(self, name: str, scenes: Sequence[Scene], made: Images) -> Marks:
        """Score pictures and remember both."""
        self.rows[name] = marks(self.evaluator, scenes, made)
        self.pictures[name] = made
        return self.rows[name]

    def paint(self, given: Given, **options: Any) -> tuple[Images, Images]:
        """Return first guesses and what the second stage makes of them."""
        first = self.painter.first(given)
        return first, self.painter.both(given, first, **options)


def scenes_of(kind: str) -> list[Scene]:
    """Return a set of test scenes: ``main``, ``pairs`` or ``held-out``."""
    if kind == "main":
        return [scene(i, seed=31) for i in range(MAIN)]
    if kind == "held-out":
        return [scene(i, seed=33, combinations="held-out") for i in range(HELD_OUT)]
    drawn = (scene(i, seed=32) for i in count())
    return list(islice((s for s in drawn if len(s.objects) == 2), PAIRS))


def open_study() -> Study:
    """Draw the scenes, encode them, let three subjects see them and fit their maps."""
    train = [scene(i, seed=30, combinations="train") for i in range(TRAIN)]
    tests = {kind: scenes_of(kind) for kind in ("main", "pairs", "held-out")}
    true = {kind: encode(part) for kind, part in tests.items()}
    study = Study(train, tests, encode(train), true)
    for number, noise in progress(list(enumerate(NOISE, 1)), "subjects"):
        who = subject(number, train, tests, noise=noise)
        study.subjects.append(who)
        study.decoders.append(Decoder(who.train, study.known, alphas()))
    return study
