"""Write where things are in a simulated brain under NSD's names, with NSD's labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import binary_dilation

from neurodiffuse.simulate.atlases import BANDS
from neurodiffuse.simulate.brain import Brain
from neurodiffuse.simulate.regions import Region
from neurodiffuse_nsd.atlases import LABELS
from neurodiffuse_nsd.sheets import OUTSIDE
from neurodiffuse_nsd.simulate.volumes import write_volume
from neurodiffuse_nsd.tree import VOXEL, Tree

AREAS = {1: "V1", 4: "V2", 5: "V3", 6: "V4"}
"""Of the 180 areas of HCP_MMP1, those that are planted."""

FARTHEST = 1000.0
"""Degrees: where NSD cuts eccentricities off."""

BRAIN = 0.1
"""Intensity from which on a voxel of the background is brain."""

_STREAM = {"retinotopic": "early", "object": "lateral", "category": "ventral"}
_STREAM_OF = {"hV4": "midventral", "OPA": "parietal", "EBA": "lateral", "OFA": "lateral"}


@dataclass(frozen=True, eq=False)
class Cortex:
    """A brain on its grid, bool (shape) each: all of it, and the cortex of either hemisphere."""

    brain: np.ndarray
    left: np.ndarray
    right: np.ndarray


def cortex_of(brain: Brain) -> Cortex:
    """Return where a simulated brain has cortex: its voxels, and those next to them."""
    geometry = brain.geometry
    inside = geometry.anatomy > BRAIN
    planted = np.zeros(geometry.shape, bool)
    planted.ravel()[geometry.voxels] = True
    grey = binary_dilation(planted) & inside | planted
    left = np.zeros(geometry.shape, bool)
    left[: geometry.shape[0] // 2] = True
    is_left = np.zeros(geometry.shape, bool)
    is_left.ravel()[geometry.voxels[geometry.hemisphere == "L"]] = True
    left = np.where(planted, is_left, left)
    return Cortex(inside | planted, grey & left, grey & ~left)


def write_regions(tree: Tree, brain: Brain, space: str) -> None:
    """Write ``[lh.|rh.]NAME.nii.gz``: -1 is no cortex of the hemisphere, 0 cortex, then labels."""
    geometry, cortex = brain.geometry, cortex_of(brain)
    folder = tree.volumes(geometry.subject, space) / "roi"
    for name, numbers in _labels(brain).items():
        for side, grey in (
            ("", cortex.left | cortex.right),
            ("lh.", cortex.left),
            ("rh.", cortex.right),
        ):
            volume = np.where(grey, 0, OUTSIDE).astype(np.int16)
            own = grey.ravel()[geometry.voxels]
            volume.ravel()[geometry.voxels[own]] = numbers[own]
            write_volume(folder / f"{side}{name}.nii.gz", volume, VOXEL[space])
    for name in ("streams", "Kastner2015"):
        _write_ctab(tree, geometry.subject, name, dict(enumerate(LABELS[name], start=1)))
    _write_ctab(tree, geometry.subject, "HCP_MMP1", AREAS)


def _labels(brain: Brain) -> dict[str, np.ndarray]:
    """Return for each file the label of every voxel, int (n_voxels,)."""
    geometry = brain.geometry
    names = np.asarray([_name(region) for region in geometry.region])
    out = {"nsdgeneral": np.ones(geometry.n_voxels, int)}
    for atlas, labels in LABELS.items():
        if atlas.startswith(("prf-visualrois", "floc-")):
            out[atlas] = _numbers(names, labels)
    degrees = np.where(out["prf-visualrois"] > 0, brain.tuning.eccentricity, np.nan)
    bands = np.zeros(geometry.n_voxels, int)
    for k, (_, low, high) in enumerate(BANDS, start=1):
        bands[(degrees >= low) & (degrees < high)] = k
    out["prf-eccrois"] = bands
    streams = [_STREAM_OF.get(r.name, _STREAM.get(r.kind, "")) for r in geometry.region]
    out["streams"] = _numbers(np.asarray(streams), LABELS["streams"])
    out["Kastner2015"] = _numbers(
        np.where(names == "LO", np.where(geometry.order % 2, "LO1", "LO2"), names),
        LABELS["Kastner2015"],
    )
    areas = np.char.rstrip(np.char.replace(names, "hV4", "V4"), "vd")
    out["HCP_MMP1"] = sum(k * (areas == name).astype(int) for k, name in AREAS.items())
    return out


def _name(region: Region) -> str:
    """Return NSD's name of a region: FFA-1, which BIDS would have as FFA1."""
    stem = region.name[:-1]
    hyphen = region.kind == "category" and region.name[-1].isdigit()
    return f"{stem}-{region.name[-1]}" if hyphen else region.name


def _numbers(names: np.ndarray, labels: tuple[str, ...]) -> np.ndarray:
    """Return 1, 2, … for the labels, 0 for other names."""
    return np.asarray([labels.index(n) + 1 if n in labels else 0 for n in names])


def _write_ctab(tree: Tree, subject: str, name: str, labels: dict[int, str]) -> None:
    """Write a table of labels with the tabs and blanks that NSD's have at the ends."""
    path = tree.surface_labels(subject) / f"{name}.mgz.ctab"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["0 Unknown", *(f"{k} {label}\t    " for k, label in labels.items())]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_maps(tree: Tree, brain: Brain, space: str, version: str) -> None:
    """Write maps of receptive fields, the signal-to-noise ratio and a background to draw on."""
    geometry, planted, size = brain.geometry, brain.tuning, VOXEL[space]
    folder, cortex = tree.volumes(geometry.subject, space), cortex_of(brain)
    square = np.minimum(planted.ncsnr, 1000.0) ** 2
    angle = np.rad2deg(np.arctan2(planted.y, planted.x)) % 360
    for name, values, elsewhere in (
        ("eccentricity", np.minimum(planted.eccentricity, FARTHEST), FARTHEST),
        ("angle", angle, 0.0),
        ("size", planted.size, 0.0),
        ("R2", 100 * square / (square + 1), 0.0),
    ):
        volume = np.where(cortex.brain, elsewhere, np.nan).astype(np.float32)
        volume.ravel()[geometry.voxels] = values
        write_volume(folder / f"prf_{name}.nii.gz", volume, size)
    ncsnr = geometry.volume(np.minimum(planted.ncsnr, 1000.0).astype(np.float32))
    betas = tree.betas(geometry.subject, space, version)
    write_volume(betas / "ncsnr.nii.gz", ncsnr, size)
    write_volume(folder / "brainmask.nii.gz", cortex.brain.astype(np.int16), size)
    ground = np.rint(geometry.anatomy * 1000).astype(np.int16)
    for name in (f"T1_to_{space}", "mean"):
        write_volume(folder / f"{name}.nii.gz", ground, size)
