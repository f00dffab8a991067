"""The figure of regions: how much more each feature is read from a region than the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from neurodiffuse.questions.weights.region_table import STATS, RegionResult
from neurodiffuse.questions.weights.regions import Estimate
from neurodiffuse.report.pictures import png

COLOURS = ("#0b7a75", "#9f5a08", "#7a4fa3", "#3d6cb9", "#696b71", "#b3423a")
PAPER, INK, SOFT, LINE = "#fcfbf8", "#1c1e22", "#5b5d63", "#dedad1"
CLEAR = 0.05


def bar_plot(result: RegionResult) -> bytes:
    """Return a PNG of one bar a region and feature, with SEM over subjects and their values.

    With several features: (P_f - P_r) / P_r in percent, r the reference feature. With a single
    one: its mean percentile less 50. A filled bar has p < 0.05 corrected for all regions.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    several = len(result.features) > 1
    found, scale, centre = (
        (result.all.normalised, 100.0, 0.0) if several else (result.all.level, 1.0, 50.0)
    )
    drawn = [f for f in range(len(result.features)) if not several or f != result.against]
    n = len(result.shown)
    figure = Figure(figsize=(max(5.2, 1.6 + 0.62 * n), 3.7), dpi=160, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_facecolor(PAPER)
    for k, feature in enumerate(drawn):
        _bars(axes, result, found, feature, k, len(drawn), scale, centre)
    axes.axhline(0, color=INK, linewidth=0.9)
    axes.set_xlim(-0.6, n - 0.4)
    names = [result.regions[r].name for r in result.shown]
    long = max(map(len, names)) * n > 70
    axes.set_xticks(range(n), names, rotation=45 if long else 0, ha="right" if long else "center")
    axes.tick_params(colors=SOFT, length=0, labelsize=9)
    axes.grid(axis="y", color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    against, words = result.features[result.against], STATS[result.stat]
    compared = f"against {against} (%)" if several else "− 50"
    axes.set_ylabel(f"percentile of {words} {compared}", color=SOFT, fontsize=9)
    axes.legend(
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        ncols=len(drawn),
        loc="lower left",
        bbox_to_anchor=(0.0, 1.0),
        borderaxespad=0.2,
        handlelength=1.0,
    )
    _fit(figure, axes)
    return png(figure)


def _bars(
    axes: Any,
    result: RegionResult,
    found: Estimate,
    feature: int,
    k: int,
    count: int,
    scale: float,
    centre: float,
) -> None:
    width, colour = 0.78 / count, COLOURS[k % len(COLOURS)]
    label = result.features[feature]
    for place, r in enumerate(result.shown):
        x = place + (k - (count - 1) / 2) * width
        mean = scale * (found.mean[feature, r] - centre)
        if not math.isfinite(mean):
            continue
        clear = found.p_corrected[feature, r] < CLEAR
        axes.bar(
            x,
            mean,
            0.9 * width,
            facecolor=colour if clear else PAPER,
            edgecolor=colour,
            linewidth=1.2,
        )
        sem = scale * found.sem[feature, r]
        if math.isfinite(sem):
            axes.errorbar(x, mean, sem, color=INK, linewidth=1.0, capsize=0)
        if len(result.subjects) > 1:
            each = scale * (found.each[:, feature, r] - centre)
            spots = x + np.linspace(-0.2, 0.2, len(each)) * width
            axes.plot(spots, each, "o", color=PAPER, markeredgecolor=INK, markersize=3.6, zorder=3)
    axes.bar(np.nan, np.nan, facecolor=colour, edgecolor=colour, label=label)


def _fit(figure: Any, axes: Any) -> None:
    """Give the axes what the labels leave of the figure."""
    figure.canvas.draw()
    box = axes.get_tightbbox().transformed(figure.transFigure.inverted())
    left, bottom = 0.02 - box.x0, 0.03 - box.y0
    right, top = box.x1 - 1 + 0.03, box.y1 - 1 + 0.03
    axes.set_position((left, bottom, 1 - left - right, 1 - bottom - top))
