"""Brain pictures: mask, regions and maps, on the subject's own anatomy or on fsaverage.

What to draw is a nibabel image of a volume or nilearn's SurfaceImage (`image_of`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodiffuse.report import cortex
from neurodiffuse.report.pictures import png
from neurodiffuse.report.scale import Scale, colour_bar

if TYPE_CHECKING:
    import nibabel as nib

    from neurodiffuse.types import Grid

REGION_COLOURS = (
    "#56b4e9",
    "#e69f00",
    "#009e73",
    "#f0e442",
    "#cc79a7",
    "#d55e00",
    "#8da0ff",
    "#a6d854",
    "#ff9da6",
    "#b79f77",
    "#2f7ed8",
    "#7cd1c4",
    "#b15928",
    "#c5b0d5",
    "#e7298a",
    "#66a61e",
    "#9e9ac8",
    "#fdbf6f",
    "#17becf",
    "#e31a1c",
    "#bcbd22",
    "#8c6d31",
    "#dadaeb",
    "#3182bd",
)
"""Okabe and Ito's colours first, which colour-blind readers can tell apart; 24 in all."""

MASK_COLOUR = "#ffffff"
CUTS = 6
WIDTH = 6.4
"""Inches of a figure."""


def region_colour(value: int) -> str:
    """Return the colour of the region with this number (from 1); colours repeat after 24."""
    return REGION_COLOURS[(value - 1) % len(REGION_COLOURS)]


def image_of(values: np.ndarray, grid: Grid) -> Any:
    """Return one value an element of a grid, (grid.size,), as an image to draw.

    A nibabel image, nilearn's SurfaceImage for vertices of fsaverage, or None for vertices that
    are `cortex.too_coarse`.
    """
    import nibabel as nib

    from neurodiffuse.readers.grids import on_grid

    if not grid.is_surface:
        image = nib.Nifti1Image(values.astype(np.float32).reshape(grid.shape), grid.affine)
        return on_grid(image, grid)
    return cortex.cortex_image(values) if cortex.on_fsaverage(grid) else None


def regions_picture(mask: Any, regions: Any, anatomy: Any = None) -> bytes:
    """Return a PNG with regions filled, by their number from 1, and the mask outlined.

    Six axial slices of a volume, or the cortex of fsaverage. Either image may be None. Empty when
    neither has anything to draw.
    """
    mask = mask if _inside(mask) else None
    regions = regions if _inside(regions) else None
    shown = mask if mask is not None else regions
    if shown is None:
        return b""
    top = 0 if regions is None else int(np.max(_values(regions)))
    colours = [region_colour(value) for value in range(1, top + 1)]
    if cortex.is_cortex(shown):
        return cortex.regions_on_cortex(regions, mask, colours, MASK_COLOUR)

    def draw(display: Any) -> None:
        from matplotlib.colors import ListedColormap

        if regions is not None:
            display.add_overlay(
                _plain(regions),
                cmap=ListedColormap(colours),
                threshold=0.5,
                vmin=0.5,
                vmax=top + 0.5,
                transparency=0.85,
                resampling_interpolation="nearest",
            )
        if mask is not None:
            inside = _bordered(mask)
            display.add_contours(inside, levels=[0.5], colors=[MASK_COLOUR], linewidths=0.9)

    return png(_slices(anatomy, shown, draw))


def map_picture(
    image: Any, *, anatomy: Any = None, scale: Scale | None = None, units: str = ""
) -> bytes:
    """Return a PNG of a map, on slices of the anatomy or on the cortex, with its colour bar.

    A map with negative values gets a diverging scale around zero, any other a sequential one.
    Empty when the map is zero everywhere; zeros of a volume and NaN are not drawn.
    """
    if not _inside(image):
        return b""
    scale = scale or Scale.of(_values(image))
    if cortex.is_cortex(image):
        return cortex.map_on_cortex(image, scale, units)

    def draw(display: Any) -> None:
        display.add_overlay(
            _plain(image),
            cmap=scale.colours,
            threshold=1e-9,
            vmin=scale.low,
            vmax=scale.high,
            resampling_interpolation="nearest",
        )

    figure = _slices(anatomy, image, draw, width=0.85)
    colour_bar(figure, scale, units, (0.905, 0.2, 0.02, 0.6))
    return png(figure)


