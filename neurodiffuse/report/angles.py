"""Angles: maps whose values come back to where they began, such as polar angle."""

from __future__ import annotations

import math
import re

import numpy as np

TURN = 360.0
"""Degrees of a full turn."""

_PERIODS = {
    **dict.fromkeys(("degree", "degrees", "deg", "°"), TURN),
    **dict.fromkeys(("radian", "radians", "rad"), 2 * math.pi),
}
_NAME = re.compile(
    r"(?<![a-z])(?:prf)?(?:angle|polar|polar[ _-]?angle|phase|theta)(?![a-z])", re.IGNORECASE
)
_TOLERANCE = 1e-3
_KEPT = 0.9


def period(name: str, units: str, values: np.ndarray) -> float:
    """Return after how much a map's values begin again: 0 where they never do.

    A map is an angle if it is called one (``angle``, ``prf_angle``, ``polarangle``, ``phase`` …)
    and its units are degrees or radians. Where none are given, they are radians if no value is
    beyond 2π, else degrees.
    """
    if not _NAME.search(name):
        return 0.0
    if units.strip():
        return _PERIODS.get(units.strip().lower(), 0.0)
    known = values[np.isfinite(values)]
    small = known.size and np.abs(known).max() <= 2 * math.pi + _TOLERANCE
    return 2 * math.pi if small else TURN


def degrees(values: np.ndarray, period: float) -> np.ndarray:
    """Return angles in degrees, above 0 and at most 360, so that none looks like no value."""
    turned = np.asarray(values, np.float64) / period % 1.0 * TURN
    return np.where(turned < _TOLERANCE * TURN, TURN, turned).astype(np.float32)


def mean_angle(stack: np.ndarray, axis: int = 0) -> np.ndarray:
    """Return the mean direction of angles in degrees, as `degrees` has them; NaN if all are.

    The direction of the sum of unit vectors: of 359 and 1 it is 360 and not 180.
    """
    turned = np.deg2rad(np.asarray(stack, np.float64))
    y, x = (np.nansum(part, axis=axis) for part in (np.sin(turned), np.cos(turned)))
    known = np.isfinite(turned).any(axis=axis)
    return degrees(np.where(known, np.rad2deg(np.arctan2(y, x)), np.nan), TURN)


def arc(values: np.ndarray, period: float) -> tuple[float, float]:
    """Return where the shortest arc that holds 90 % of angles begins and ends.

    Both are between 0 and ``period``; the arc passes 0 where the end is below the beginning.
    """
    order = np.sort(np.asarray(values, np.float64) % period)
    held = math.ceil(_KEPT * len(order))
    ends = np.concatenate([order, order + period])[held - 1 : held - 1 + len(order)]
    start = int(np.argmin(ends - order))
    return float(order[start]), float(ends[start] % period)
