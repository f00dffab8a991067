"""Give the latents of a synthetic pattern the length that real ones have.

Decoders shrink, and a pattern is not as long as a response, so the predicted deviation from the
mean latent has an arbitrary length. Arrays in, arrays out: ``deviations`` is (n_regions, t),
``mean`` (t,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from neurodiffuse.errors import ConfigError, listing

CLIP_LENGTH = {"clip-text": 9.0, "clip-vision": 15.0}
"""Length of the deviation in the published code, by kind of latents."""

VDVAE_BEFORE, VDVAE_AFTER = 50.0, 80.0
"""Length of the deviation before the z-score, and of the latents at the end."""

REFERENCE_KINDS = ("vdvae", *CLIP_LENGTH)


def to_norm(deviations: np.ndarray, mean: np.ndarray, norm: float) -> np.ndarray:
    """Return ``mean + s d`` with the s ≥ 0 that makes its Euclidean norm ``norm``, float32.

    s solves ‖mean‖² + 2 s mean·d + s² ‖d‖² = norm², for each row d on its own, so that a
    region's latents do not depend on the other regions.

    Notes
    -----
    The mean norm of training latents is at least the norm of their mean (the norm is convex), so
    for that ``norm`` the equation always has one root ≥ 0. For a smaller ``norm``, which an
    average over subjects may give, the nearest the line comes to it for s ≥ 0 is taken. A row
    without deviation stays at the mean: no length would change it.
    """
    out = np.empty((len(deviations), mean.size), np.float32)
    centre = np.asarray(mean, np.float64)
    for row, deviation in enumerate(deviations):
        out[row] = centre + step(deviation, centre, norm) * deviation.astype(np.float64)
    return out


def step(deviation: np.ndarray, mean: np.ndarray, norm: float) -> float:
    """Return the s of `to_norm` for one row."""
    d = np.asarray(deviation, np.float64)
    square, along = float(d @ d), float(mean @ d)
    rest = float(mean @ mean) - norm**2
    if square == 0:
        return 0.0
    beneath = along**2 - square * rest
    root = (-along + math.sqrt(max(beneath, 0.0))) / square
    return max(root, 0.0)


def reference(kind: str, deviations: np.ndarray, mean: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Return what the published code makes of the deviations W m, float64 (n_regions, t).

    CLIP: ``length d / (‖d‖ + 1e-8) + mean``, length 9 (text) or 15 (vision). VDVAE: the same with
    length 50, z-scored over the regions of the call (ddof 0), times the standard deviation of the
    training latents plus their mean, and at last scaled to a norm of 80.

    Raises
    ------
    ConfigError
        If VDVAE-like latents are asked for with one region only: its z-score is 0/0.

    Notes
    -----
    brain-diffuser, ``scripts/roi_generate_features.py``. Targets that are equal in all regions,
    where the published code would divide by zero, take the training mean.
    """
    rows = np.asarray(deviations, np.float64)
    length = CLIP_LENGTH.get(kind, VDVAE_BEFORE)
    rows = length * rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-8) + mean
    if kind in CLIP_LENGTH:
        return np.asarray(rows)
    check_reference(kind, len(rows))
    spread = rows.std(axis=0)
    z = np.divide(rows - rows.mean(axis=0), spread, out=np.zeros_like(rows), where=spread > 0)
    rows = z * sd + mean
    return np.asarray(VDVAE_AFTER * rows / np.linalg.norm(rows, axis=1, keepdims=True))


def check_reference(kind: str, regions: int) -> None:
    """Raise ConfigError if so many regions are too few for a kind's published constants."""
    if kind not in CLIP_LENGTH and regions < 2:
        raise ConfigError(
            "--renorm reference: z-scores over the regions of one call, and there is one region "
            "only. Name more regions, or use --renorm train-norm."
        )


def reference_kinds(features: Mapping[str, str]) -> dict[str, str]:
    """Return for each feature whether the published constants of VDVAE or CLIP are meant.

    Parameters
    ----------
    features
        Feature name to what the user said of it, empty where its name decides.

    Raises
    ------
    ConfigError
        If a name says nothing, or what the user said is no kind.
    """
    kinds, problems = {}, []
    for feature, said in features.items():
        kind = said or _by_name(feature)
        if kind not in REFERENCE_KINDS:
            problems.append(
                f"--renorm reference: feature {feature!r} has no published constants. Say which "
                f"to use, --reference-as {feature}=KIND, one of: {listing(REFERENCE_KINDS)}; or "
                "use --renorm train-norm."
            )
        kinds[feature] = kind
    if problems:
        raise ConfigError(*problems)
    return kinds


def _by_name(feature: str) -> str:
    words = feature.lower()
    for word, kind in (("text", "clip-text"), ("vision", "clip-vision"), ("vae", "vdvae")):
        if word in words:
            return kind
    return ""
