"""From masks and voxel values to images on the grid, and how large regions are."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from neurodiffuse.errors import DataError

if TYPE_CHECKING:
    from nibabel import Nifti1Image

    from neurodiffuse.types import Grid


LONGEST = 2**15 - 1
"""Voxels along an axis of a NIfTI-1 image, at most."""


def mask_image(voxels: np.ndarray, grid: Grid) -> Nifti1Image:
    """Return a mask, bool (grid.size,), as an image of zeros and ones (uint8, millimetres).

    A grid that is too long for NIfTI-1, such as the vertices of a surface, becomes NIfTI-2. One
    without a place in the world has qform and sform code 0.

    Raises
    ------
    DataError
        The mask is of another grid.
    """
    from nibabel import Nifti1Image, Nifti2Image

    from neurodiffuse.readers.grids import on_grid

    kind = Nifti1Image if max(grid.shape) <= LONGEST else Nifti2Image
    image = kind(_on(voxels, grid).astype(np.uint8).reshape(grid.shape), grid.affine)
    image.header.set_xyzt_units("mm")
    return on_grid(image, grid)


def to_image(values: np.ndarray, voxels: np.ndarray, grid: Grid) -> Nifti1Image:
    """Return values of a mask's voxels as an image on the grid, zero outside the mask.

    Parameters
    ----------
    values
        (n_voxels,) for a volume (x, y, z), or (k, n_voxels) for a series (x, y, z, k). Voxels
        in C order of the grid. NaN stays NaN.
    voxels
        The mask, bool (grid.size,), with n_voxels true.
    grid
        The subject's grid: the image has its shape and affine.

    Returns
    -------
    Nifti1Image
        float32, units millimetres; what nilearn's ``NiftiMasker.inverse_transform`` gives, so
        a masker on ``mask_image(voxels, grid)`` reads the values back in the same order.

    Raises
    ------
    DataError
        The mask is empty or of another grid, or the number of values is not that of its voxels.
    """
    count = int(np.count_nonzero(_on(voxels, grid)))
    if count == 0:
        raise DataError("the mask is empty: no voxel to draw values on.")
    if values.ndim not in (1, 2) or values.shape[-1] != count:
        raise DataError(
            f"values have shape {values.shape}, the mask has {count} voxels: "
            f"expected ({count},) or (k, {count})."
        )
    from nilearn.maskers import NiftiMasker  # takes a second, which parsing need not wait for

    from neurodiffuse.readers.grids import on_grid

    masker = NiftiMasker(mask_image(voxels, grid)).fit()
    image = masker.inverse_transform(np.asarray(values, dtype=np.float32))
    image.header.set_xyzt_units("mm")  # the masker forgets the units of its mask
    return on_grid(image, grid)


def _on(voxels: np.ndarray, grid: Grid) -> np.ndarray:
    if voxels.shape != (grid.size,) or voxels.dtype != bool:
        raise DataError(
            f"mask: {voxels.dtype} of shape {voxels.shape}; the grid {grid.shape} needs bool "
            f"of shape ({grid.size},)."
        )
    return voxels


@dataclass(frozen=True)
class Extent:
    """How many voxels a region has on the grid, and how many of them inside a mask."""

    name: str
    voxels: int
    inside: int


def describe(
    names: Iterable[str], lookup: Callable[[str], np.ndarray], mask: np.ndarray
) -> tuple[Extent, ...]:
    """Count the voxels of regions on the grid and inside a mask, one region at a time.

    Parameters
    ----------
    names
        Names of masks or maps, or any text that ``lookup`` understands.
    lookup
        Returns a mask, bool (n,), or a map, floating (n,); of a map the voxels with a finite
        value are counted.
    mask
        bool (n,).
    """
    extents = []
    for name in names:
        values = np.asarray(lookup(name))
        if values.shape != mask.shape:
            raise DataError(
                f"region {name!r}: has shape {values.shape}, the mask has {mask.shape}."
            )
        there = values if values.dtype == bool else np.isfinite(values)
        extents.append(Extent(name, int(there.sum()), int((there & mask).sum())))
    return tuple(extents)


def empty(extents: Iterable[Extent]) -> tuple[str, ...]:
    """Return the names of the regions without a voxel inside the mask.

    An empty region is normal (not every subject has every patch): say so and leave it out.
    """
    return tuple(extent.name for extent in extents if extent.inside == 0)
