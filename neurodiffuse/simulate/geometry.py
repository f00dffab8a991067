"""Where the voxels are: the built-in occipital and temporal cortex."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.regions import REGIONS, UNRESPONSIVE, Region

VOXEL = 3.0
SHAPE = (28, 28, 20)
ORIGIN = (-40.5, -106.5, -31.5)
"""Voxel size (mm), shape and centre of the first voxel (mm) of the built-in geometry."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The voxels of one subject, in C order of the grid.

    ``voxels`` int (n_voxels,) flat index into the grid; ``region`` the region of each;
    ``hemisphere`` ``"L"`` or ``"R"``; ``order`` int, the voxel's place in its region and
    hemisphere, counted from the middle of the patch; ``anatomy`` float32 (shape), a background
    to draw maps on, 0 to 1.
    """

    subject: str
    shape: tuple[int, int, int]
    affine: np.ndarray
    voxels: np.ndarray
    region: tuple[Region, ...]
    hemisphere: np.ndarray
    order: np.ndarray
    anatomy: np.ndarray

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return len(self.voxels)

    @property
    def space(self) -> str:
        """BIDS label of the space, from the voxel size: ``func3mm``, ``func1pt8mm``."""
        size = np.linalg.norm(self.affine[:3, 0])
        return f"func{size:.1f}mm".replace(".0mm", "mm").replace(".", "pt")

    @property
    def reference(self) -> str:
        """BIDS URI of the background, which defines the space."""
        own = f"sub-{self.subject}"
        return f"bids::{own}/anat/{own}_space-{self.space}_desc-preproc_T1w.nii.gz"

    @property
    def millimetres(self) -> np.ndarray:
        """World coordinates of the voxels, float64 (n_voxels, 3)."""
        return positions(self.shape, self.affine)[self.voxels]

    def volume(self, values: np.ndarray, *, outside: float = 0) -> np.ndarray:
        """Return values (n_voxels,) on the grid."""
        full = np.full(int(np.prod(self.shape)), outside, dtype=values.dtype)
        full[self.voxels] = values
        return full.reshape(self.shape)


def positions(shape: Sequence[int], affine: np.ndarray) -> np.ndarray:
    """Return the world coordinates of every voxel of a grid, float64 (n, 3), in C order."""
    index = np.indices(shape).reshape(3, -1).T
    return index @ affine[:3, :3].T + affine[:3, 3]


# --- built in ----------------------------------------------------------------------------------


def phantom(number: int, *, seed: int) -> Geometry:
    """Return the built-in geometry of subject ``number`` (1, 2, …).

    Regions are patches of a cortical ribbon, two to three voxels thick, of an ellipsoid brain;
    their places vary by a few mm and their sizes by some percent from subject to subject.
    """
    rng = stream(seed, Draw.ANATOMY, number)
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = ORIGIN
    where = positions(SHAPE, affine)
    grey, anatomy = _tissue(where, radii=np.array([40.0, 74.0, 33.0]) + rng.normal(0, 0.7, 3))
    size = float(np.exp(rng.normal(0, 0.07)))
    taken: dict[int, tuple[Region, str, int]] = {}
    for region in REGIONS:
        shift = rng.normal(0, 1.5, 3)
        for side, sign in (("L", -1.0), ("R", 1.0)):
            centre = (np.asarray(region.centre) + shift) * (sign, 1, 1)
            free = [v for v in np.flatnonzero(grey & (where[:, 0] * sign > 0)) if v not in taken]
            distance = np.linalg.norm(where[free] - centre, axis=1)
            nearest = np.argsort(distance, kind="stable")[: round(region.voxels / 2 * size)]
            taken.update({free[v]: (region, side, k) for k, v in enumerate(nearest)})
    rest = np.asarray([v for v in np.flatnonzero(grey) if v not in taken])
    add_control(taken, rest, where, round(UNRESPONSIVE.voxels * size), seed, number)
    return assemble(f"{number:02d}", SHAPE, affine, taken, anatomy)


def _tissue(where: np.ndarray, *, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return grey matter (bool) and a T1w-like intensity of an ellipsoid brain."""
    radius = np.linalg.norm((where - (0.0, -30.0, 0.0)) / radii, axis=1)
    inside = radius <= 1
    midline = np.abs(where[:, 0]) < VOXEL  # the cleft between the hemispheres
    medial = (np.abs(where[:, 0]) < 8) & (radius > 0.6)
    grey = inside & ~midline & ((radius > 0.78) | medial)
    values = np.where(inside, np.where(grey, 0.6, 0.9), 0.0)
    values[(radius > 1) & (radius < 1.06)] = 0.15
    values[inside & midline] = 0.25
    smooth = gaussian_filter(values.reshape(SHAPE), 0.5)
    return grey, smooth.astype(np.float32)


def add_control(
    taken: dict[int, tuple[Region, str, int]],
    candidates: np.ndarray,
    where: np.ndarray,
    count: int,
    seed: int,
    number: int,
) -> None:
    """Let unresponsive voxels take the candidates that come first in a random order."""
    rank = stream(seed, Draw.CONTROL, number).random(len(where))[candidates]
    chosen = candidates[np.argsort(rank, kind="stable")[:count]]
    for k, voxel in enumerate(chosen):
        taken[int(voxel)] = (UNRESPONSIVE, "L" if where[voxel, 0] < 0 else "R", k)


def assemble(
    subject: str,
    shape: tuple[int, int, int],
    affine: np.ndarray,
    taken: dict[int, tuple[Region, str, int]],
    anatomy: np.ndarray,
) -> Geometry:
    """Return the geometry of voxels that are taken: index to region, hemisphere and order."""
    voxels = np.asarray(sorted(taken))
    region, side, order = zip(*(taken[int(v)] for v in voxels), strict=True)
    return Geometry(
        subject, shape, affine, voxels, region, np.asarray(side), np.asarray(order), anatomy
    )
