"""Pictures of maps: slices on the subject's own anatomy, glass brain, interactive viewer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurodiffuse import rois
from neurodiffuse.questions.weights.statmaps import BrainValues
from neurodiffuse.report.brain import map_picture
from neurodiffuse.report.pictures import png
from neurodiffuse.report.scale import Scale
from neurodiffuse.report.template import ground
from neurodiffuse.report.viewers import map_viewer
from neurodiffuse.run import Run

DPI = 160


def volume_of(run: Run, made: BrainValues) -> Any:
    """Return the map as an image on the subject's grid, 0 outside."""
    return rois.to_image(made.values, made.inside, run.subject(made.subject).grid)


def scale_of(made: BrainValues) -> Scale:
    """Return the map's colour scale; that of percentiles goes to 100."""
    return Scale(0.0, 100.0) if made.measure == "percentile" else Scale.of(made.values)


def units_of(made: BrainValues) -> str:
    """Return what the colour bar says."""
    if made.measure == "l1":
        return "weight" if made.part.signed else "L1 norm of weights"
    if made.measure == "pattern":
        return "pattern" if made.part.signed else "L1 norm of patterns"
    return {"percentile": "percentile of weights", "explained": "explained variance"}[made.measure]


def slices(run: Run, made: BrainValues) -> bytes:
    """Return a PNG of axial slices on the subject's anatomy; empty where the map is all 0."""
    image, anatomy = volume_of(run, made), ground(run.subject(made.subject))
    return map_picture(image, anatomy=anatomy, scale=scale_of(made), units=units_of(made))


def explore(made: BrainValues, image: Any, anatomy: Any = None) -> str:
    """Return a page to explore the map, an image of a volume or of the cortex."""
    return map_viewer(image, scale_of(made), f"sub-{made.subject} {made.title}", anatomy)


def glass_brain(run: Run, made: BrainValues) -> bytes:
    """Return a PNG of the map in a glass brain; only right where `template.on_template` holds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from nilearn import plotting

    figure = Figure(figsize=(6.4, 2.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    scale = scale_of(made)
    plotting.plot_glass_brain(
        volume_of(run, made),
        figure=figure,
        colorbar=True,
        threshold=1e-9,
        cbar_tick_format="%.3g",
        plot_abs=not scale.signed,
        cmap=scale.colours,
        vmin=scale.low,
        vmax=scale.high,
    )
    return png(figure)


def save(path: Path, content: bytes) -> bytes:
    """Write a picture if there is one, and return it."""
    if content:
        path.write_bytes(content)
    return content
