"""What is planted in each voxel: receptive field, channels, categories, noise."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from neurodiffuse.simulate.channels import CHANNELS
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.simulate.regions import LABELS, Region

FIELD = 8.4
"""Width of a picture in degrees of visual angle (as in the Natural Scenes Dataset)."""

REACH = 5.2
"""Largest eccentricity of a receptive field, in degrees."""

MAGNIFICATION = 0.75
"""Degrees: cortex given to eccentricity E goes as 1 / (E + 0.75) (Horton & Hoyt 1991)."""


@dataclass(frozen=True)
class Area:
    """How a retinotopic area is tuned.

    The size (standard deviation, degrees) of a field at eccentricity E is ``least`` + ``slope``
    E, after Harvey & Dumoulin 2011; the rest are spreads of the weights of the channels.
    """

    least: float
    slope: float
    luminance: float
    colour: float
    energy: float


AREAS: dict[str, Area] = {
    "V1": Area(0.30, 0.10, 0.9, 0.6, 0.8),
    "V2": Area(0.38, 0.14, 0.8, 0.6, 0.8),
    "V3": Area(0.50, 0.20, 0.8, 0.7, 0.7),
    "hV4": Area(0.70, 0.28, 0.6, 1.0, 0.5),
}

CATEGORY_SHARE = {"category": 0.75, "object": 0.6, "retinotopic": 0.0, "control": 0.0}
"""Share of the signal's variance that categories drive, by kind of region; layout has the rest."""

RELATED: dict[tuple[str, str], float] = {
    ("face", "body"): 0.2,
    ("body", "face"): 0.2,
    ("body", "animal"): 0.2,
    ("face", "animal"): 0.15,
    ("place", "vehicle"): 0.1,
    ("place", "boat"): 0.1,
}
"""Response of regions that prefer the first to the second, where the preferred one gives 1."""

_N = 64  # normal numbers of a voxel's own; columns below
_ANGLE, _SIZE, _NOISE, _SPREAD, _MEAN, _SENSITIVITY, _PLACE = 1, 2, 3, 4, 5, 6, slice(7, 9)
_CHANNELS = slice(10, 10 + len(CHANNELS))
_LABELS = slice(40, 40 + len(LABELS))


@dataclass(frozen=True, eq=False)
class Tuning:
    """What was planted, one entry a voxel in the geometry's order.

    ``x`` and ``y`` (degrees, right and up) and ``size`` (degrees) of the Gaussian receptive
    field; ``channels`` (n_voxels, n_channels) and ``labels`` (n_voxels, n_labels) weights;
    ``share`` of the variance of the signal that categories drive; ``ncsnr`` standard deviation
    of the signal over that of a single trial's noise; ``noise`` the latter and ``mean`` the mean
    response, percent signal change; ``sensitivity`` to the gain of a session.
    """

    x: np.ndarray
    y: np.ndarray
    size: np.ndarray
    channels: np.ndarray
    labels: np.ndarray
    share: np.ndarray
    ncsnr: np.ndarray
    noise: np.ndarray
    mean: np.ndarray
    sensitivity: np.ndarray

    @property
    def eccentricity(self) -> np.ndarray:
        """Distance of the field's centre from fixation, degrees."""
        return np.hypot(self.x, self.y)


def plant(geometry: Geometry, number: int, *, noise: float, seed: int) -> Tuning:
    """Return the tuning of a subject's voxels.

    Parameters
    ----------
    geometry
        Where the voxels are and which region each belongs to.
    number
        Of the subject, 1, 2, …: with the seed, region, hemisphere and a voxel's order in it,
        the only source of what is planted.
    noise
        Standard deviation of a single trial's noise over that of the signal, for the median
        responsive voxel; 0 for a brain without noise.
    seed
        Of the study.
    """
    own = np.stack(
        [
            stream(seed, Draw.VOXEL, number, _code(r), ord(h), int(k)).standard_normal(_N)
            for r, h, k in zip(geometry.region, geometry.hemisphere, geometry.order, strict=True)
        ]
    )
    kind = np.asarray([region.kind for region in geometry.region])
    x, y, size = _fields(geometry, own)
    responsive = kind != "control"
    ratio = np.inf if noise == 0 else 1 / noise
    ncsnr = ratio * np.exp(0.25 * own[:, _NOISE]) * np.sqrt(_visible(x, y, size))
    return Tuning(
        x=x,
        y=y,
        size=size,
        channels=_channel_weights(geometry, own),
        labels=np.stack([_label_weights(r, n) for r, n in zip(geometry.region, own, strict=True)]),
        share=np.asarray([CATEGORY_SHARE[k] for k in kind]),
        ncsnr=np.where(responsive, ncsnr, 0.0),
        noise=1.5 * np.exp(0.2 * own[:, _SPREAD]),
        mean=np.where(responsive, 1.0 + 0.3 * own[:, _MEAN], 0.0),
        sensitivity=np.exp(0.2 * own[:, _SENSITIVITY]),
    )


