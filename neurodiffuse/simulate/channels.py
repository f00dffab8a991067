"""What early visual cortex sees in a picture: luminance, two colour axes, oriented contrast."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import fft

SIDE = 64
"""Pixels along a side at which pictures are looked at."""

CELLS = 32
"""Cells along a side of a channel: what a receptive field sums over."""

ORIENTATIONS = (0.0, 45.0, 90.0, 135.0)
"""Of the contrast, in degrees: 0 is a horizontal edge's or stripe's vertical change."""

CYCLES = (4.0, 8.0, 16.0)
"""Spatial frequencies, in cycles per picture."""

CHANNELS: tuple[str, ...] = (
    "luminance",
    "redgreen",
    "blueyellow",
    *(f"energy{cycles:g}at{angle:g}" for cycles in CYCLES for angle in ORIENTATIONS),
)
"""Names of the channels in the order of the arrays."""

_PAD = 16
_ENERGY_GAIN = 3.0  # brings oriented contrast to the spread of luminance in usual pictures


def fitted(images: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Return pictures uint8 (n, height, width, 3) at ``side`` pixels, by area averaging."""
    if images.shape[1:3] == (side, side):
        return images
    box = Image.Resampling.BOX
    return np.stack([np.asarray(Image.fromarray(i).resize((side, side), box)) for i in images])


def channels(images: np.ndarray) -> np.ndarray:
    """Return the channels of pictures.

    Luminance is 0.299 R + 0.587 G + 0.114 B less a half, the colour axes R - G and
    B - (R + G)/2 with R, G, B in 0..1. An energy is the modulus of the picture's luminance
    filtered with a one-sided log-Gabor, 0.65 of the centre frequency and 25 degrees wide
    (Field 1987, J. Opt. Soc. Am. A 4:2379): contrast regardless of its phase.

    Parameters
    ----------
    images
        uint8 (n, height, width, 3).

    Returns
    -------
    float64 (n, n_channels, 32, 32)
    """
    red, green, blue = np.moveaxis(fitted(images).astype(float) / 255, -1, 0)
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue - 0.5
    opponent = [luminance, red - green, blue - (red + green) / 2]
    fine = np.concatenate([np.stack(opponent, axis=1), _energies(luminance)], axis=1)
    step = SIDE // CELLS
    return fine.reshape(*fine.shape[:2], CELLS, step, CELLS, step).mean(axis=(3, 5))


def _energies(luminance: np.ndarray) -> np.ndarray:
    wide = np.pad(luminance, ((0, 0), (_PAD, _PAD), (_PAD, _PAD)), mode="reflect")
    spectrum = fft.fft2(wide)
    filters = _filters(wide.shape[-1])
    inner = slice(_PAD, _PAD + SIDE)
    return np.stack(
        [_ENERGY_GAIN * np.abs(fft.ifft2(spectrum * f)[:, inner, inner]) for f in filters], axis=1
    )


def _filters(side: int) -> np.ndarray:
    """Return one-sided log-Gabor filters (n_filters, side, side) in the order of fft2."""
    frequency = np.fft.fftfreq(side, d=1 / SIDE)
    v, u = np.meshgrid(frequency, frequency, indexing="ij")
    radius = np.hypot(u, v)
    radius[0, 0] = 1.0
    angle = np.arctan2(v, u)
    out = []
    for cycles in CYCLES:
        radial = np.exp(-(np.log(radius / cycles) ** 2) / (2 * np.log(0.65) ** 2))
        radial[0, 0] = 0.0
        for orientation in ORIENTATIONS:
            turn = np.angle(np.exp(1j * (angle - np.deg2rad(orientation + 90))))
            out.append(2 * radial * np.exp(-(turn**2) / (2 * np.deg2rad(25) ** 2)))
    return np.stack(out)
