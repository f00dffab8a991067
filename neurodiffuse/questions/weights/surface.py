"""Maps on the fsaverage surface, for data that are on it or in MNI space.

A subject's own volume has no known place on fsaverage: without the study's registration a
projection would be a guess.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.questions.weights.pictures import on_template
from neurodiffuse.questions.weights.statmaps import BrainValues, of_hemisphere, write_gifti
from neurodiffuse.report.cortex import (
    HEMISPHERES,
    MESH,
    cortex_image,
    on_fsaverage,
    on_mesh,
    too_coarse,
)
from neurodiffuse.run import Run
from neurodiffuse.types import Grid

DEPTHS = 6


def why_not(grid: Grid) -> str:
    """Return why maps on this grid are not drawn on a surface; empty where they can be."""
    if on_template(grid) or on_fsaverage(grid):
        return ""
    if grid.is_surface:
        return too_coarse(grid)
    space = f"the space {grid.space!r}" if grid.space else "an unnamed space"
    return (
        f"No surface and no glass brain: the data are in {space}, the subject's own volume, "
        "which has no known place on fsaverage or in MNI space."
    )


def project(run: Run, made: BrainValues) -> Any:
    """Return the map on fsaverage5 as nilearn's SurfaceImage; NaN off the mask.

    Of data on fsaverage, the vertices that both meshes have. Of data in MNI space, each vertex
    takes the mean of the mask's voxels at six depths from white matter to pia, one by one and
    without interpolation, which would mix in what is outside; MNI space and fsaverage agree to
    some millimetres only.
    """
    from nilearn.datasets import load_fsaverage

    grid = run.subject(made.subject).grid
    volume = np.full(grid.size, np.nan)
    volume[made.inside] = made.values
    if grid.is_surface:
        return cortex_image(volume)
    mesh, data = load_fsaverage(MESH), {}
    for side in HEMISPHERES:
        inner, outer = (mesh[m].parts[side].coordinates for m in ("white_matter", "pial"))
        depths = [inner + d * (outer - inner) for d in np.linspace(0, 1, DEPTHS)]
        data[side] = _mean([_sampled(volume, grid, points) for points in depths])
    return on_mesh(data)


def _sampled(volume: np.ndarray, grid: Grid, points: np.ndarray) -> np.ndarray:
    """Return the values of the voxels that points (n, 3) in millimetres lie in; else NaN."""
    world = np.linalg.inv(grid.affine)
    at = np.rint(points @ world[:3, :3].T + world[:3, 3]).astype(int)
    there = ((at >= 0) & (at < grid.shape)).all(axis=1)
    out = np.full(len(points), np.nan)
    out[there] = volume[np.ravel_multi_index(tuple(at[there].T), grid.shape)]
    return out


def _mean(values: list[np.ndarray]) -> np.ndarray:
    """Return the mean of those that are not NaN, as float32."""
    stack = np.stack(values)
    count = np.isfinite(stack).sum(axis=0)
    total = np.nansum(stack, axis=0)
    return (total / np.where(count > 0, count, np.nan)).astype(np.float32)


def write(folder: Path, made: BrainValues, surface: Any) -> None:
    """Write ``…_hemi-L_space-fsaverage5_stat-…_statmap.shape.gii`` for both hemispheres."""
    stem = re.sub(r"_space-[^_]*", f"_space-{MESH}", made.stem)
    for name in HEMISPHERES:
        file = folder / f"{of_hemisphere(stem, name)}_statmap.shape.gii"
        write_gifti(file, surface.data.parts[name], name, made.title)
