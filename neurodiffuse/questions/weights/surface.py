"""Maps on the fsaverage surface, for data that are on it or in MNI space.

A subject's own volume has no known place on fsaverage: without the study's registration a
projection would be a guess.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.questions.weights.pictures import DPI, on_template, png, steady
from neurodiffuse.questions.weights.statmaps import (
    HEMISPHERES,
    BrainValues,
    of_hemisphere,
    write_gifti,
)
from neurodiffuse.run import Run
from neurodiffuse.types import Grid

MESH = "fsaverage5"
VERTICES = 10_242
"""Vertices of a hemisphere of that mesh: in FreeSurfer's order the first ones of finer meshes."""

VIEWS = ("lateral", "medial", "ventral")
DEPTHS = 6

LEAST = 1e-4
"""Share of the colour scale below which the viewer paints nothing."""


def why_not(grid: Grid) -> str:
    """Return why maps on this grid are not drawn on a surface; empty where they can be."""
    if on_template(grid) or on_fsaverage(grid):
        return ""
    if grid.is_surface:
        return (
            f"No pictures: {grid.size // 2:,} vertices a hemisphere are fewer than the "
            f"{VERTICES:,} of {MESH}, on which maps are drawn."
        )
    space = f"the space {grid.space!r}" if grid.space else "an unnamed space"
    return (
        f"No surface and no glass brain: the data are in {space}, the subject's own volume, "
        "which has no known place on fsaverage or in MNI space."
    )


def on_fsaverage(grid: Grid) -> bool:
    """Whether the grid is the vertices of fsaverage5 or of a finer fsaverage."""
    return grid.is_surface and grid.size % 2 == 0 and grid.size // 2 >= VERTICES


def project(run: Run, made: BrainValues) -> Any:
    """Return the map on fsaverage5 as nilearn's SurfaceImage; NaN off the mask.

    Of data on fsaverage, the vertices that both meshes have. Of data in MNI space, each vertex
    takes the mean of the mask's voxels at six depths from white matter to pia, one by one and
    without interpolation, which would mix in what is outside; MNI space and fsaverage agree to
    some millimetres only.
    """
    from nilearn.datasets import load_fsaverage
    from nilearn.surface import SurfaceImage

    mesh = load_fsaverage(MESH)
    grid = run.subject(made.subject).grid
    volume = np.full(grid.size, np.nan)
    volume[made.inside] = made.values
    data = {}
    if grid.is_surface:
        halves = (half[:VERTICES].astype(np.float32) for half in np.split(volume, 2))
        return SurfaceImage(mesh["pial"], dict(zip(HEMISPHERES, halves, strict=True)))
    for side in HEMISPHERES:
        inner, outer = (mesh[m].parts[side].coordinates for m in ("white_matter", "pial"))
        depths = [inner + d * (outer - inner) for d in np.linspace(0, 1, DEPTHS)]
        data[side] = _mean([_sampled(volume, grid, points) for points in depths])
    return SurfaceImage(mesh["pial"], data)


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


def picture(made: BrainValues, surface: Any) -> bytes:
    """Return a PNG of the inflated hemispheres from three sides and of both flat maps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from nilearn import plotting
    from nilearn.datasets import load_fsaverage, load_fsaverage_data

    mesh, sulci = load_fsaverage(MESH), load_fsaverage_data(MESH, data_type="sulcal")
    figure = Figure(figsize=(8.4, 4.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    top, signed = _top(made)
    for row, hemisphere in enumerate(HEMISPHERES):
        for column, view in enumerate((*VIEWS, "dorsal")):
            kind = "flat" if view == "dorsal" else "inflated"
            place = (0.23 * column, 0.5 - 0.5 * row, 0.23, 0.5)
            axes = figure.add_axes(place, projection="3d")
            plotting.plot_surf_stat_map(
                surf_mesh=mesh[kind],
                stat_map=surface,
                bg_map=sulci,
                hemi=hemisphere,
                view=view,
                axes=axes,
                figure=figure,
                colorbar=False,
                cmap="RdBu_r" if signed else "viridis",
                vmin=-top if signed else 0.0,
                vmax=top,
                symmetric_cbar=signed,
                threshold=None,
            )
    _colour_bar(figure, top, signed)
    return png(figure)


def viewer(made: BrainValues, surface: Any) -> str:
    """Return a page with the inflated cortex to turn by hand, complete in itself."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from nilearn import plotting
    from nilearn.datasets import load_fsaverage, load_fsaverage_data
    from nilearn.surface import SurfaceImage

    top, signed = _top(made)
    # The viewer paints NaN black, and takes the upper half of a colour map for positive values.
    filled = {side: np.nan_to_num(part) for side, part in surface.data.parts.items()}
    whole = colormaps["viridis"](np.linspace(0, 1, 256))
    view = plotting.view_surf(
        load_fsaverage(MESH)["inflated"],
        SurfaceImage(surface.mesh, filled),
        bg_map=load_fsaverage_data(MESH, data_type="sulcal"),
        hemi="both",
        engine="niivue",
        cmap="RdBu_r" if signed else ListedColormap(np.vstack([whole[::-1], whole])),
        symmetric_cmap=signed,
        vmax=top,
        threshold=top * LEAST,
        title=f"sub-{made.subject} {made.title}",
    )
    return steady(str(view.get_standalone()), made)


def _top(made: BrainValues) -> tuple[float, bool]:
    """Return the end of the colour scale, and whether it starts at minus that."""
    top = 100.0 if made.measure == "percentile" else float(np.percentile(abs(made.values), 99))
    return top or 1.0, bool((made.values < 0).any())


def _colour_bar(figure: Any, top: float, signed: bool) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    axes = figure.add_axes((0.935, 0.25, 0.012, 0.5))
    colours = "RdBu_r" if signed else "viridis"
    bar = figure.colorbar(ScalarMappable(Normalize(-top if signed else 0, top), colours), cax=axes)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
