"""How each category and each background looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from neurodiffuse.simulate.drawing import Canvas, Colour, Pen, shade

PAINT: dict[str, Colour] = {
    "red": (212, 38, 42),
    "orange": (244, 136, 28),
    "yellow": (250, 212, 48),
    "green": (36, 150, 72),
    "blue": (44, 92, 214),
    "white": (246, 246, 244),
}
SKIN: dict[str, Colour] = {"light": (247, 208, 176), "tan": (214, 156, 112), "dark": (124, 78, 54)}
INK: Colour = (34, 28, 34)
WOOD: Colour = (112, 66, 40)
GLASS: Colour = (188, 224, 248)


def face(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a head with coloured hair; the detail is its skin."""
    skin = SKIN[detail]
    line = shade(skin, 0.55)
    pen.disc(0, -0.1, 0.8, 0.88, shade(colour, 0.72))
    pen.disc(0, -0.12, 0.76, 0.82, colour)
    pen.disc(-0.66, 0.14, 0.12, 0.17, shade(skin, 0.85))
    pen.disc(0.66, 0.14, 0.12, 0.17, shade(skin, 0.85))
    pen.disc(0, 0.18, 0.63, 0.78, line)
    pen.disc(0, 0.18, 0.6, 0.75, skin)
    pen.shape([(-0.62, 0.0), (-0.5, -0.6), (0.5, -0.6), (0.62, 0.0), (0.3, -0.28)], colour)
    for x in (-0.26, 0.26):
        pen.box(x - 0.15, -0.13, x + 0.15, -0.06, line)
        pen.disc(x, 0.1, 0.16, 0.12, (255, 255, 255))
        pen.disc(x, 0.1, 0.085, 0.1, INK)
    pen.shape([(0, 0.12), (0.11, 0.4), (-0.11, 0.4)], shade(skin, 0.8))
    pen.disc(0, 0.55, 0.32, 0.2, (176, 32, 44))
    pen.box(-0.34, 0.33, 0.34, 0.53, skin)
    pen.shape([(0, 0.2), (0.1, 0.4), (-0.1, 0.4)], shade(skin, 0.8))


