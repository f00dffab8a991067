"""Pictures of maps: slices on the subject's own anatomy, glass brain, interactive viewer.

The template brain is drawn only for data that are in its space. World coordinates of a subject's
own volume are its own: on the template a map would look plausible and be wrong.
"""

from __future__ import annotations

import base64
import hashlib
import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from neurodiffuse import rois
from neurodiffuse.questions.weights.statmaps import BrainValues
from neurodiffuse.report.brain import map_picture
from neurodiffuse.report.model import BrainMap, SubjectReport
from neurodiffuse.run import Run
from neurodiffuse.types import Grid

if TYPE_CHECKING:
    from nibabel.spatialimages import SpatialImage

TEMPLATE = "MNI"
"""What the space labels of data on the MNI template begin with."""

DPI = 160

_ICON = re.compile(r"<link[^>]*https?://[^>]*>")
_RANDOM_ID = re.compile(r'id="[\w-]*?([0-9a-f]{32})"')

COARSE = 1.5
"""Millimetres of a voxel above which the viewer's cross would hide too much."""


def on_template(grid: Grid) -> bool:
    """Whether the grid is in MNI space, where template, glass brain and fsaverage hold."""
    return grid.space.startswith(TEMPLATE)


def anatomy_of(run: Run, subject: str) -> SpatialImage | None:
    """Return what to draw maps on: the subject's anatomy, or the template in its own space."""
    import nibabel as nib
    from nilearn.datasets import load_mni152_template

    about = run.subject(subject)
    if about.anatomy:
        return cast("SpatialImage", nib.load(about.anatomy))
    return load_mni152_template(resolution=2) if on_template(about.grid) else None


def image_of(run: Run, made: BrainValues) -> Any:
    """Return the map as an image on the subject's grid."""
    return rois.to_image(made.values, made.inside, run.subject(made.subject).grid)


def slices(run: Run, made: BrainValues) -> bytes:
    """Return a PNG of axial slices on the subject's anatomy; empty where the map is all 0."""
    subject = SubjectReport(
        label=made.subject,
        n_train_images=0,
        n_test_images=0,
        n_train_trials=0,
        n_test_trials=0,
        n_voxels=len(made.values),
        mask_expression="",
        ids=(),
        seen=(),
        made={},
        anatomy=anatomy_of(run, made.subject),
    )
    short = {"percentile": "percentile", "l1": "L1 norm", "pattern": "pattern"}.get(made.measure, "R²")
    units = "weight" if made.measure == "l1" and made.part.signed else short
    uri = map_picture(subject, BrainMap(made.title, image_of(run, made), units))
    return base64.b64decode(uri.partition(",")[2])


def glass_brain(run: Run, made: BrainValues) -> bytes:
    """Return a PNG of the map in a glass brain; only right where `on_template` holds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from nilearn import plotting

    figure = Figure(figsize=(6.4, 2.4), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    signed = bool((made.values < 0).any())
    with _quiet():
        plotting.plot_glass_brain(
            image_of(run, made),
            figure=figure,
            colorbar=True,
            threshold=1e-9,
            cbar_tick_format="%.3g",
            plot_abs=not signed,
            cmap="RdBu_r" if signed else "viridis",
            vmin=None if signed else 0.0,
        )
    return png(figure)


def viewer(run: Run, made: BrainValues) -> str:
    """Return a page with slices to click through, complete in itself."""
    from nilearn import plotting

    anatomy = anatomy_of(run, made.subject)
    signed = bool((made.values < 0).any())
    top = 100.0 if made.measure == "percentile" else float(np.percentile(abs(made.values), 99))
    with _quiet():
        view = plotting.view_img(
            image_of(run, made),
            bg_img=False if anatomy is None else _fine(anatomy),
            black_bg=True,
            cmap="RdBu_r" if signed else "viridis",
            symmetric_cmap=signed,
            vmin=-(top or 1.0) if signed else 0.0,
            vmax=top or 1.0,
            threshold=1e-9,
            resampling_interpolation="nearest",
            title=f"sub-{made.subject} {made.feature}",
        )
    return steady(str(view.get_standalone()), made)


def _fine(anatomy: SpatialImage) -> SpatialImage:
    """Return the anatomy in voxels of a millimetre where they are coarse.

    The viewer draws its cross one voxel wide.
    """
    from nibabel.affines import voxel_sizes
    from nilearn.image import resample_img

    if max(voxel_sizes(anatomy.affine)) <= COARSE:
        return anatomy
    return cast(
        "SpatialImage", resample_img(anatomy, target_affine=np.eye(3), interpolation="nearest")
    )


def steady(page: str, made: BrainValues) -> str:
    """Return a viewer's page without its icon on the network, and with ids that are not random.

    Ids are made from the map's name, so that the same map gives the same bytes.
    """
    page = _ICON.sub("", page)
    for k, random in enumerate(dict.fromkeys(_RANDOM_ID.findall(page))):
        name = f"{made.stem}/{k}".encode()
        page = page.replace(random, hashlib.sha256(name).hexdigest()[:32])
    return page


def png(figure: Any) -> bytes:
    """Return a figure as PNG, the same bytes for the same figure."""
    file = io.BytesIO()
    figure.savefig(
        file, format="png", metadata={"Software": None}, facecolor=figure.get_facecolor()
    )
    return file.getvalue()


def save(path: Path, content: bytes) -> bytes:
    """Write a picture if there is one, and return it."""
    if content:
        path.write_bytes(content)
    return content


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nilearn's remarks on resampling from the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Resampling binary images")
        yield
