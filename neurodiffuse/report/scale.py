"""The colours of a map: where its scale begins and ends, and the bar that says so."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from neurodiffuse.report.angles import TURN


@dataclass(frozen=True)
class Scale:
    """A colour scale from ``low`` to ``high``: around zero if it begins below, else sequential.

    On a ``cyclic`` one both ends have the same colour.
    """

    low: float
    high: float
    cyclic: bool = False

    @property
    def signed(self) -> bool:
        """Whether there are values below zero."""
        return self.low < 0

    @property
    def colours(self) -> str:
        """Matplotlib's name of the colour map."""
        if self.cyclic:
            return "hsv"
        return "RdBu_r" if self.signed else "viridis"

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """Return the scale for values: to the 99th percentile of those that are not 0 or NaN.

        It begins at 0, or at minus its end when there are negative values.
        """
        known = values[np.isfinite(values) & (values != 0)]
        high = float(np.percentile(np.abs(known), 99)) if known.size else 1.0
        return cls(-high if (known < 0).any() else 0.0, high)


ANGLES = Scale(0.0, TURN, cyclic=True)
"""The scale of angles in degrees: hue, as maps of polar angle are usually drawn."""


def colour_bar(
    figure: Any, scale: Scale, units: str, place: tuple[float, float, float, float]
) -> None:
    """Draw a scale in white at a place (left, bottom, width, height) of a dark figure."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    power = 0 if 0.1 <= scale.high < 1e3 else math.floor(math.log10(scale.high))
    # one or two digits a tick, which have room beside the bar
    ticks: Any = MaxNLocator(5, steps=[1, 2, 5, 10])
    if scale.cyclic:
        ticks = np.linspace(scale.low, scale.high, 5)
    bar = figure.colorbar(
        ScalarMappable(Normalize(scale.low, scale.high), scale.colours),
        cax=figure.add_axes(place),
        ticks=ticks,
        format=lambda value, _: f"{value / 10**power:.3g}".replace("-", "\N{MINUS SIGN}"),
    )
    bar.ax.tick_params(colors="white", labelsize=9)
    bar.outline.set_edgecolor("white")
    # beside the bar, where a long word has the bar's whole length and is not cut off
    factor = f"$\\times 10^{{{power}}}$" if power else ""
    bar.ax.set_ylabel(f"{units} {factor}".strip(), color="white", fontsize=9)
    bar.ax.yaxis.set_label_position("left")
