"""Files with one value a voxel or vertex: labels of regions, and maps.

In a file of labels -1 is not this hemisphere's cortex (or none), 0 is cortex without a label, and
labels count from 1. Only what is above 0 is ever in a region.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.readers.grids import Alignment, difference
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.voxels import labels_of
from neurodiffuse.types import Grid
from neurodiffuse_nsd import nifti, surface
from neurodiffuse_nsd.sessions import place_on
from neurodiffuse_nsd.tree import HEMISPHERES, Tree, WrongFileError, check_content, first_of

OUTSIDE = -1
"""The label of what is no cortex of the hemisphere."""


@dataclass(frozen=True)
class Sheet:
    """Values of a whole grid: one volume, or on a surface a file for each hemisphere.

    ``side`` is ``lh`` or ``rh`` for a sheet of one hemisphere. ``ways`` say for each vertex of
    the grid which vertex of the file it is, where the file is on the subject's own surface.
    """

    name: str
    side: str
    paths: tuple[Path, ...]
    ways: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """The file, or the first of them."""
        return self.paths[0]

    def labels(self, grid: Grid) -> np.ndarray:
        """Return the labels as integers (grid.size,); what is NaN or infinite becomes -1.

        Raises
        ------
        DataError
            If a label is no whole number, but for the rounding of a scale factor.
        """
        parts = [
            np.where(np.isfinite(stored), labels_of(path, stored), OUTSIDE)
            for path, stored in self._stored(grid, outside=OUTSIDE)
        ]
        labels = np.concatenate(parts)
        return labels.astype(np.int16) if np.abs(labels).max() < 2**15 else labels

    def values(self, grid: Grid) -> np.ndarray:
        """Return a map as float32 (grid.size,)."""
        parts = [stored for _, stored in self._stored(grid, outside=np.nan)]
        return np.concatenate(parts).astype(np.float32)

    def check(self, grid: Grid, remarks: Remarks) -> None:
        """Refuse a volume on another grid, and tell one that lies elsewhere; of headers alone.

        Raises
        ------
        DataError
            If the shape or the directions of the axes do not fit.
        MissingDataError
            If the content of a file was not fetched.
        """
        check_content(*self.paths, *self.ways)
        if not self._is_surface:
            self._way(nifti.read_header(self.path), grid, remarks)

    def check_labels(self, grid: Grid) -> None:
        """Refuse labels that are no whole numbers; integers are not read for it.

        Raises
        ------
        DataError
            If there are such, or the file is damaged.
        """
        if self._is_surface:
            fractions = any(map(surface.holds_floats, self.paths))
        else:
            header = nifti.read_header(self.path)
            fractions = header.dtype.kind == "f" or header.scaled
        if fractions:
            self.labels(grid)

    @property
    def _is_surface(self) -> bool:
        return self.path.suffix in (".mgh", ".mgz")

    def _way(self, header: nifti.Header, grid: Grid, remarks: Remarks) -> Alignment:
        """Return how a volume lies on the betas' grid."""
        own = Grid(header.shape, header.affine, grid.space, header.placed)
        way = place_on(own, grid, self.path, remarks)
        if way is None:
            raise WrongFileError(
                f"{self.path}: is on another grid than the betas: {difference(own, grid)}. It is "
                "another subject's, or in another space."
            )
        return way

    def _stored(self, grid: Grid, outside: float) -> list[tuple[Path, np.ndarray]]:
        """Return what each file holds, in the order of the grid."""
        if self._is_surface:
            return [self._half(k, grid, outside) for k in range(2)]
        stored, header = nifti.volume(self.path)
        way = self._way(header, grid, Remarks(self.path.parent))
        return [(self.path, way.apply(stored.reshape(header.shape)).ravel())]

    def _half(self, k: int, grid: Grid, outside: float) -> tuple[Path, np.ndarray]:
        """Return one hemisphere's vertices on the grid, and their file."""
        count = grid.size // 2
        path = self.paths[0 if self.side else k]
        if self.side and HEMISPHERES[k] != self.side:
            return path, np.full(count, outside, np.float32)
        stored = surface.values(path)
        if self.ways:
            way = self.ways[0 if self.side else k]
            stored = _along(way, stored, path)
        if len(stored) != count:
            raise WrongFileError(
                f"{path}: has {len(stored)} vertices where fsaverage has {count}; it is on "
                "another surface."
            )
        return path, stored


def _along(way: Path, stored: np.ndarray, path: Path) -> np.ndarray:
    """Return for each vertex of fsaverage the value of the subject's nearest vertex."""
    index = surface.values(way).astype(np.int64) - 1
    if index.min() < 0 or index.max() >= len(stored):
        raise WrongFileError(
            f"{path}: has {len(stored)} vertices and {way.name} leads to vertex {index.max() + 1}; "
            "the two files are of different subjects."
        )
    return stored[index]


# --- where they are ----------------------------------------------------------------------------


def volumes_in(folder: Path, pattern: str = "*") -> Iterator[Sheet]:
    """Yield the volumes ``[lh.|rh.]NAME.nii.gz`` of a folder, sorted by name."""
    for path in sorted(folder.glob(f"{pattern}.nii.gz")):
        name = path.name.removesuffix(".nii.gz")
        side = name[:2] if name[:3] in ("lh.", "rh.") else ""
        yield Sheet(name.removeprefix(f"{side}.") if side else name, side, (path,))


def surfaces_of(tree: Tree, subject: str, names: Iterable[str]) -> Iterator[Sheet]:
    """Yield the files ``[lh|rh].NAME.mgz``, of fsaverage or else of the subject's own surface.

    Each comes for both hemispheres together and for either alone.
    """
    ways = tuple(tree.transforms(subject) / f"{h}.white-to-fsaverage.mgz" for h in HEMISPHERES)
    for name in names:
        own, common = (
            [tree.surface_labels(place) / f"{h}.{name}.mgz" for h in HEMISPHERES]
            for place in (subject, "fsaverage")
        )
        found = first_of([common, [*own, *ways]])
        pair, needed = found[:2], found[2:]
        if pair:
            yield Sheet(name, "", pair, needed)
            for k, side in enumerate(HEMISPHERES):
                yield Sheet(name, side, pair[k : k + 1], needed[k : k + 1])
