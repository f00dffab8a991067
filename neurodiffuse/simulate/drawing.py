"""Draw flat shapes with numpy alone, so that the bytes do not depend on a graphics library.

Shapes are painted on a canvas four times finer than the picture and averaged down, in integers.
Coordinates of the canvas run from 0 to 1, x to the right and y down.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

Colour = tuple[int, int, int]
Point = tuple[float, float]

FINER = 4
"""Canvas points along each side of a pixel of the picture."""

LETTERS = {
    "G": (".###.", "#...#", "#....", "#.###", "#...#", "#...#", ".###."),
    "H": ("#...#", "#...#", "#...#", "#####", "#...#", "#...#", "#...#"),
    "I": ("#####", "..#..", "..#..", "..#..", "..#..", "..#..", "#####"),
    "N": ("#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"),
    "O": (".###.", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
    "P": ("####.", "#...#", "#...#", "####.", "#....", "#....", "#...."),
    "U": ("#...#", "#...#", "#...#", "#...#", "#...#", "#...#", ".###."),
}


def shade(colour: Colour, factor: float) -> Colour:
    """Return the colour made darker (factor below 1) or lighter (up to 255)."""
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue


class Canvas:
    """A square picture in the making."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.side = size * FINER
        self.points = np.zeros((self.side, self.side, 3), dtype=np.uint8)

    def image(self) -> np.ndarray:
        """Return the picture: uint8 (size, size, 3), the rounded mean of each pixel's points."""
        blocks = self.points.reshape(self.size, FINER, self.size, FINER, 3)
        total = blocks.sum(axis=(1, 3), dtype=np.uint32)
        return ((total + FINER * FINER // 2) // (FINER * FINER)).astype(np.uint8)

    def band(self, top: float, bottom: float, first: Colour, last: Colour) -> None:
        """Fill the rows between two heights with a gradient from ``first`` to ``last``."""
        start, stop = round(top * self.side), round(bottom * self.side)
        if stop <= start:
            return
        share = ((np.arange(stop - start) + 0.5) / (stop - start))[:, None]
        rows = np.asarray(first) * (1 - share) + np.asarray(last) * share
        self.points[start:stop] = np.rint(rows).astype(np.uint8)[:, None, :]

    def ellipse(self, centre: Point, radii: Point, colour: Colour) -> None:
        """Fill an ellipse with its axes along the canvas."""
        (x, y), (rx, ry) = centre, radii
        window, across, down = self._window(x - rx, y - ry, x + rx, y + ry)
        inside = ((across - x) / rx) ** 2 + ((down - y) / ry) ** 2 <= 1
        self.points[window][inside] = colour

    def polygon(self, corners: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon, by the even-odd rule."""
        xs, ys = [x for x, _ in corners], [y for _, y in corners]
        window, across, down = self._window(min(xs), min(ys), max(xs), max(ys))
        inside = np.zeros((down.shape[0], across.shape[1]), dtype=bool)
        for (x0, y0), (x1, y1) in zip(corners, [*corners[1:], corners[0]], strict=True):
            if y0 == y1:
                continue
            crosses = (down >= min(y0, y1)) & (down < max(y0, y1))
            inside ^= crosses & (across < x0 + (down - y0) * ((x1 - x0) / (y1 - y0)))
        self.points[window][inside] = colour

    def _window(
        self, left: float, top: float, right: float, bottom: float
    ) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
        """Return the part of the canvas that a box covers, and its points' x (1, w), y (h, 1)."""
        x0, x1 = (int(np.clip(v, 0, 1) * self.side) for v in (left, right))
        y0, y1 = (int(np.clip(v, 0, 1) * self.side) for v in (top, bottom))
        across = (np.arange(x0, min(x1 + 1, self.side)) + 0.5) / self.side
        down = (np.arange(y0, min(y1 + 1, self.side)) + 0.5) / self.side
        window = (slice(y0, y0 + len(down)), slice(x0, x0 + len(across)))
        return window, across[None, :], down[:, None]


class Pen:
    """Draws on a canvas in an object's own coordinates: -1 to 1 from its centre."""

    def __init__(self, canvas: Canvas, centre: Point, radius: float) -> None:
        self.canvas = canvas
        self.centre = centre
        self.radius = radius

    def place(self, x: float, y: float) -> Point:
        """Return canvas coordinates of a point of the object."""
        return self.centre[0] + self.radius * x, self.centre[1] + self.radius * y

    def disc(self, x: float, y: float, rx: float, ry: float, colour: Colour) -> None:
        """Fill an ellipse around (x, y)."""
        self.canvas.ellipse(self.place(x, y), (self.radius * rx, self.radius * ry), colour)

    def shape(self, corners: Sequence[Point], colour: Colour) -> None:
        """Fill a polygon."""
        self.canvas.polygon([self.place(x, y) for x, y in corners], colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """Fill a rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def write(self, word: str, left: float, top: float, cell: Point, colour: Colour) -> None:
        """Write capital letters of five by seven cells, the first one's corner at (left, top)."""
        for at, letter in enumerate(word):
            for row, line in enumerate(LETTERS[letter]):
                y = top + row * cell[1]
                start = left + at * 6 * cell[0]
                for ink in re.finditer("#+", line):
                    x0, x1 = start + ink.start() * cell[0], start + ink.end() * cell[0]
                    self.box(x0, y, x1, y + cell[1], colour)
