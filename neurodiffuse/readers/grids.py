"""How the voxels of two grids lie to each other, by their affines."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from nibabel.affines import voxel_sizes
from nibabel.orientations import aff2axcodes

from neurodiffuse.types import Grid, Shape

TOLERANCE = 0.05
"""Voxels by which the corners of two grids may lie apart and be the same grid."""

ROUNDING = 0.0051
"""Millimetres by which entries of an affine differ that a tool wrote with two decimals."""

ROUNDED = 0.5
"""Voxels by which the corners may lie apart where one affine is the other one rounded.

Rounding grows with the distance from the first voxel: half a hundredth in each entry is half a
millimetre after a hundred voxels. Below half a voxel the nearest voxel stays the same.
"""

FLAT = 1e-4
"""Below which volume, of 1 for axes at right angles, three axes lie in one plane."""

NOTED = 1e-3
"""Millimetres from which on a difference is told."""


@dataclass(frozen=True)
class Alignment:
    """How the voxels of a file lie on a grid: axes are permuted and flipped, nothing else.

    Axis k of the grid is axis ``axes[k]`` of the file, reversed where ``flipped[k]``. ``mm`` and
    ``voxels`` say how far voxels that belong together then lie apart, at most; ``is_same`` says
    whether that is little enough for one grid.
    """

    axes: tuple[int, ...] = (0, 1, 2)
    flipped: tuple[bool, ...] = (False, False, False)
    mm: float = 0.0
    voxels: float = 0.0
    is_same: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the voxels are stored in the order of the grid."""
        return self.axes == (0, 1, 2) and not any(self.flipped)

    def apply(self, data: np.ndarray) -> np.ndarray:
        """Return an array (x, y, z, …) of the file in the order of the grid, as a view."""
        if self.is_plain:
            return data
        turned = data.transpose(*self.axes, *range(3, data.ndim))
        return turned[tuple(slice(None, None, -1 if f else None) for f in self.flipped)]


def align(own: Grid, grid: Grid) -> Alignment | None:
    """Return how a file's voxels lie on a grid, None if its axes or its shape do not fit.

    Where one of the two has no place, or both have none, voxels of equal shape are taken to be in
    one order; `is_same` is then false unless both have none.
    """
    if not (own.placed and grid.placed):
        if tuple(own.shape) != tuple(grid.shape):
            return None
        return Alignment(is_same=own.placed == grid.placed)
    try:
        way = np.linalg.inv(grid.affine) @ own.affine  # from the file's voxels to the grid's
    except np.linalg.LinAlgError:
        return None
    turn = np.rint(way[:3, :3]).astype(int)
    if not (np.abs(turn).sum(0) == 1).all() or not (np.abs(turn).sum(1) == 1).all():
        return None
    axes = tuple(int(k) for k in np.abs(turn).argmax(1))
    if tuple(own.shape[k] for k in axes) != tuple(grid.shape):
        return None
    flipped = tuple(bool(turn[k, axis] < 0) for k, axis in enumerate(axes))
    offset = np.where(flipped, np.asarray(grid.shape) - 1, 0)
    corners = np.array(list(product(*((0, n - 1) for n in own.shape))))
    apart = corners @ way[:3, :3].T + way[:3, 3] - (corners @ turn.T + offset)
    voxels = float(np.abs(apart).max())
    mm = float(np.linalg.norm(apart @ grid.affine[:3, :3].T, axis=1).max())
    entries = np.abs(own.affine[:3, :3] - grid.affine[:3, :3] @ turn).max()
    origin = grid.affine[:3, :3] @ offset + grid.affine[:3, 3]
    shift = np.abs(own.affine[:3, 3] - origin).max() / (1 + offset.sum())
    is_rounded = max(entries, shift) <= ROUNDING and voxels < ROUNDED
    return Alignment(axes, flipped, mm, voxels, voxels < TOLERANCE or bool(is_rounded))


def difference(own: Grid, grid: Grid, what: str = "the betas") -> str:
    """Return in words what differs between a file's grid and ``what`` has."""
    parts = []
    if tuple(own.shape) != tuple(grid.shape):
        parts.append(f"shape {times(own.shape)} where {what} have {times(grid.shape)}")
    if own.placed and grid.placed:
        parts += _placed_apart(own, grid)
    elif not parts and own.placed:
        parts.append(f"{what} have no place ({why_unplaced(grid)}) while it has one")
    elif not parts and grid.placed:
        parts.append(f"it has no place ({why_unplaced(own)}) while {what} have one")
    return ", ".join(parts)


def _placed_apart(own: Grid, grid: Grid) -> list[str]:
    parts = []
    sizes = [tuple(float(f"{s:.4g}") for s in voxel_sizes(g.affine)) for g in (own, grid)]
    if sorted(sizes[0]) != sorted(sizes[1]):
        mine, other = (" × ".join(f"{s:g}" for s in size) for size in sizes)
        parts.append(f"voxels of {mine} mm where {other} mm are needed")
    codes = axes_of(own), axes_of(grid)
    if codes[0] != codes[1]:
        parts.append(f"axes that run to {codes[0]} where {codes[1]} is needed")
    angle = _angle(own.affine, grid.affine)
    if angle > 0.05:
        parts.append(f"turned by {angle:.1f}°")
    shift = _centre(own) - _centre(grid)
    if np.abs(shift).max() > NOTED:
        x, y, z = (round(float(s), 3) + 0.0 for s in shift)
        far = float(np.linalg.norm(shift))
        parts.append(f"its centre is shifted by {far:.3g} mm (x {x:+g}, y {y:+g}, z {z:+g})")
    return parts


def on_grid(image: Any, grid: Grid) -> Any:
    """Return an image made on a grid; without a place where the grid has none."""
    if not grid.placed:
        image.set_qform(None, 0)
        image.set_sform(None, 0)
    return image


def why_unplaced(grid: Grid) -> str:
    """Return how a header without a place says so."""
    if np.array_equal(grid.affine, np.eye(4)):
        return "the affine is the identity"
    return "sform and qform code are 0"


def why_broken(grid: Grid) -> str:
    """Return why the affine of a grid gives voxels no place in space; empty where it does."""
    if not np.isfinite(grid.affine).all():
        return "is not finite, it holds NaN or infinity"
    sizes = voxel_sizes(grid.affine)
    if not sizes.all() or abs(np.linalg.det(grid.affine[:3, :3] / sizes)) < FLAT:
        return "is singular: it puts many voxels at one place"
    return ""


def axes_of(grid: Grid) -> str:
    """Return where the axes run to, ``RAS``; empty without a place."""
    return "".join(aff2axcodes(grid.affine)) if grid.placed else ""


def times(shape: Shape) -> str:
    """Return a shape in words, ``10 × 10 × 8``."""
    return " × ".join(str(n) for n in shape)


def _centre(grid: Grid) -> np.ndarray:
    middle = (np.asarray(grid.shape) - 1) / 2
    return np.asarray(grid.affine[:3, :3] @ middle + grid.affine[:3, 3])


def _angle(one: np.ndarray, two: np.ndarray) -> float:
    """Return by how many degrees one grid's axes are turned against the other's nearest axes."""
    first, second = (a[:3, :3] / voxel_sizes(a) for a in (one, two))
    between = np.abs(second.T @ first).max(axis=0)
    return float(np.degrees(np.arccos(np.clip(between.min(), -1, 1))))
