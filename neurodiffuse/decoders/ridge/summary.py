"""What report and terminal say of a fit by ridge: the penalty, and how it was chosen."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from markupsafe import Markup

from neurodiffuse.config.ridge import Settings
from neurodiffuse.files import read_json
from neurodiffuse.report.charts import Scale, scale, svg
from neurodiffuse.report.wording import count, number
from neurodiffuse.types import FitSummary, Remark, Section

AT_AN_END = 0.25
"""Part of a feature's targets that may choose the smallest or largest penalty without a word."""

MISSED = 0.25
"""Part of a feature's targets that no penalty may predict without a word."""

NO_MORE = 0.01
"""R² of left-out images below which a penalty predicts hardly more than the mean."""


def summary(folder: Path, feature: str, options: Settings) -> FitSummary:
    """Return the penalty of a feature; where it was chosen, which were, and what that means."""
    table = penalty_table(folder, feature)
    cell = f"ridge, penalty {chosen_penalty(options.alpha, table)}"
    if table is None:
        return FitSummary(cell)
    remarks = (*unpredicted(feature, *_missed(folder, feature)), *widen(feature, table))
    caption = Markup(
        '<p class="small">The line is the R² of training images predicted from the others, for '
        "each ridge penalty (alpha); the bars are the targets that got it.</p>"
    )
    drawn = chart(feature, table)
    section = Section(f"Penalty of {feature}", drawn + caption)
    return FitSummary(cell, remarks, (section,) if drawn else ())


def penalty_table(folder: Path, feature: str) -> np.ndarray | None:
    """Return (alpha, R² of left-out training images, targets) of each penalty on offer.

    None where the recipe gives the penalty.
    """
    table = folder / f"{feature}_alpha.tsv"
    return np.loadtxt(table, skiprows=1, ndmin=2) if table.exists() else None


def _missed(folder: Path, feature: str) -> tuple[int, int]:
    """Return how many targets no penalty on offer predicts, and of how many that vary.

    That is better than by their mean, in left-out training images. (0, 0) where the run is of a
    version that did not count them.
    """
    missed, varying = read_json(folder / "fit.json")[feature].get("unpredicted", (0, 0))
    return missed, varying


def chosen_penalty(given: float | str, rows: np.ndarray | None) -> str:
    """Return ``60 000``, ``0.1``, or where it was chosen among ``rows`` the range and how."""
    if rows is None:
        if isinstance(given, str):
            return given
        return count(int(given)) if float(given).is_integer() else f"{given:g}"
    chosen = rows[rows[:, 2] > 0, 0]
    span = f"{chosen.min():.3g}" + (f"–{chosen.max():.3g}" if len(chosen) > 1 else "")
    return f"{span} ({given})"


def widen(feature: str, rows: np.ndarray) -> tuple[Remark, ...]:
    """Return warnings where many targets chose the smallest or largest penalty on offer.

    Where the largest predicts nothing any more, a larger one would not predict better.
    """
    if len(rows) < 2:
        return ()
    advice = f"might predict better. Widen features.{feature}.alphas."
    larger = (
        f"a larger one {advice}"
        if rows[-1, 1] > NO_MORE
        else "with it left-out training images are predicted hardly better than by their mean, "
        "and a larger one would change nothing."
    )
    share = rows[[0, -1], 2] / rows[:, 2].sum()
    return tuple(
        Remark(
            f"{part:.0%} of the targets of {feature} chose the {end} penalty that was offered; "
            f"{rest}",
            "warning",
        )
        for part, end, rest in zip(
            share, ("smallest", "largest"), (f"a smaller one {advice}", larger), strict=True
        )
        if part > AT_AN_END
    )


def unpredicted(feature: str, missed: int, targets: int) -> tuple[Remark, ...]:
    """Return a remark on the targets that no penalty predicts, none if they are few.

    ``targets`` is how many of the feature's vary.
    """
    if not targets or missed < MISSED * targets:
        return ()
    if missed == targets:
        text = (
            f"{feature}: no penalty predicts left-out training images better than their mean, so "
            "that what is decoded is little but the mean. Check that responses and pictures "
            "belong together, the mask, and the number of trials."
        )
        return (Remark(text, "warning"),)
    text = (
        f"{feature}: no penalty predicts {missed:,} of {targets:,} targets "
        f"({missed / targets:.0%}) better than their mean in left-out training images; little but "
        "the mean is decoded of these."
    )
    return (Remark(text),)


def chart(feature: str, table: np.ndarray) -> Markup:
    """Draw how well each penalty predicts left-out training images, and how often it was chosen."""
    rows = table[np.isfinite(table).all(axis=1)]
    if not len(rows):
        return Markup("")
    alphas, r2, targets = rows.T
    power, bottom = np.log10(alphas), 84.0
    x = scale(power[0] - 0.1, power[-1] + 0.1)
    # below every grid lies a penalty that is far too small; its R² would flatten the rest
    low, high = max(float(r2.min()), min(0.0, 2 * float(r2.max()))), float(r2.max())
    bars = "".join(
        f'<rect x="{x(p) - 3:.1f}" y="{bottom - 40 * n / targets.max():.1f}" width="6" '
        f'height="{40 * n / targets.max():.1f}"/>'
        for p, n in zip(power, targets, strict=True)
        if n
    )
    points = " ".join(
        f"{x(p):.1f},{bottom - 6 - 68 * (max(v, low) - low) / ((high - low) or 1.0):.1f}"
        for p, v in zip(power, r2, strict=True)
    )
    best = int(r2.argmax())
    words = (
        f"Penalties of {feature}: R² of left-out training images is best, "
        f"{number(float(r2[best]), 3)}, at {alphas[best]:.3g}; "
        f"{int((targets > 0).sum())} of {len(alphas)} penalties were chosen."
    )
    parts = [
        _powers(math.ceil(power[0]), math.floor(power[-1]), x, bottom),
        Markup('<g class="bars">{}</g>').format(Markup(bars)),
        Markup('<polyline class="curve" points="{}"/>').format(points),
    ]
    return svg(parts, bottom + 20, words)


def _powers(first: int, last: int, x: Scale, bottom: float) -> Markup:
    marks = Markup("").join(
        Markup('<text class="tick" x="{:.1f}" y="{:.1f}">1e{}</text>').format(x(k), bottom + 14, k)
        for k in range(first, last + 1)
    )
    grid = "".join(f"M{x(k):.1f} 0V{bottom:.1f}" for k in range(first, last + 1))
    return Markup('<path class="gridline" d="{}"/>{}').format(grid, marks)
