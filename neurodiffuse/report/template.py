"""Data in MNI space: what they are drawn on, and how they come to the cortex of fsaverage.

A subject's own volume has no known place on either: without the study's registration its maps
would look plausible there and be wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurodiffuse.readers.volumes import why_no_background
from neurodiffuse.report.cortex import HEMISPHERES, MESH, on_fsaverage, on_mesh, too_coarse

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

    from neurodiffuse.types import Grid, Subject

TEMPLATE = "MNI"
"""What the space labels of data on the MNI template begin with."""

DEPTHS = 6

Together = Callable[[np.ndarray], np.ndarray]
"""What makes one value a vertex of (depths, vertices), NaN where there is none."""


def on_template(grid: Grid) -> bool:
    """Whether the grid is in MNI space, where template, glass brain and fsaverage hold."""
    return grid.placed and grid.space.startswith(TEMPLATE)


def why_not(grid: Grid) -> str:
    """Return why maps on this grid are not drawn on a surface; empty where they can be."""
    if on_template(grid) or on_fsaverage(grid):
        return ""
    if grid.is_surface:
        return too_coarse(grid)
    if not grid.placed:
        return "No surface and no glass brain: the files do not say where their voxels lie."
    space = f"the space {grid.space!r}" if grid.space else "an unnamed space"
    return (
        f"No surface and no glass brain: the data are in {space}, the subject's own volume, "
        "which has no known place on fsaverage or in MNI space."
    )


def ground(about: Subject) -> SpatialImage | None:
    """Return what to draw maps on: the subject's anatomy, or the template in its own space."""
    import nibabel as nib
    from nilearn.datasets import load_mni152_template

    if about.anatomy and not why_no_background(about.anatomy):
        return cast("SpatialImage", nib.load(about.anatomy))
    return load_mni152_template(resolution=2) if on_template(about.grid) else None


def mean(stack: np.ndarray) -> np.ndarray:
    """Return the mean of (depths, vertices) over depths, of those that are not NaN."""
    count = np.isfinite(stack).sum(axis=0)
    return np.asarray(np.nansum(stack, axis=0) / np.where(count > 0, count, np.nan))


def most(stack: np.ndarray) -> np.ndarray:
    """Return the number that most depths have, the least of several; NaN where all are NaN."""
    numbers = np.unique(stack[np.isfinite(stack)])
    if not numbers.size:
        return np.full(stack.shape[1], np.nan)
    count = np.stack([(stack == number).sum(axis=0) for number in numbers])
    return np.where(count.any(axis=0), numbers[count.argmax(axis=0)], np.nan)


def on_cortex(values: np.ndarray, grid: Grid, together: Together = mean) -> Any:
    """Return a volume in MNI space on fsaverage5, as nilearn's SurfaceImage.

    Each vertex takes the voxels that it meets at six depths from white matter to pia, one by one
    and without interpolation, which would mix in what is outside. MNI space and fsaverage agree
    to some millimetres only.

    Parameters
    ----------
    values
        (grid.size,), NaN where there is none.
    together
        What makes one value of the six: `mean`, `most` for numbers of regions,
        `neurodiffuse.report.angles.mean_angle`.
    """
    from nilearn.datasets import load_fsaverage

    mesh, data = load_fsaverage(MESH), {}
    for side in HEMISPHERES:
        inner, outer = (mesh[m].parts[side].coordinates for m in ("white_matter", "pial"))
        depths = [inner + d * (outer - inner) for d in np.linspace(0, 1, DEPTHS)]
        stack = np.stack([_sampled(values, grid, points) for points in depths])
        data[side] = together(stack).astype(np.float32)
    return on_mesh(data)


def _sampled(volume: np.ndarray, grid: Grid, points: np.ndarray) -> np.ndarray:
    """Return the values of the voxels that points (n, 3) in millimetres lie in; else NaN."""
    world = np.linalg.inv(grid.affine)
    at = np.rint(points @ world[:3, :3].T + world[:3, 3]).astype(int)
    there = ((at >= 0) & (at < grid.shape)).all(axis=1)
    out = np.full(len(points), np.nan)
    out[there] = volume[np.ravel_multi_index(tuple(at[there].T), grid.shape)]
    return out
