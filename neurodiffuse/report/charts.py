"""Charts as inline SVG: they follow the page's light and dark colours and stay sharp in print."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup

from neurodiffuse.report.model import FeatureRow, ScoreRow
from neurodiffuse.report.wording import number

WIDTH, MARGIN = 320.0, 8.0
TOP, ROW = 14.0, 44.0

Scale = Callable[[float], float]


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about as many as asked for."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = min((m * power for m in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def strips(rows: Sequence[ScoreRow], labels: Sequence[str], colours: Sequence[str]) -> Markup:
    """Draw the values of one metric, a row of dots a stage, one dot an image.

    The mean is a bar across its 95 % interval; a dashed line marks the chance level.

    Parameters
    ----------
    rows
        One metric's scores, a stage each, all with ``values``.
    labels, colours
        What each row is called, and the CSS class that colours it.
    """
    level = next((c for row in rows if (c := _level(row)) is not None), None)
    low, high = _limits(rows, level)
    x = scale(low, high)
    bottom = TOP + ROW * len(rows) + 4
    parts = [_axis(ticks(low, high), x, bottom)]
    if level is not None:
        known = any(row.chance is not None for row in rows)
        parts.append(_level_line(x(level), bottom, "chance" if known else "shuffled"))
    for i, (row, label, colour) in enumerate(zip(rows, labels, colours, strict=True)):
        parts.append(_strip(row, label, colour, x, TOP + ROW * i))
    return svg(parts, bottom + 20, _strips_in_words(rows, labels, level))


def histogram(feature: FeatureRow) -> Markup:
    """Draw how R² is spread over the targets of a feature; the zero line is dashed."""
    r2 = np.asarray(feature.r2, dtype=float)
    r2 = r2[np.isfinite(r2)]
    if not r2.size:
        return Markup("")
    low, high = np.percentile(r2, (1, 99))
    low, high = min(float(low), 0.0), max(float(high), 0.05)
    edges = np.linspace(low, high, 33)
    counts, _ = np.histogram(np.clip(r2, low, high), edges)
    x, bottom = scale(low, high), 84.0
    bars = []
    for n, left, right in zip(counts, edges, edges[1:], strict=False):
        if n:
            height = 76.0 * n / counts.max()
            bars.append(
                f'<rect x="{x(left) + 0.5:.1f}" y="{bottom - height:.1f}" '
                f'width="{x(right) - x(left) - 1:.1f}" height="{height:.1f}"/>'
            )
    body = Markup('<g class="bars">{}</g>').format(Markup("".join(bars)))
    parts = [
        _axis(ticks(low, high), x, bottom, top=0.0),
        body,
        _level_line(x(0.0), bottom, ""),
    ]
    words = (
        f"Histogram of R² over {r2.size} targets of {feature.name}: "
        f"median {number(float(np.median(r2)))}, from {number(r2.min())} to {number(r2.max())}."
    )
    return svg(parts, bottom + 20, words)


def _level(row: ScoreRow) -> float | None:
    return row.chance if row.chance is not None else row.null_mean


def _limits(rows: Sequence[ScoreRow], level: float | None) -> tuple[float, float]:
    pool = [np.asarray(row.values, dtype=float) for row in rows]
    known = np.concatenate([*pool, [level if level is not None else np.nan]])
    known = known[np.isfinite(known)]
    if not known.size:
        return 0.0, 1.0
    low, high = float(known.min()), float(known.max())
    # values that differ by rounding alone, as those of pictures scored against themselves, are one
    apart = high - low > 1e-6 * max(abs(low), abs(high))
    room = 0.04 * (high - low) if apart else 0.5
    return low - room, high + room


def scale(low: float, high: float) -> Scale:
    """Return what places a value on the horizontal axis from ``low`` to ``high``."""

    def x(value: float) -> float:
        return MARGIN + (WIDTH - 2 * MARGIN) * (value - low) / (high - low)

    return x


def svg(parts: Sequence[str], height: float, words: str) -> Markup:
    """Return a chart of these parts; ``words`` say what it shows, to who cannot see it."""
    return Markup(
        '<svg class="chart" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, height, words, Markup("").join(parts))


def _axis(at: Sequence[float], x: Scale, bottom: float, top: float = TOP) -> Markup:
    gap = at[1] - at[0] if len(at) > 1 else 1.0
    digits = max(0, -math.floor(math.log10(gap) + 1e-9))
    marks = Markup("").join(
        Markup('<text class="tick" x="{:.1f}" y="{:.1f}">{}</text>').format(
            x(t), bottom + 14, number(t, digits)
        )
        for t in at
    )
    grid = "".join(f"M{x(t):.1f} {top:.0f}V{bottom:.1f}" for t in at)
    return Markup('<path class="gridline" d="{}"/>{}').format(grid, marks)


def _level_line(x: float, bottom: float, label: str) -> Markup:
    top = TOP if label else 0.0
    anchor = "start" if x < 40 else "end" if x > WIDTH - 40 else "middle"
    text = Markup('<text class="level" x="{:.1f}" y="9" text-anchor="{}">{}</text>')
    return Markup('<path class="chance" d="M{:.1f} {:.0f}V{:.1f}"/>{}').format(
        x, top, bottom, text.format(x, anchor, label) if label else ""
    )


def _strip(row: ScoreRow, label: str, colour: str, x: Scale, top: float) -> Markup:
    values = np.asarray(row.values, dtype=float)
    values = values[np.isfinite(values)]
    middle = top + 29
    dots = "".join(
        f"M{cx:.1f} {middle + dy:.1f}h0" for cx, dy in _swarm([x(v) for v in values], 13.0)
    )
    interval = ""
    if math.isfinite(row.low) and math.isfinite(row.high):
        interval = f"M{x(row.low):.1f} {middle:.1f}H{x(row.high):.1f}"
    mean = f"M{x(row.mean):.1f} {middle - 9:.1f}v18" if math.isfinite(row.mean) else ""
    return Markup(
        '<g class="{}"><text class="row" x="{:.0f}" y="{:.1f}">{}</text>'
        '<path class="dots" d="{}"/><path class="halo" d="{}{}"/>'
        '<path class="interval" d="{}"/><path class="mean" d="{}"/></g>'
    ).format(colour, 0, top + 12, label, dots, interval, mean, interval, mean)


def _swarm(at: Sequence[float], reach: float) -> list[tuple[float, float]]:
    """Spread dots that share a place up and down from the middle, at most ``reach`` away."""
    columns: dict[int, list[float]] = {}
    for x in sorted(at):
        columns.setdefault(round(x / 3.0), []).append(x)
    tallest = max((len(column) for column in columns.values()), default=1)
    gap = min(3.2, 2 * reach / max(tallest - 1, 1))
    return [
        (x, gap * ((i + 1) // 2) * (1 if i % 2 else -1))
        for column in columns.values()
        for i, x in enumerate(column)
    ]


def _strips_in_words(rows: Sequence[ScoreRow], labels: Sequence[str], level: float | None) -> str:
    said = [
        f"{label} {number(row.mean)} from {number(row.low)} to {number(row.high)}"
        for row, label in zip(rows, labels, strict=True)
    ]
    against = "" if level is None else f" Chance level {number(level)}."
    return f"{rows[0].metric}, one dot an image. Mean and interval: {'; '.join(said)}.{against}"
