"""Where the voxels are: ROI masks of a real brain, in a folder of NIfTI files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.simulate.geometry import Geometry, add_control, assemble, phantom, positions
from neurodiffuse.simulate.regions import Region, named

CONTROL_SHARE = 0.1
"""Unresponsive voxels around the masks, as a share of the voxels in them."""

_FILE = re.compile(
    r"^(?:sub-(?P<subject>[A-Za-z0-9]+)_)?(?:.*_)?(?:hemi-(?P<hemi>[LR])_)?"
    r"(?:mask|label|roi|desc)-(?P<name>[A-Za-z0-9+]+?)(?:_(?:mask|roi))?\.nii(?:\.gz)?$"
)


@dataclass(frozen=True)
class MaskFile:
    """A mask with what its name says; ``subject`` and ``hemisphere`` may be empty."""

    path: Path
    subject: str
    hemisphere: str
    region: Region


def mask_files(folder: Path) -> list[MaskFile]:
    """Return the masks in a folder, by name: ``sub-CSI1_mask-LHPPA.nii.gz`` and the like.

    Names are ``[sub-LABEL_][hemi-L_]mask-NAME.nii.gz`` with ``mask``, ``label``, ``roi`` or
    ``desc`` before the region, whose name may begin with ``LH`` or ``RH``.

    Raises
    ------
    MissingDataError
        If the folder has no mask.
    DataError
        If a file names an unknown region.
    """
    found = []
    for path in sorted(folder.glob("*.nii*")):
        match = _FILE.match(path.name)
        if match is None:
            raise DataError(
                f"{path}: the name of a mask must look like sub-01_mask-LHPPA.nii.gz or "
                "sub-01_hemi-L_label-PPA_mask.nii.gz."
            )
        name, side = match["name"], match["hemi"] or ""
        if prefixed := re.match(r"(?i)^([LR])H(.+)$", name):
            side, name = prefixed[1].upper(), prefixed[2]
        region = named(name, where=str(path))
        found.append(MaskFile(path, match["subject"] or "", side, region))
    if not found:
        raise MissingDataError(
            f"--geometry {folder}: there is no mask (.nii or .nii.gz). "
            "Give a folder with files such as sub-01_mask-LHPPA.nii.gz."
        )
    return found


def from_masks(files: Sequence[MaskFile], label: str, number: int, *, seed: int) -> Geometry:
    """Return the geometry that a subject's masks describe.

    A voxel in two masks belongs to the first by file name; left and right are told by the
    name or else by the sign of x. Unresponsive voxels lie in a shell around the masks.

    Raises
    ------
    DataError
        If a mask cannot be read, is empty, or two are not on one grid.
    """
    taken: dict[int, tuple[Region, str, int]] = {}
    shape: tuple[int, ...] = ()
    for file in files:
        data, grid = _read_mask(file.path)
        if not shape:
            shape, affine = data.shape, grid
            where = positions(shape, affine)
        elif data.shape != shape or not np.allclose(grid, affine, atol=1e-3):
            raise DataError(
                f"{file.path}: its grid {data.shape} is not that of {files[0].path.name} {shape}. "
                "All masks of a subject must be on one grid."
            )
        _take(taken, np.flatnonzero(data), where, file)
    inside = np.zeros(shape, dtype=bool)
    inside.flat[list(taken)] = True
    shell = np.flatnonzero(binary_dilation(inside, iterations=2) & ~inside)
    add_control(taken, shell, where, round(CONTROL_SHARE * len(taken)), seed, number)
    return assemble(label, shape, affine, taken, _background(where, inside))  # type: ignore[arg-type]


def _read_mask(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        image = nibabel.load(path)
        data = np.asarray(image.dataobj) > 0  # type: ignore[attr-defined]
    except (nibabel.filebasedimages.ImageFileError, OSError, EOFError, ValueError) as error:
        raise DataError(f"{path}: this mask cannot be read ({error}).") from None
    if data.ndim != 3:
        raise DataError(f"{path}: a mask must have 3 dimensions, this has {data.ndim}.")
    if not data.any():
        raise DataError(f"{path}: this mask is empty. Leave the file out.")
    return data, np.asarray(image.affine, dtype=float)  # type: ignore[attr-defined]


def _take(
    taken: dict[int, tuple[Region, str, int]],
    voxels: np.ndarray,
    where: np.ndarray,
    file: MaskFile,
) -> None:
    free = np.asarray([v for v in voxels if v not in taken], dtype=int)
    sides = np.where(where[free, 0] < 0, "L", "R") if not file.hemisphere else None
    for side in "LR":
        patch = (
            free if side == file.hemisphere else free[sides == side] if sides is not None else []
        )
        if len(patch) == 0:
            continue
        distance = np.linalg.norm(where[patch] - where[patch].mean(axis=0), axis=1)
        nearest = patch[np.argsort(distance, kind="stable")]
        taken.update({int(v): (file.region, side, k) for k, v in enumerate(nearest)})


def _background(where: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Return a T1w-like ellipsoid around the grid's middle, bright where the masks are."""
    middle = (where.min(axis=0) + where.max(axis=0)) / 2
    radii = 0.48 * (where.max(axis=0) - where.min(axis=0))
    radius = np.linalg.norm((where - middle) / radii, axis=1).reshape(inside.shape)
    values = np.where(radius <= 1, np.where(radius > 0.8, 0.6, 0.9), 0.0)
    values[inside] = 0.6
    return gaussian_filter(values, 1.0).astype(np.float32)


def subjects_of(files: Sequence[MaskFile]) -> list[str]:
    """Return the subject labels that mask files name, sorted; none when they name nobody."""
    return sorted({file.subject for file in files if file.subject})


def build(folder: Path | None, count: int, *, seed: int) -> list[Geometry]:
    """Return the geometries of ``count`` subjects, built in or from a folder of masks.

    Raises
    ------
    DataError
        If the folder has masks of fewer subjects.
    """
    if folder is None:
        return [phantom(number, seed=seed) for number in range(1, count + 1)]
    files = mask_files(folder)
    labels = subjects_of(files)
    if not labels:
        return [
            from_masks(files, f"{number:02d}", number, seed=seed) for number in range(1, count + 1)
        ]
    if count > len(labels):
        raise DataError(
            f"--subjects {count}: {folder} has masks of {len(labels)} subjects "
            f"({listing(labels)}). Ask for at most that many."
        )
    return [
        from_masks([f for f in files if f.subject in (label, "")], label, k, seed=seed)
        for k, label in enumerate(labels[:count], start=1)
    ]
