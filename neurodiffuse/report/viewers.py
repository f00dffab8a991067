"""Brain pictures to turn and to click through: nilearn's viewers, all complete in one page.

A viewer's page brings its scripts and its mesh, three megabytes for a cortex. `shared` takes many
such pages apart, so that a page that holds them has what they have in common only once.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from neurodiffuse.report.cortex import HEMISPHERES, is_cortex, on_mesh, sulci, surfaces
from neurodiffuse.report.scale import Scale

LEAST = 1e-4
"""Share of the colour scale below which the viewers paint nothing."""

COARSE = 1.5
"""Millimetres of a voxel above which the cross of the slices' viewer would hide too much."""

POLICY = "script-src 'unsafe-inline' data: blob:; worker-src blob:; "
"""What the content policy of a page with viewers must allow: their scripts are in their pages."""

_TYPE = "<style>body { font: 14px system-ui, sans-serif; }</style>"
_ICON = re.compile(r"<link[^>]*https?://[^>]*>")
_RANDOM_ID = re.compile(r'id="[\w-]*?([0-9a-f]{32})"')
_NEGATIVE = "useNegativeCmap: true"
_VIEWS = "// Use Plotly-like views"
"""Lines of the viewer's script: seen from behind, visual cortex is in sight."""

_SEAM = re.compile(r"([A-Za-z0-9+/=]{5000,}|</?script[^>]*>)")


@dataclass(frozen=True)
class Frames:
    """Viewers taken apart: every distinct piece once, as JSON, and each viewer's list of them."""

    pieces: Markup
    lists: tuple[str, ...]


def shared(pages: Sequence[str]) -> Frames:
    """Take pages apart at scripts and long data; equal pieces are kept once."""
    pieces: dict[str, str] = {}
    lists = []
    for page in pages:
        names = []
        for piece in filter(None, _SEAM.split(page)):
            name = hashlib.sha256(piece.encode()).hexdigest()[:12]
            pieces[name] = piece
            names.append(name)
        lists.append(" ".join(names))
    # inside a script element no piece may end it
    text = json.dumps(pieces, ensure_ascii=False).replace("<", "\\u003c")
    return Frames(Markup(text), tuple(lists))


def map_viewer(image: Any, scale: Scale, title: str, anatomy: Any = None) -> str:
    """Return a page to explore a map: slices of a volume, or the inflated cortex.

    The same map and title give the same bytes.
    """
    from matplotlib import colormaps

    colours = colormaps[scale.colours](np.linspace(0, 1, 256))
    if is_cortex(image):
        return _cortex(image, title, scale, colours)
    return _slices(image, anatomy, title, scale, colours)


def regions_viewer(image: Any, colours: Sequence[str], title: str, anatomy: Any = None) -> str:
    """Return a page to explore regions, numbered from 1, in their colours."""
    from matplotlib.colors import to_rgba

    # bands of equal colour around k / top, where the scale from 0 has region k
    top = len(colours)
    at = np.clip(np.rint(np.linspace(0, top, 256)), 1, top).astype(int) - 1
    bands = np.array([to_rgba(colour) for colour in colours])[at]
    scale = Scale(0.0, float(top))
    if is_cortex(image):
        return _cortex(image, title, scale, bands, colorbar=False)
    return _slices(image, anatomy, title, scale, bands, colorbar=False)


def _slices(
    image: Any,
    anatomy: Any,
    title: str,
    scale: Scale,
    colours: np.ndarray,
    *,
    colorbar: bool = True,
) -> str:
    import nibabel as nib
    from matplotlib.colors import ListedColormap
    from nilearn import plotting

    values = np.nan_to_num(np.asarray(image.dataobj, np.float32))
    with _quiet():
        view = plotting.view_img(
            nib.Nifti1Image(values, image.affine),
            bg_img=False if anatomy is None else _fine(anatomy),
            black_bg=True,
            cmap=ListedColormap(colours),
            symmetric_cmap=scale.signed,
            vmin=scale.low,
            vmax=scale.high,
            threshold=1e-9,
            colorbar=colorbar,
            resampling_interpolation="nearest",
            title="",  # it would be cut off by the second slice
        )
    return _steady(str(view.get_standalone()), title)


def _cortex(
    image: Any, title: str, scale: Scale, colours: np.ndarray, *, colorbar: bool = True
) -> str:
    from matplotlib.colors import ListedColormap
    from nilearn import plotting

    # The viewer paints NaN black, and takes the upper half of a colour map for positive values.
    both = colours if scale.signed else np.vstack([colours[::-1], colours])
    view = plotting.view_surf(
        surfaces()["inflated"],
        on_mesh({side: np.nan_to_num(image.data.parts[side]) for side in HEMISPHERES}),
        bg_map=sulci(),
        hemi="both",
        engine="niivue",
        cmap=ListedColormap(both),
        symmetric_cmap=scale.signed,
        vmax=scale.high,
        threshold=scale.high * LEAST,
        colorbar=colorbar,
        title=title,
        title_fontsize=15,
    )
    page = str(view.get_standalone())
    if not scale.signed:  # it would show a bar of negative values, too
        page = page.replace(_NEGATIVE, _NEGATIVE.replace("true", "false"))
    page = page.replace(_VIEWS, f"nv.setRenderAzimuthElevation(0, 0);\n{_VIEWS}")
    page = page.replace('<option value="back">', '<option value="back" selected>')
    return _steady(page, title)


def _fine(anatomy: Any) -> Any:
    """Return the anatomy in voxels of a millimetre where they are coarse.

    The viewer draws its cross one voxel wide.
    """
    from nibabel.affines import voxel_sizes
    from nilearn.image import resample_img

    if max(voxel_sizes(anatomy.affine)) <= COARSE:
        return anatomy
    return resample_img(anatomy, target_affine=np.eye(3), interpolation="nearest")


def _steady(page: str, name: str) -> str:
    """Return a viewer's page in the type of ours, without an icon on the network or random ids."""
    page = _ICON.sub("", page).replace("</head>", f"{_TYPE}</head>", 1)
    for k, random in enumerate(dict.fromkeys(_RANDOM_ID.findall(page))):
        page = page.replace(random, hashlib.sha256(f"{name}/{k}".encode()).hexdigest()[:32])
    return page


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nilearn's remarks on resampling and thresholds from the terminal."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Resampling binary images")
        warnings.filterwarnings("ignore", message="Threshold given was")
        yield
