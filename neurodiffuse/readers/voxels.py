"""From the numbers that a mask or a segmentation stores to the voxels that are meant."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurodiffuse.errors import DataError, listing

INSIDE = 0.5
"""From which share on a voxel of a resampled or probabilistic mask is in it."""

LOWEST, HIGHEST = -0.2, 1.2
"""What interpolation may make of a mask of zeros and ones, with some ringing."""

WHOLE, FARTHEST = 1e-3, 0.25
"""By how much a stored label may miss a whole number, as scale factors make them.

It is `WHOLE` for small labels and grows with them to `FARTHEST`.
"""


def mask_of(path: Path, stored: np.ndarray) -> tuple[np.ndarray, str]:
    """Return which voxels are in a mask, bool, and what is to be told of it, perhaps nothing.

    A mask of two values, one of them 0 or less, holds those above zero, which is told where they
    are less than one half. Other values between 0 and 1, of resampling or probabilities, count
    from one half on. NaN is outside.

    Raises
    ------
    DataError
        If it has several positive values, as a segmentation, or no finite one.
    """
    stored = np.asarray(stored)
    if stored.dtype.kind == "b":
        return stored, ""
    finite = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    if not finite.any():
        raise DataError(f"{path}: is no mask, it holds no number at all.")
    note = f"{int((~finite).sum()):,} voxels are NaN or infinite and outside" * (not finite.all())
    whole = _whole(stored, finite)
    if whole is not None:
        levels, _ = _counted(whole[finite])
        positive = levels[levels > 0]
        if len(positive) > 1:
            what = "values " + listing([str(k) for k in positive.tolist()], most=4)
            none = "" if len(positive) < len(levels) else " and no 0"
            raise DataError(
                f"{path}: is not a mask but a segmentation, it holds the {what}{none}. Call it "
                "_dseg, or write 1 where the mask is and 0 elsewhere."
            )
        inside = finite & (whole > 0)
        return inside, note if inside.any() else _joined(note, "has no voxel")
    known = stored[finite]
    low, high = float(known.min()), float(known.max())
    if low <= 0 < high and len(np.unique(known)) == 2:
        inside = finite & (stored > 0)
        two = (
            f"its two values are {low:.4g} and {high:.4g}; the {int(inside.sum()):,} voxels of "
            f"{high:.4g} are in it, though that is less than {INSIDE:g}"
        )
        return inside, _joined(note, two if high < INSIDE else "")
    if low < LOWEST or high > HIGHEST:
        raise DataError(
            f"{path}: is no mask, its values run from {low:.4g} to {high:.4g} in between. Write 1 "
            "where the mask is and 0 elsewhere, or probabilities from 0 to 1."
        )
    with np.errstate(invalid="ignore"):
        inside, above = finite & (stored >= INSIDE), int((finite & (stored > 0)).sum())
    return inside, _joined(
        note,
        "is not two-valued, as a resampled or probabilistic mask; the "
        f"{int(inside.sum()):,} voxels from {INSIDE:g} on are in it, of {above:,} above 0",
    )


def labels_of(path: Path, stored: np.ndarray) -> np.ndarray:
    """Return a segmentation as whole numbers, int32 (int64 where they need it); NaN becomes 0.

    Raises
    ------
    DataError
        If it holds other numbers.
    """
    stored = np.asarray(stored)
    finite = np.isfinite(stored) if stored.dtype.kind == "f" else np.ones(stored.shape, bool)
    _check_apart(path, stored, finite)
    whole = _whole(stored, finite)
    if whole is None:
        wrong = finite & ~_near(np.where(finite, stored, 0))
        raise DataError(
            f"{path}: is no segmentation, {int(wrong.sum()):,} voxels hold no whole number, such "
            f"as {float(stored[wrong][0]):.4g}. Labels that are resampled need the nearest "
            "neighbour: make it again from the original."
        )
    top = max(abs(int(whole.min())), abs(int(whole.max()))) if whole.size else 0
    return whole.astype(np.int32 if top < 2**31 else np.int64)


def _check_apart(path: Path, stored: np.ndarray, finite: np.ndarray) -> None:
    """Refuse labels so large that neighbours are one number as they are stored."""
    known = stored[finite]
    if not known.size:
        return
    first = 2**63 if stored.dtype.kind != "f" else 2 ** (np.finfo(stored.dtype).nmant + 1)
    if max(-float(known.min()), float(known.max())) >= first:
        raise DataError(
            f"{path}: holds labels from {first:,} on, which {stored.dtype} does not tell apart: "
            "neighbours have one number. Write the labels again from the original as integers of "
            "32 bits."
        )


def counts_of(labels: np.ndarray) -> dict[int, int]:
    """Return how many voxels each label above 0 has."""
    levels, counts = _counted(labels)
    return {int(k): int(n) for k, n in zip(levels, counts, strict=True) if k > 0}


def negatives_of(labels: np.ndarray) -> dict[int, int]:
    """Return how many voxels each label below 0 has."""
    return counts_of(-np.minimum(labels, 0).astype(np.int64))


def _whole(stored: np.ndarray, finite: np.ndarray) -> np.ndarray | None:
    """Return numbers that are whole but for rounding as integers, None if they are not."""
    if stored.dtype.kind in "iub":
        return stored
    known = np.where(finite, stored, 0)
    if not _near(known).all() or np.abs(known).max(initial=0) >= 2**53:
        return None
    return np.rint(known).astype(np.int64)


def _near(values: np.ndarray) -> np.ndarray:
    """Return which values are whole numbers but for a scale factor's rounding."""
    may = np.minimum(WHOLE + 1e-5 * np.abs(values), FARTHEST)
    return np.asarray(np.abs(values - np.rint(values)) <= may)


def _counted(whole: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct integers and how often each occurs; counting is faster than sorting."""
    low, high = int(whole.min()), int(whole.max())
    if high - low < 2**18:
        counts = np.bincount(whole.ravel().astype(np.int64) - low)
        there = np.flatnonzero(counts)
        return there + low, counts[there]
    return np.unique(whole, return_counts=True)


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
