"""Rings of a picture around its centre, which is where the subject looked."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from neurodiffuse.errors import ConfigError, PluginError
from neurodiffuse.run import Run

DEGREES = (0.5, 1.0, 2.0, 4.0)
"""Borders between the five bands of eccentricity of the paper's Fig 11."""

HALF_WIDTHS = (0.125, 0.25, 0.5, 1.0)
"""Borders where nobody knows how wide the pictures are: parts of half the width."""


@dataclass(frozen=True)
class Rings:
    """Five rings of pictures ``width`` degrees of visual angle wide; None: nobody knows."""

    width: float | None

    @property
    def unit(self) -> str:
        """What radii are counted in."""
        return "half-width" if self.width is None else "degree"

    @property
    def borders(self) -> tuple[float, ...]:
        """Radii between the rings."""
        return HALF_WIDTHS if self.width is None else DEGREES

    @property
    def ends(self) -> list[tuple[float, float]]:
        """Inner (included) and outer radius of each ring; the last one has no outer end."""
        return list(zip((0.0, *self.borders), (*self.borders, math.inf), strict=True))

    @property
    def names(self) -> list[str]:
        """The rings as bands of eccentricity are called."""
        sign = "°" if self.width is not None else ""
        return [
            f"{low:g}–{high:g}{sign}" if math.isfinite(high) else f"> {low:g}{sign}"
            for low, high in self.ends
        ]

    def radius(self, height: int, width: int) -> np.ndarray:
        """Return the distance of each pixel's middle from the picture's, (height, width)."""
        pixel = (2.0 if self.width is None else self.width) / width
        y, x = (((np.arange(n) + 0.5) - n / 2) * pixel for n in (height, width))
        return np.asarray(np.hypot(y[:, None], x[None]))

    def of(self, height: int, width: int) -> np.ndarray:
        """Return the number of the ring that each pixel lies in, int (height, width)."""
        return np.digitize(self.radius(height, width), self.borders)

    def own(self, name: str) -> int | None:
        """Return the ring that a band of eccentricity of this name covers, if any does."""
        return self.names.index(name) if name in self.names else None


def stated_width(run: Run, asked: float | None) -> float | None:
    """Return how wide the pictures were in degrees: as asked for, else as the data set says.

    Raises
    ------
    ConfigError
        If a width is asked for that no picture has.
    PluginError
        If what the data set says is no such number.
    """
    if asked is not None:
        if not 0 < asked < 360:
            raise ConfigError(f"--width: {asked:g} degrees; more than 0 and less than 360.")
        return asked
    said = run.dataset.about().get("degrees", "")
    if not said:
        return None
    try:
        width = float(said)
    except ValueError:
        width = math.nan
    if not 0 < width < 360:
        raise PluginError(
            f"{run.config.dataset}: says that its pictures are {said!r} degrees wide; a number "
            "between 0 and 360 is needed. Give --width."
        )
    return width
