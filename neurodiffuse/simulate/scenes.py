"""Captioned scenes: one or two large objects before a background, drawn and told apart.

Image k of a seed depends on the seed and on k alone: ``numpy.random.default_rng([seed, k])``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from neurodiffuse.simulate.drawing import Canvas, Pen
from neurodiffuse.simulate.painters import GROUNDS, PAINT, PAINTERS, SKIN, ground

CATEGORIES: tuple[str, ...] = tuple(PAINTERS)
COLOURS: tuple[str, ...] = tuple(PAINT)
BACKGROUNDS: tuple[str, ...] = tuple(GROUNDS)
WORDS: tuple[str, ...] = ("GO", "HI", "UP", "NO")

Combinations = Literal["train", "held-out", "any"]

TWO_OBJECTS = 0.18
"""Share of scenes with two objects."""

_SHARES = (0.15, 0.15, 0.15, 0.15, 0.1, 0.1, 0.1, 0.1)
_DETAILS: dict[str, tuple[str, ...]] = {
    "face": tuple(SKIN),
    "word": WORDS,
    "house": ("with a chimney", ""),
    "person": ("arms up", "arms down"),
}
_PHRASES = {
    "face": "a face with {colour} hair",
    "word": "the word {detail} in {colour}",
    "person": "a person in a {colour} shirt",
    "boat": "a boat with {colour} sails",
}
_PLACES = {
    "grass": "on grass",
    "beach": "on a beach",
    "night": "at night",
    "sunset": "at sunset",
    "room": "in a room",
    "grey": "on grey",
    "pink": "on pink",
}


@dataclass(frozen=True)
class SceneObject:
    """One thing in a scene.

    ``centre`` is (x, y) and ``radius`` half the object's extent, both as a share of the
    picture's side, y down. ``detail`` is the word, the skin, what the arms do or the chimney.
    """

    category: str
    colour: str
    centre: tuple[float, float]
    radius: float
    detail: str = ""

    @property
    def phrase(self) -> str:
        """The object in words."""
        pattern = _PHRASES.get(self.category, "a {colour} " + self.category)
        text = pattern.format(colour=self.colour, detail=self.detail.lower())
        return text.replace("a orange", "an orange")


@dataclass(frozen=True, eq=False)
class Scene:
    """A picture, uint8 (size, size, 3), with everything that is known of it."""

    index: int
    caption: str
    captions: tuple[str, ...]
    background: str
    objects: tuple[SceneObject, ...]
    held_out: bool
    image: np.ndarray


def is_held_out(category: str, colour: str, background: str) -> bool:
    """Say whether a combination is kept out of training.

    For each category and colour it is one background of the seven, so every category, colour
    and background is seen in training, and one combination in seven is not.
    """
    number = (
        CATEGORIES.index(category) + 2 * COLOURS.index(colour) + 3 * BACKGROUNDS.index(background)
    )
    return number % len(BACKGROUNDS) == 0


def render(
    objects: Sequence[SceneObject], background: str, *, size: int = 64, seed: int
) -> np.ndarray:
    """Draw objects, the first one hindmost, before a background.

    Parameters
    ----------
    objects
        What is drawn; none gives the empty background.
    background
        One of ``BACKGROUNDS``.
    size
        Side in pixels.
    seed
        Moves the horizon, clouds, stars and moon.

    Returns
    -------
    uint8 (size, size, 3)
    """
    canvas = Canvas(size)
    ground(canvas, background, np.random.default_rng(seed))
    for thing in objects:
        pen = Pen(canvas, thing.centre, thing.radius)
        PAINTERS[thing.category](pen, PAINT[thing.colour], thing.detail)
    return canvas.image()


def scene(
    index: int,
    *,
    seed: int = 0,
    size: int = 64,
    combinations: Combinations = "any",
    spread: float = 0.5,
) -> Scene:
    """Return scene ``index`` of a seed.

    Parameters
    ----------
    index, seed
        The only sources of randomness; a scene does not depend on any other one.
    size
        Side in pixels.
    combinations
        ``"train"`` draws only combinations of category, colour and background that
        ``is_held_out`` leaves to training, ``"held-out"`` only scenes with at least one that it
        ``is_held_out`` leaves to training, ``"held-out"`` only scenes with at least one that it
        keeps out, ``"any"`` both.
    spread
        How far objects stray from their usual place: 0 not at all, 1 as far as most of an object
        is still in the picture.
    """
    if combinations not in ("train", "held-out", "any"):
        raise ValueError(f"combinations: {combinations!r} is not one of train, held-out, any")
    rng = np.random.default_rng([seed, index])
    two = bool(rng.random() < TWO_OBJECTS)
    while True:  # a scene of a kind that is not wanted is drawn again from the same stream
        background = BACKGROUNDS[rng.integers(len(BACKGROUNDS))]
        objects = _pair(rng, spread) if two else (_single(rng, spread),)
        held_out = any(is_held_out(o.category, o.colour, background) for o in objects)
        if combinations == "any" or held_out == (combinations == "held-out"):
            break
    captions = _captions(objects, background)
    image = render(objects, background, size=size, seed=int(rng.integers(2**31)))
    return Scene(index, captions[0], captions, background, objects, held_out, image)


def _thing(
    rng: np.random.Generator, centre: tuple[float, float], radius: float, without: str = ""
) -> SceneObject:
    """Draw category, colour and detail of an object that is not of the category ``without``."""
    shares = np.asarray(_SHARES) * [name != without for name in CATEGORIES]
    category = CATEGORIES[rng.choice(len(CATEGORIES), p=shares / shares.sum())]
    colour = COLOURS[rng.integers(len(COLOURS))]
    details = _DETAILS.get(category, ("",))
    return SceneObject(category, colour, centre, radius, details[rng.integers(len(details))])


def _single(rng: np.random.Generator, spread: float) -> SceneObject:
    """Draw one object around the middle, most of it visible wherever it is."""
    radius = float(rng.uniform(0.29, 0.43))
    room = spread * (0.5 - 0.9 * radius)
    x, y = rng.uniform(0.5 - room, 0.5 + room, 2)
    return _thing(rng, (float(x), float(y)), radius)


def _pair(rng: np.random.Generator, spread: float) -> tuple[SceneObject, SceneObject]:
    """Draw two objects of different categories, left and right."""
    radii = rng.uniform(0.21, 0.25, 2)
    room = np.asarray([0.02, 0.22]) * spread
    usual = np.asarray([[0.25, 0.5], [0.75, 0.5]])
    left, right = (rng.uniform(place - room, place + room) for place in usual)
    first = _thing(rng, (float(left[0]), float(left[1])), float(radii[0]))
    second = (float(right[0]), float(right[1]))
    return first, _thing(rng, second, float(radii[1]), without=first.category)


def _captions(objects: tuple[SceneObject, ...], background: str) -> tuple[str, ...]:
    """Say what is in the picture in three ways."""
    place = _PLACES[background]
    if len(objects) == 2:
        left, right = (thing.phrase for thing in objects)
        return (
            f"{left} left of {right} {place}",
            f"{place} there are {left} and {right}",
            f"{right} right of {left} {place}",
        )
    thing = objects[0]
    x = thing.centre[0]
    side = "on the left" if x < 0.42 else "on the right" if x > 0.58 else "in the middle"
    size = "large" if thing.radius > 0.35 else "small"
    return (
        f"{thing.phrase} {place}",
        f"{place} there is {thing.phrase}",
        f"{thing.phrase} {size} {side} {place}",
    )