def word(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw two capital letters on a plate; the detail is the word."""
    plate: Colour = (52, 52, 72) if sum(colour) > 500 else (255, 255, 255)
    pen.box(-1, -0.68, 1, 0.68, INK)
    pen.box(-0.94, -0.62, 0.94, 0.62, plate)
    pen.write(detail, -0.77, -0.455, (0.14, 0.13), colour)


def house(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a house front; the detail says whether it has a chimney."""
    if detail == "with a chimney":
        pen.box(0.4, -0.9, 0.62, -0.3, (92, 52, 44))
    pen.box(-0.76, -0.14, 0.76, 0.92, shade(colour, 0.72))
    pen.box(-0.71, -0.14, 0.71, 0.88, colour)
    pen.shape([(-1, -0.06), (0, -0.94), (1, -0.06)], (104, 44, 40))
    pen.box(-0.17, 0.34, 0.17, 0.92, WOOD)
    pen.disc(0.1, 0.64, 0.04, 0.04, (250, 220, 120))
    for x in (-0.44, 0.44):
        pen.box(x - 0.19, 0.1, x + 0.19, 0.48, INK)
        pen.box(x - 0.15, 0.14, x + 0.15, 0.44, (255, 240, 160))


def person(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a whole body with a coloured shirt; the detail is what the arms do."""
    skin = SKIN["tan"]
    up = detail == "arms up"
    for side in (-1, 1):
        hand = (side * 0.72, -0.72) if up else (side * 0.62, 0.3)
        shoulder, width = (side * 0.26, -0.34), 0.1
        pen.shape(
            [
                (shoulder[0] - width, shoulder[1] - 0.08),
                (shoulder[0] + width, shoulder[1] + 0.08),
                (hand[0] + width, hand[1]),
                (hand[0] - width, hand[1]),
            ],
            shade(colour, 0.82),
        )
        pen.disc(*hand, 0.11, 0.11, skin)
        pen.shape(
            [(side * 0.02, 0.2), (side * 0.32, 0.2), (side * 0.36, 0.9), (side * 0.1, 0.9)],
            (44, 48, 84),
        )
        pen.disc(side * 0.27, 0.93, 0.19, 0.08, INK)
    pen.shape([(-0.36, -0.44), (0.36, -0.44), (0.32, 0.28), (-0.32, 0.28)], colour)
    pen.box(-0.09, -0.52, 0.09, -0.4, skin)
    pen.disc(0, -0.76, 0.22, 0.24, (70, 44, 34))
    pen.disc(0, -0.71, 0.19, 0.2, skin)


def apple(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw an apple with stalk and leaf."""
    for x, y, radius in ((-0.34, 0.1, 0.56), (0.34, 0.1, 0.56), (0, 0.32, 0.6)):
        pen.disc(x, y, radius, radius * 1.04, shade(colour, 0.72))
    for x, y, radius in ((-0.34, 0.1, 0.51), (0.34, 0.1, 0.51), (0, 0.32, 0.55)):
        pen.disc(x, y, radius, radius * 1.04, colour)
    pen.disc(0, -0.38, 0.2, 0.07, shade(colour, 0.6))
    pen.shape([(-0.05, -0.34), (0.05, -0.34), (0.12, -0.86), (0.0, -0.88)], WOOD)
    pen.shape([(0.08, -0.5), (0.32, -0.86), (0.74, -0.84), (0.44, -0.5)], (82, 172, 58))
    pen.disc(-0.42, -0.08, 0.12, 0.18, shade(colour, 1.35))


def car(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a car from its side."""
    pen.shape(
        [(-0.62, 0.0), (-0.4, -0.52), (0.32, -0.52), (0.62, 0.0)],
        shade(colour, 0.8),
    )
    pen.shape([(-0.48, -0.02), (-0.33, -0.41), (-0.07, -0.41), (-0.07, -0.02)], GLASS)
    pen.shape([(0.05, -0.02), (0.05, -0.41), (0.26, -0.41), (0.47, -0.02)], GLASS)
    pen.shape([(-1, 0.06), (-0.92, -0.06), (0.86, -0.06), (1, 0.14), (1, 0.46), (-1, 0.46)], colour)
    pen.box(-1, 0.34, 1, 0.48, shade(colour, 0.66))
    pen.box(0.86, 0.1, 1, 0.26, (255, 244, 170))
    for x in (-0.54, 0.54):
        pen.disc(x, 0.46, 0.29, 0.29, INK)
        pen.disc(x, 0.46, 0.13, 0.13, (190, 194, 200))


def cat(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a cat's head."""
    edge = shade(colour, 0.66)
    for side in (-1, 1):
        pen.shape([(side * 0.86, -0.96), (side * 0.8, 0.0), (side * 0.12, -0.5)], edge)
        pen.shape([(side * 0.76, -0.74), (side * 0.7, -0.1), (side * 0.3, -0.46)], (244, 168, 172))
    pen.disc(0, 0.14, 0.88, 0.76, edge)
    pen.disc(0, 0.14, 0.83, 0.71, colour)
    for side in (-1, 1):
        pen.disc(side * 0.36, 0.0, 0.19, 0.17, (150, 220, 80))
        pen.disc(side * 0.36, 0.0, 0.065, 0.16, INK)
        for rise in (-0.08, 0.1):
            pen.shape(
                [
                    (side * 0.26, 0.36 + rise / 2),
                    (side * 1.0, 0.3 + 2 * rise),
                    (side * 1.0, 0.36 + 2 * rise),
                    (side * 0.26, 0.42 + rise / 2),
                ],
                INK,
            )
        pen.disc(side * 0.14, 0.46, 0.17, 0.13, shade(colour, 1.25))
    pen.shape([(-0.13, 0.26), (0.13, 0.26), (0, 0.42)], (226, 96, 110))
    pen.box(-0.025, 0.4, 0.025, 0.56, INK)


def boat(pen: Pen, colour: Colour, detail: str) -> None:
    """Draw a sailing boat with coloured sails."""
    pen.box(-0.05, -0.96, 0.05, 0.5, WOOD)
    pen.shape([(0.08, -0.92), (0.84, 0.36), (0.08, 0.36)], shade(colour, 0.72))
    pen.shape([(0.12, -0.76), (0.75, 0.31), (0.12, 0.31)], colour)
    pen.shape([(-0.08, -0.7), (-0.08, 0.36), (-0.74, 0.36)], shade(colour, 0.72))
    pen.shape([(-0.12, -0.54), (-0.12, 0.31), (-0.65, 0.31)], colour)
    pen.shape([(-1, 0.46), (1, 0.46), (0.66, 0.9), (-0.62, 0.9)], shade(WOOD, 0.6))
    pen.shape([(-0.92, 0.5), (0.92, 0.5), (0.64, 0.85), (-0.59, 0.85)], (150, 90, 52))


PAINTERS: dict[str, Callable[[Pen, Colour, str], None]] = {
    "face": face,
    "word": word,
    "house": house,
    "person": person,
    "apple": apple,
    "car": car,
    "cat": cat,
    "boat": boat,
}

GROUNDS: dict[str, tuple[Colour, Colour, Colour, Colour]] = {
    "grass": ((112, 184, 242), (222, 240, 252), (126, 192, 84), (70, 138, 52)),
    "beach": ((150, 208, 246), (232, 244, 252), (246, 224, 168), (226, 190, 122)),
    "night": ((10, 14, 44), (44, 46, 98), (24, 40, 46), (12, 22, 28)),
    "sunset": ((94, 62, 138), (252, 168, 104), (74, 48, 82), (44, 30, 56)),
    "room": ((232, 214, 186), (220, 200, 170), (150, 102, 66), (116, 76, 50)),
    "grey": ((196, 198, 204), (178, 180, 188), (178, 180, 188), (158, 160, 170)),
    "pink": ((250, 204, 216), (244, 188, 204), (244, 188, 204), (232, 168, 190)),
}
"""Colours at the top, above and below the horizon, and at the bottom."""


def ground(canvas: Canvas, background: str, rng: np.random.Generator) -> None:
    """Paint a background; the generator moves horizon, clouds, moon and sun."""
    horizon = float(rng.uniform(0.58, 0.7))
    x, y = float(rng.uniform(0.1, 0.9)), float(rng.uniform(0.08, 0.2))
    top, above, below, bottom = GROUNDS[background]
    canvas.band(0, horizon, top, above)
    canvas.band(horizon, 1, below, bottom)
    if background == "grass":
        for shift, width in ((-0.07, 0.09), (0.0, 0.12), (0.08, 0.08)):
            canvas.ellipse((x + shift, y), (width, 0.045), (252, 253, 255))
    elif background == "beach":
        canvas.band(horizon - 0.13, horizon, (38, 118, 190), (60, 160, 208))
        canvas.ellipse((x, y), (0.08, 0.08), (255, 236, 130))
    elif background == "night":
        for star in rng.uniform(0.02, 0.98, (14, 2)):
            canvas.ellipse((star[0], star[1] * horizon), (0.009, 0.009), (232, 232, 255))
        canvas.ellipse((x, y), (0.075, 0.075), (246, 240, 208))
    elif background == "sunset":
        canvas.ellipse((x, horizon - 0.02), (0.1, 0.1), (255, 226, 120))
        canvas.band(horizon, 1, below, bottom)
    elif background == "room":
        canvas.band(horizon, horizon + 0.03, (250, 246, 238), (250, 246, 238))
