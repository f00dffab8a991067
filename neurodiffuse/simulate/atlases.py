"""Write where things are in a simulated brain: background, masks, lookup tables, maps."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.simulate.files import write_image, write_table
from neurodiffuse.simulate.geometry import Geometry
from neurodiffuse.simulate.tuning import Tuning

BANDS: tuple[tuple[str, float, float], ...] = (
    ("ecc0pt5", 0, 0.5),
    ("ecc1", 0.5, 1),
    ("ecc2", 1, 2),
    ("ecc4", 2, 4),
    ("ecc4plus", 4, np.inf),
)
"""Eccentricity bands in degrees, named after their upper ends: lower <= eccentricity < upper."""

COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#bbbbbb", "#332288")


def write_anatomy(root: Path, geometry: Geometry, tuning: Tuning) -> None:
    """Write everything of a subject that is not a response."""
    folder = root / f"sub-{geometry.subject}" / "anat"
    shelf = _Shelf(folder, geometry)
    background = np.rint(geometry.anatomy * 1000).astype(np.int16)
    shelf.write(
        background, "desc-preproc_T1w", "Background to draw maps on, simulated", SkullStripped=False
    )
    everywhere = np.ones(geometry.n_voxels, dtype=bool)
    control = np.asarray([r.kind == "control" for r in geometry.region])
    shelf.mask(everywhere, "visual", "All voxels with betas: every region and unresponsive voxels")
    shelf.mask(control, "unresponsive", "Voxels of the mask that respond to nothing")
    sides = np.where(geometry.hemisphere == "L", 1, 2)
    shelf.atlas(sides, {1: "lh", 2: "rh"}, "hemispheres", "Hemisphere of the voxels with betas")
    _write_regions(shelf, geometry)
    _write_maps(shelf, geometry, tuning)


class _Shelf:
    """Writes volumes of one subject under their BIDS names."""

    def __init__(self, folder: Path, geometry: Geometry) -> None:
        self.folder = folder
        self.geometry = geometry
        self.stem = f"sub-{geometry.subject}_space-{geometry.space}"

    def write(self, volume: np.ndarray, name: str, description: str, **more: Any) -> None:
        """Write a volume as ``name`` (entities after the space, and suffix)."""
        sidecar: dict[str, Any] = {"Description": description, **more}
        own = f"{self.stem}_{name}.nii.gz"
        is_reference = self.geometry.reference.endswith(own)
        sidecar["SpatialReference"] = "orig" if is_reference else self.geometry.reference
        write_image(self.folder / own, volume, self.geometry.affine, sidecar)

    def mask(self, members: np.ndarray, label: str, description: str) -> None:
        """Write voxels (n_voxels,) as a mask."""
        volume = self.geometry.volume(members.astype(np.uint8))
        self.write(volume, f"label-{label}_mask", description, Type="ROI", Sources=_SOURCES)

    def atlas(
        self, numbers: np.ndarray, names: dict[int, str], label: str, description: str
    ) -> None:
        """Write numbers (n_voxels,) as a segmentation with its lookup table."""
        volume = self.geometry.volume(numbers.astype(np.uint8))
        self.write(volume, f"seg-{label}_dseg", description, Sources=_SOURCES)
        write_table(
            self.folder / f"{self.stem}_seg-{label}_dseg.tsv",
            ("index", "name", "color"),
            ((k, name, COLOURS[(k - 1) % len(COLOURS)]) for k, name in sorted(names.items())),
        )

    def map(self, values: np.ndarray, name: str, description: str, units: str) -> None:
        """Write a continuous map, NaN where there is no value."""
        volume = self.geometry.volume(np.round(values, 4).astype(np.float32), outside=np.nan)
        more = {"Units": units, "SkullStripped": True, "Sources": _SOURCES}
        self.write(volume, f"{name}_statmap", description, **more)


_SOURCES = ["bids::sourcedata/truth/simulation.json"]


def _write_regions(shelf: _Shelf, geometry: Geometry) -> None:
    present = {r for r in geometry.region if r.atlas}
    ordered = sorted(present, key=lambda r: (r.atlas, r.index))
    for atlas, group in groupby(ordered, key=lambda r: r.atlas):
        names = {region.index: region.name for region in group}
        numbers = np.asarray([r.index if r.atlas == atlas else 0 for r in geometry.region])
        shelf.atlas(numbers, names, atlas, "Planted regions")


def _write_maps(shelf: _Shelf, geometry: Geometry, tuning: Tuning) -> None:
    retinotopic = np.asarray([r.kind == "retinotopic" for r in geometry.region])
    eccentricity = np.where(retinotopic, np.round(tuning.eccentricity, 4), np.nan)
    if retinotopic.any():
        bands = np.zeros(geometry.n_voxels, dtype=int)
        for k, (_, low, high) in enumerate(BANDS, start=1):
            bands[(eccentricity >= low) & (eccentricity < high)] = k
        names = {k: name for k, (name, _, _) in enumerate(BANDS, start=1) if (bands == k).any()}
        shelf.atlas(bands, names, "prfeccrois", "Eccentricity bands: 0.5, 1, 2, 4 degrees")
        angle = np.rad2deg(np.arctan2(tuning.y, tuning.x)) % 360
        field = "of the receptive field, retinotopic regions only"
        shelf.map(eccentricity, "stat-eccentricity_desc-prf", f"Eccentricity {field}", "degree")
        shelf.map(
            np.where(retinotopic, angle, np.nan),
            "stat-angle_desc-prf",
            f"Polar angle {field}, anticlockwise from the right horizontal meridian",
            "degree",
        )
        size = np.where(retinotopic, tuning.size, np.nan)
        shelf.map(size, "stat-size_desc-prf", f"Standard deviation {field}", "degree")
    shelf.map(
        np.where(np.isfinite(tuning.ncsnr), tuning.ncsnr, 1000.0),
        "stat-ncsnr_desc-singletrial",
        "Planted noise-ceiling signal-to-noise ratio: spread of the signal over that of one "
        "trial's noise; the noise ceiling in percent is 100 ncsnr^2 / (ncsnr^2 + 1/n) for the "
        "mean of n trials; 1000 stands for no noise",
        "arbitrary",
    )
