"""Where the voxels are: a built-in occipital and temporal cortex, or masks of a real one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter

from neurodiffuse.errors import DataError, MissingDataError, listing
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse.simulate.regions import REGIONS, UNRESPONSIVE, Region, named

VOXEL = 3.0
SHAPE = (28, 28, 20)
ORIGIN = (-40.5, -106.5, -31.5)
"""Voxel size (mm), shape and centre of the first voxel (mm) of the built-in geometry."""

CONTROL_SHARE = 0.1
"""Unresponsive voxels around real masks, as a share of the voxels in them."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The voxels of one subject, in C order of the grid.

    ``voxels`` int (n_voxels,) flat index into the grid; ``region`` the region of each;
    ``hemisphere`` ``"L"`` or ``"R"``; ``order`` int, the voxel's place in its region and
    hemisphere, counted from the middle of the patch; ``anatomy`` float32 (shape), a background
    to draw maps on, 0 to 1.
    """

    subject: str
    shape: tuple[int, int, int]
    affine: np.ndarray
    voxels: np.ndarray
    region: tuple[Region, ...]
    hemisphere: np.ndarray
    order: np.ndarray
    anatomy: np.ndarray

    @property
    def n_voxels(self) -> int:
        """Number of voxels in the mask."""
        return len(self.voxels)

    @property
    def space(self) -> str:
        """BIDS label of the space, from the voxel size: ``func3mm``, ``func1pt8mm``."""
        size = np.linalg.norm(self.affine[:3, 0])
        return f"func{size:.1f}mm".replace(".0mm", "mm").replace(".", "pt")

    @property
    def reference(self) -> str:
        """BIDS URI of the background, which defines the space."""
        own = f"sub-{self.subject}"
        return f"bids::{own}/anat/{own}_space-{self.space}_desc-preproc_T1w.nii.gz"

    @property
    def millimetres(self) -> np.ndarray:
        """World coordinates of the voxels, float64 (n_voxels, 3)."""
        return positions(self.shape, self.affine)[self.voxels]

    def volume(self, values: np.ndarray, *, outside: float = 0) -> np.ndarray:
        """Return values (n_voxels,) on the grid."""
        full = np.full(int(np.prod(self.shape)), outside, dtype=values.dtype)
        full[self.voxels] = values
        return full.reshape(self.shape)


def positions(shape: Sequence[int], affine: np.ndarray) -> np.ndarray:
    """Return the world coordinates of every voxel of a grid, float64 (n, 3), in C order."""
    index = np.indices(shape).reshape(3, -1).T
    return index @ affine[:3, :3].T + affine[:3, 3]


# --- built in ----------------------------------------------------------------------------------


def phantom(number: int, *, seed: int) -> Geometry:
    """Return the built-in geometry of subject ``number`` (1, 2, …).

    Regions are patches of a cortical ribbon, two to three voxels thick, of an ellipsoid brain;
    their places vary by a few mm and their sizes by some percent from subject to subject.
    """
    rng = stream(seed, Draw.ANATOMY, number)
    affine = np.diag([VOXEL, VOXEL, VOXEL, 1.0])
    affine[:3, 3] = ORIGIN
    where = positions(SHAPE, affine)
    grey, anatomy = _tissue(where, radii=np.array([40.0, 74.0, 33.0]) + rng.normal(0, 0.7, 3))
    size = float(np.exp(rng.normal(0, 0.07)))
    taken: dict[int, tuple[Region, str, int]] = {}
    for region in REGIONS:
        shift = rng.normal(0, 1.5, 3)
        for side, sign in (("L", -1.0), ("R", 1.0)):
            centre = (np.asarray(region.centre) + shift) * (sign, 1, 1)
            free = [v for v in np.flatnonzero(grey & (where[:, 0] * sign > 0)) if v not in taken]
            distance = np.linalg.norm(where[free] - centre, axis=1)
            nearest = np.argsort(distance, kind="stable")[: round(region.voxels / 2 * size)]
            taken.update({free[v]: (region, side, k) for k, v in enumerate(nearest)})
    rest = np.asarray([v for v in np.flatnonzero(grey) if v not in taken])
    _add_control(taken, rest, where, round(UNRESPONSIVE.voxels * size), seed, number)
    return _geometry(f"{number:02d}", SHAPE, affine, taken, anatomy)


def _tissue(where: np.ndarray, *, radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return grey matter (bool) and a T1w-like intensity of an ellipsoid brain."""
    radius = np.linalg.norm((where - (0.0, -30.0, 0.0)) / radii, axis=1)
    inside = radius <= 1
    midline = np.abs(where[:, 0]) < VOXEL  # the cleft between the hemispheres
    medial = (np.abs(where[:, 0]) < 8) & (radius > 0.6)
    grey = inside & ~midline & ((radius > 0.78) | medial)
    values = np.where(inside, np.where(grey, 0.6, 0.9), 0.0)
    values[(radius > 1) & (radius < 1.06)] = 0.15
    values[inside & midline] = 0.25
    smooth = gaussian_filter(values.reshape(SHAPE), 0.5)
    return grey, smooth.astype(np.float32)


def _add_control(
    taken: dict[int, tuple[Region, str, int]],
    candidates: np.ndarray,
    where: np.ndarray,
    count: int,
    seed: int,
    number: int,
) -> None:
    """Let unresponsive voxels take the candidates that come first in a random order."""
    rank = stream(seed, Draw.CONTROL, number).random(len(where))[candidates]
    chosen = candidates[np.argsort(rank, kind="stable")[:count]]
    for k, voxel in enumerate(chosen):
        taken[int(voxel)] = (UNRESPONSIVE, "L" if where[voxel, 0] < 0 else "R", k)


def _geometry(
    subject: str,
    shape: tuple[int, int, int],
    affine: np.ndarray,
    taken: dict[int, tuple[Region, str, int]],
    anatomy: np.ndarray,
) -> Geometry:
    voxels = np.asarray(sorted(taken))
    region, side, order = zip(*(taken[int(v)] for v in voxels), strict=True)
    return Geometry(
        subject, shape, affine, voxels, region, np.asarray(side), np.asarray(order), anatomy
    )


# --- from masks --------------------------------------------------------------------------------

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
    _add_control(taken, shell, where, round(CONTROL_SHARE * len(taken)), seed, number)
    return _geometry(label, shape, affine, taken, _background(where, inside))  # type: ignore[arg-type]


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
