"""Brain pictures of data on fsaverage: inflated from three sides, and flat."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodiffuse.report.pictures import png
from neurodiffuse.report.scale import Scale, colour_bar

if TYPE_CHECKING:
    from nilearn.surface import SurfaceImage

    from neurodiffuse.types import Grid

MESH = "fsaverage5"
"""The mesh that is drawn; it comes with nilearn."""

VERTICES = 10_242
"""Vertices of a hemisphere of that mesh: in FreeSurfer's order the first ones of finer meshes."""

HEMISPHERES = ("left", "right")
DPI = 130
ZOOM = 1.42
"""How much larger than nilearn draws it the cortex is in its axes."""

VIEWS = ("lateral", "medial", "ventral", "flat")

Paint = Callable[..., None]


def on_fsaverage(grid: Grid) -> bool:
    """Whether the grid is the vertices of fsaverage5 or of a finer fsaverage."""
    return grid.is_surface and grid.size % 2 == 0 and grid.size // 2 >= VERTICES


def too_coarse(grid: Grid) -> str:
    """Return why vertices are not drawn; empty for those that are, and for volumes."""
    if not grid.is_surface or on_fsaverage(grid):
        return ""
    return (
        f"No pictures: {grid.size // 2:,} vertices a hemisphere are fewer than the "
        f"{VERTICES:,} of {MESH}, on which maps are drawn."
    )


def cortex_image(values: np.ndarray) -> SurfaceImage:
    """Return values of fsaverage, (2 n,) with the left hemisphere first, on fsaverage5."""
    halves = (half[:VERTICES].astype(np.float32) for half in np.split(values, 2))
    return on_mesh(dict(zip(HEMISPHERES, halves, strict=True)))


def on_mesh(parts: dict[str, np.ndarray]) -> SurfaceImage:
    """Return one value a vertex of fsaverage5, by hemisphere, as nilearn's image."""
    from nilearn.surface import SurfaceImage

    return SurfaceImage(surfaces()["pial"], parts)


def is_cortex(image: Any) -> bool:
    """Whether an image is of a surface."""
    return hasattr(image, "mesh")


def values_of(image: SurfaceImage) -> np.ndarray:
    """Return an image's values, the left hemisphere's first; NaN stays NaN."""
    return np.concatenate([image.data.parts[side] for side in HEMISPHERES])


def map_on_cortex(image: SurfaceImage, scale: Scale, units: str = "") -> bytes:
    """Return a PNG of a map with its scale; vertices that are NaN stay grey."""

    def paint(side: str, given: dict[str, Any]) -> None:
        from nilearn import plotting

        plotting.plot_surf_stat_map(
            stat_map=image,
            cmap=scale.colours,
            vmin=scale.low,
            vmax=scale.high,
            symmetric_cbar=scale.signed,
            # of three corners the median is one of them; the mean of 359 and 1 would be 180
            avg_method="median" if scale.cyclic else "mean",
            **given,
        )

    figure = _figure(paint, width=0.9)
    colour_bar(figure, scale, units, (0.93, 0.22, 0.014, 0.56))
    return png(figure)


def regions_on_cortex(
    regions: SurfaceImage | None, mask: SurfaceImage | None, colours: Sequence[str], outline: str
) -> bytes:
    """Return a PNG of regions, numbered from 1, in their colours; the mask is outlined."""
    from matplotlib.colors import ListedColormap

    def paint(side: str, given: dict[str, Any]) -> None:
        from nilearn import plotting

        labels = None if regions is None else _numbered(regions)
        plotting.plot_surf(
            surf_map=labels,
            cmap=ListedColormap(list(colours)) if labels else None,
            avg_method="median",
            vmin=0.5,
            vmax=len(colours) + 0.5,
            **given,
        )
        if mask is not None and _has_outline(mask, side, given):
            outlined = {k: v for k, v in given.items() if k in ("surf_mesh", "hemi", "axes")}
            plotting.plot_surf_contours(
                roi_map=mask, levels=[1.0], colors=[outline], figure=given["figure"], **outlined
            )

    return png(_figure(paint))


def _has_outline(mask: SurfaceImage, side: str, given: dict[str, Any]) -> bool:
    """Whether vertices of a mask touch on a mesh, so that a line can be drawn around them."""
    inside = np.asarray(mask.data.parts[side]) > 0
    return bool((inside[given["surf_mesh"].parts[side].faces].sum(axis=1) >= 2).any())


def _numbered(regions: SurfaceImage) -> SurfaceImage:
    """Return regions with NaN where there is none, which is not painted."""
    parts = {side: np.asarray(regions.data.parts[side], np.float32) for side in HEMISPHERES}
    return on_mesh({side: np.where(part > 0, part, np.nan) for side, part in parts.items()})


def _figure(paint: Paint, *, width: float = 1.0) -> Any:
    """Return a figure whose four columns are `VIEWS` and whose rows are the hemispheres."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.8, 4.4), dpi=DPI, facecolor="black")
    FigureCanvasAgg(figure)
    step = width / len(VIEWS)
    for row, side in enumerate(HEMISPHERES):
        for column, view in enumerate(VIEWS):
            place = (step * column, 0.47 - 0.47 * row, step, 0.47)
            axes: Any = figure.add_axes(place, projection="3d", facecolor="black")
            flat = view == "flat"
            given = {
                "surf_mesh": surfaces()["flat" if flat else "inflated"],
                "bg_map": sulci(),
                "hemi": side,
                "view": "dorsal" if flat else view,
                "colorbar": False,
                "axes": axes,
                "figure": figure,
            }
            paint(side, given)
            axes.set_facecolor("black")
            axes.set_box_aspect(None, zoom=ZOOM)
            label: dict[str, Any] = {"color": "white", "fontsize": 12}
            if row == 0:
                figure.text(place[0] + step / 2, 0.96, view, ha="center", **label)
            if column == 0:
                figure.text(0.008, place[1] + 0.42, side, **label)
    return figure


@cache
def surfaces() -> Any:
    """Return the meshes of fsaverage5 by kind: ``inflated``, ``flat``, ``pial`` …."""
    from nilearn.datasets import load_fsaverage

    return load_fsaverage(MESH)


@cache
def sulci() -> Any:
    """Return the depth of the sulci, the grey ground of every picture."""
    from nilearn.datasets import load_fsaverage_data

    return load_fsaverage_data(MESH, data_type="sulcal")