def cut_heights(image: nib.spatialimages.SpatialImage, n: int = CUTS) -> list[float]:
    """Return up to n world heights (mm) of axial slices that pass through the non-zero voxels.

    The heights are equal steps through the voxels' 5th to 95th percentile.
    """
    voxels = np.argwhere(_values(image) != 0)
    world = voxels @ image.affine[:3, :3].T + image.affine[:3, 3]
    low, high = np.percentile(world[:, 2], (5, 95))
    return sorted({round(float(z), 1) for z in np.linspace(low, high, n)})


def _values(image: Any) -> np.ndarray:
    values = cortex.values_of(image) if cortex.is_cortex(image) else image.dataobj
    return np.nan_to_num(np.asarray(values, dtype=np.float32))


def _inside(image: Any) -> bool:
    return image is not None and bool(np.any(_values(image) != 0))


def _plain(image: Any, values: np.ndarray | None = None) -> nib.Nifti1Image:
    """Return the image as float32, the only kind that every nilearn display accepts."""
    import nibabel as nib

    data = _values(image) if values is None else values
    return nib.Nifti1Image(data.astype(np.float32), image.affine)


def _bordered(mask: nib.spatialimages.SpatialImage) -> nib.Nifti1Image:
    """Return the mask with an empty voxel all around, so that its outline closes at the edge."""
    import nibabel as nib

    affine = mask.affine.copy()
    affine[:3, 3] -= affine[:3, :3].sum(axis=1)
    return nib.Nifti1Image(np.pad(_values(mask) != 0, 1).astype(np.float32), affine)


def _slices(
    anatomy: nib.spatialimages.SpatialImage | None,
    shown: nib.spatialimages.SpatialImage,
    draw: Any,
    *,
    width: float = 1.0,
) -> Any:
    """Return a figure of two rows of axial slices on black, over some of its width."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from nilearn import plotting

    heights = cut_heights(shown)
    rows: Sequence[list[float]] = [heights[:3], heights[3:]] if len(heights) > 3 else [heights]
    tall = width * WIDTH / len(rows[0]) * _aspect(shown if anatomy is None else anatomy)
    figure = Figure(figsize=(WIDTH, tall * len(rows)), dpi=160, facecolor="black")
    FigureCanvasAgg(figure)
    for i, cuts in enumerate(rows):
        place = (0.0, 1 - (i + 1) / len(rows), width, 0.98 / len(rows))
        display = plotting.plot_anat(
            _plain(shown, _values(shown) != 0) if anatomy is None else _plain(anatomy),
            display_mode="z",
            cut_coords=cuts,
            figure=figure,
            axes=place,
            annotate=False,
            draw_cross=False,
            black_bg=True,
            colorbar=False,
            **({"vmin": 0.0, "vmax": 4.0} if anatomy is None else {"dim": 0.6}),
        )
        draw(display)
        for height, slot in zip(cuts, display.axes.values(), strict=True):
            _label(slot.ax, height)
    return figure


def _aspect(image: nib.spatialimages.SpatialImage) -> float:
    """Return how deep an axial slice is, front to back, over its width."""
    x, y, _ = np.abs(image.affine[:3, :3]) @ image.shape[:3]
    return float(np.clip(y / x, 0.6, 1.6))


def _label(axes: Any, height: float) -> None:
    """Write a slice's height in millimetres and its sides into its corners."""
    said = f"z = {height:g} mm".replace("-", "\N{MINUS SIGN}")
    places = ((0.03, 0.03, said, "left"), (0.03, 0.97, "L", "left"), (0.97, 0.97, "R", "right"))
    ground = {"facecolor": "black", "edgecolor": "none", "alpha": 0.6, "pad": 1.5}
    for x, y, text, side in places:
        axes.text(
            x,
            y,
            text,
            transform=axes.transAxes,
            color="white",
            fontsize=10,
            ha=side,
            va="bottom" if y < 0.5 else "top",
            bbox=ground,
        )
