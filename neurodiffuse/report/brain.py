"""Brain pictures: mask, regions and maps on the subject's own anatomy, never on a template."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurodiffuse.report.model import BrainMap, SubjectReport
from neurodiffuse.report.pictures import data_uri

if TYPE_CHECKING:
    import nibabel as nib

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


def region_colour(value: int) -> str:
    """Return the colour of the region with this number (from 1); colours repeat after 24."""
    return REGION_COLOURS[(value - 1) % len(REGION_COLOURS)]


def mask_picture(subject: SubjectReport) -> str:
    """Return a PNG data URI: six axial slices with regions filled and the mask outlined.

    Returns an empty string when the subject has neither a mask nor regions to draw.
    """
    mask = subject.mask_image if _inside(subject.mask_image) else None
    regions = subject.regions if _inside(subject.regions) else None
    shown = mask if mask is not None else regions
    if shown is None:
        return ""

    def draw(display: Any) -> None:
        from matplotlib.colors import ListedColormap

        if regions is not None:
            top = int(np.max(_values(regions)))
            colours = ListedColormap([region_colour(v) for v in range(1, top + 1)])
            display.add_overlay(
                _plain(regions),
                cmap=colours,
                threshold=0.5,
                vmin=0.5,
                vmax=top + 0.5,
                transparency=0.85,
                resampling_interpolation="nearest",
            )
        if mask is not None:
            inside = _bordered(mask)
            display.add_contours(inside, levels=[0.5], colors=[MASK_COLOUR], linewidths=0.9)

    return _slices(subject.anatomy, shown, draw)


def map_picture(subject: SubjectReport, brain_map: BrainMap) -> str:
    """Return a PNG data URI of a map on the anatomy, its colour bar at the side.

    A map with negative values gets a diverging scale around zero, any other a sequential one.
    Returns an empty string when the map is zero everywhere.
    """
    if not _inside(brain_map.image):
        return ""
    values = _values(brain_map.image)
    top = float(np.percentile(np.abs(values[values != 0]), 99)) or 1.0
    signed = bool(np.any(values < 0))

    def draw(display: Any) -> None:
        display.add_overlay(
            _plain(brain_map.image),
            cmap="RdBu_r" if signed else "viridis",
            threshold=1e-9,
            vmin=-top if signed else 0.0,
            vmax=top,
            resampling_interpolation="nearest",
        )

    return _slices(
        subject.anatomy,
        brain_map.image,
        draw,
        scale=(-top if signed else 0.0, top, "RdBu_r" if signed else "viridis"),
        units=brain_map.units,
    )


def cut_heights(image: nib.spatialimages.SpatialImage, n: int = CUTS) -> list[float]:
    """Return up to n world heights (mm) of axial slices that pass through the non-zero voxels.

    The heights are equal steps through the voxels' 5th to 95th percentile.
    """
    voxels = np.argwhere(_values(image) != 0)
    world = voxels @ image.affine[:3, :3].T + image.affine[:3, 3]
    low, high = np.percentile(world[:, 2], (5, 95))
    return sorted({round(float(z), 1) for z in np.linspace(low, high, n)})


def _values(image: nib.spatialimages.SpatialImage) -> np.ndarray:
    return np.nan_to_num(np.asarray(image.dataobj, dtype=np.float32))


def _inside(image: nib.spatialimages.SpatialImage | None) -> bool:
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
    scale: tuple[float, float, str] | None = None,
    units: str = "",
) -> str:
    """Draw two rows of axial slices on black and return them as a PNG data URI."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from nilearn import plotting

    heights = cut_heights(shown)
    rows: Sequence[list[float]] = [heights[:3], heights[3:]] if len(heights) > 3 else [heights]
    figure = Figure(figsize=(6.4, 2.6 * len(rows)), dpi=160, facecolor="black")
    FigureCanvasAgg(figure)
    width = 0.88 if scale else 1.0
    for i, cuts in enumerate(rows):
        place = (0.0, 1 - (i + 1) / len(rows), width, 1 / len(rows))
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
        display.annotate(positions=True, left_right=True, size=8)
    if scale:
        _colour_bar(figure, scale, units)
    file = io.BytesIO()
    figure.savefig(file, format="png", metadata={"Software": None}, facecolor="black")
    return data_uri(file.getvalue())


def _colour_bar(figure: Any, scale: tuple[float, float, str], units: str) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    low, high, colours = scale
    axes = figure.add_axes((0.91, 0.2, 0.02, 0.6))
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, high), colours), cax=axes, format=lambda v, _: f"{v:.2g}"
    )
    bar.ax.tick_params(colors="white", labelsize=8)
    bar.outline.set_edgecolor("white")
    bar.ax.set_title(units, color="white", fontsize=8)