def _code(region: Region) -> int:
    return zlib.crc32(region.name.encode())


def area_of(region: Region) -> str:
    """Return the key of ``AREAS`` for a retinotopic region; V1 for one without an own entry."""
    name = region.name.rstrip("vd")
    return name if name in AREAS else "V1"


# --- receptive fields --------------------------------------------------------------------------


def _fields(geometry: Geometry, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x, y, size of all fields: maps in retinotopic patches, large fields elsewhere."""
    side = np.where(geometry.hemisphere == "L", 1.0, -1.0)  # the left brain sees the right
    x = 1.0 * side + 0.8 * own[:, _PLACE.start]
    y = 0.9 * own[:, _PLACE.start + 1]
    size = 1.6 * np.exp(0.25 * own[:, _SIZE])
    where = geometry.millimetres
    for region in dict.fromkeys(geometry.region):
        if region.kind != "retinotopic":
            continue
        member = np.asarray([r is region for r in geometry.region])
        area = AREAS[area_of(region)]
        for hemisphere in "LR":
            patch = np.flatnonzero(member & (geometry.hemisphere == hemisphere))
            if len(patch) == 0:
                continue
            eccentricity, angle = _map(where[patch], region, own[patch])
            x[patch] = eccentricity * np.cos(angle) * side[patch]
            y[patch] = eccentricity * np.sin(angle)
            spread = np.exp(0.1 * own[patch, _SIZE])
            size[patch] = (area.least + area.slope * eccentricity) * spread
    return x, y, size


def _map(where: np.ndarray, region: Region, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return eccentricity and elevation angle of a patch's voxels: a smooth map with jitter.

    Eccentricity grows from back to front, with cortical magnification; the angle runs with
    height through the quarter (or half) of the field that the patch sees. Ranks are used, so
    that a patch of any form sees its whole part of the field.
    """
    n = len(where)
    by_depth = np.argsort(where[:, 1], kind="stable")
    depth = np.empty(n)
    depth[by_depth] = (np.arange(n) + 0.5) / n
    ends = np.log(MAGNIFICATION + np.asarray([0.0, REACH]))
    eccentricity = np.exp(ends[0] + depth * (ends[1] - ends[0])) - MAGNIFICATION
    height = np.empty(n)
    strip = max(6, round(np.sqrt(n)))
    for start in range(0, n, strip):
        rows = by_depth[start : start + strip]
        order = rows[np.lexsort((where[rows, 0], where[rows, 2]))]
        height[order] = (np.arange(len(order)) + 0.5) / len(order)
    low, high = {"upper": (0, 90), "lower": (-90, 0), "both": (-90, 90)}[region.field]
    angle = np.clip(low + height * (high - low) + 4 * own[:, _ANGLE], low, high)
    eccentricity = np.clip(eccentricity * np.exp(0.06 * own[:, 0]), 0.02, None)
    return eccentricity, np.deg2rad(angle)


def _visible(x: np.ndarray, y: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the share of each field that lies on the picture."""
    from scipy.special import ndtr

    half = FIELD / 2
    across = ndtr((half - x) / size) - ndtr((-half - x) / size)
    return across * (ndtr((half - y) / size) - ndtr((-half - y) / size))


# --- weights -----------------------------------------------------------------------------------


def _channel_weights(geometry: Geometry, own: np.ndarray) -> np.ndarray:
    spread = np.ones((geometry.n_voxels, len(CHANNELS)))
    for row, region in enumerate(geometry.region):
        area = AREAS[area_of(region) if region.kind == "retinotopic" else "hV4"]
        spread[row, 0], spread[row, 1:3], spread[row, 3:] = area.luminance, area.colour, area.energy
    return spread * own[:, _CHANNELS]


def _label_weights(region: Region, own: np.ndarray) -> np.ndarray:
    """Return the response to each of ``LABELS``."""
    if region.kind == "object":
        return np.clip(0.6 + 0.5 * own[_LABELS], 0, None)
    if region.kind != "category":
        return np.zeros(len(LABELS))
    centre = [
        1.0 if label == region.prefers else RELATED.get((region.prefers, label), 0.05)
        for label in LABELS
    ]
    return np.clip(np.asarray(centre) + 0.06 * own[_LABELS], 0, None)
