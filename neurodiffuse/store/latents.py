"""Latents on disk, cut into blocks of columns, ``(n_blocks, n_rows, width)`` in one ``.npy`` file.

That is the layout which is fast both to write image by image and to read target block by target
block.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.errors import DataError, RunError
from neurodiffuse.files import read_clearly, read_json
from neurodiffuse.overlap import ahead
from neurodiffuse.reading import Stretches, leave_no_cache
from neurodiffuse.store.arrays import allocate, load_array
from neurodiffuse.types import Latents, Shape

WIDTH = 2048
"""Targets in one block of columns."""

ROUNDING = 1e-6
"""Part of the mean below which a float32 column's deviation is rounding."""


@dataclass(frozen=True, eq=False)
class LatentFile:
    """Latents on disk: rows are written in batches, columns are read in blocks.

    With ``dtype`` float16 the file holds ``(value - centre) / unit`` of each target, so that a
    mean far from 0 costs no precision: errors are below 2^-11 of a value's distance from the
    centre. Centre and unit, float32 (2, targets), lie beside it in ``NAME_units.npy``; they are
    those of the first rows (`settle`), which need not be exact.
    """

    path: Path
    ids: tuple[str, ...]
    shapes: tuple[Shape, ...]
    dtype: str = "float32"

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process, which may work in another folder, opens the file by."""
        return {f.name: getattr(self, f.name) for f in fields(self)} | {"path": self.path.resolve()}

    @property
    def targets(self) -> int:
        """Number of targets (columns)."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def width(self) -> int:
        """Columns in a block."""
        return min(WIDTH, max(self.targets, 1))

    @classmethod
    def create(
        cls,
        path: Path,
        ids: Sequence[str],
        shapes: Sequence[Sequence[int]],
        dtype: str = "float32",
    ) -> LatentFile:
        """Make the file at its full size, so that a full disk is told now and not midway."""
        sizes = tuple(tuple(int(s) for s in shape) for shape in shapes)
        made = cls(path, tuple(ids), sizes, dtype)
        dimensions = (len(made.columns()), len(made.ids), made.width)
        allocate(path, dimensions, made._stored)
        about = {"ids": made.ids, "shapes": made.shapes, "dtype": made.dtype}
        path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
        return made

    @classmethod
    def open(cls, path: Path) -> LatentFile:
        """Return what was made by `create`.

        Raises
        ------
        RunError
            If it is gone or damaged.
        """
        with read_clearly(path):
            path.stat()
        about = read_json(path.with_suffix(".json"))
        shapes = tuple(tuple(s) for s in about["shapes"])
        return cls(path, tuple(about["ids"]), shapes, about.get("dtype", "float32"))

    def places(self, images: Sequence[str]) -> np.ndarray:
        """Return the row of each of these images, intp.

        Raises
        ------
        RunError
            If there is none for an image.
        """
        row = {image: k for k, image in enumerate(self.ids)}
        absent = [image for image in images if image not in row]
        if absent:
            raise RunError(
                f"{self.path}: has no row for {len(absent)} of {len(images)} images, the first "
                f"{absent[0]!r}. Decode again into another --out."
            )
        return np.array([row[image] for image in images], np.intp)

    def of(self, images: Sequence[str]) -> Latents:
        """Return the latents of these images, in their order, in memory.

        Raises
        ------
        RunError
            If there is none for an image.
        """
        stored, rows = load_array(self.path, mapped=True), self.places(images)
        values = np.empty((len(rows), self.targets), np.float32)
        for block, columns in zip(stored, self.columns(), strict=True):
            values[:, columns] = self._unpacked(block[rows], columns)
        return Latents(tuple(images), values, self.shapes)

    def settle(self, values: np.ndarray) -> None:
        """Take centre and unit of float16 targets from some rows, once, before any is written.

        The unit is a power of two near the standard deviation, so that it costs no precision;
        of targets that do not vary in these rows, near the mean. float32 needs neither.
        """
        if self.dtype == "float32":
            return
        centre = values.mean(axis=0, dtype=np.float64)
        size = values.std(axis=0, dtype=np.float64)
        size = np.where(size > ROUNDING * np.abs(centre), size, np.abs(centre))
        unit = np.exp2(np.round(np.log2(np.where(size > 0, size, 1.0))))
        np.save(self._units_path, np.stack([centre, unit]).astype(np.float32))

    def write(self, start: int, values: np.ndarray) -> None:
        """Write rows ``start`` onwards; ``values`` is (n, targets).

        Raises
        ------
        DataError
            If a value is too far from its target's centre for float16.
        """
        with self.path.open("r+b") as file:
            offset, row = _data_offset(file), self._stored.itemsize * self.width
            for block, columns in enumerate(self.columns()):
                part = np.zeros((len(values), self.width), self._stored)
                part[:, : columns.stop - columns.start] = self._packed(values[:, columns], columns)
                file.seek(offset + row * (block * len(self.ids) + start))
                file.write(part.data)

    def write_columns(self, columns: slice, values: np.ndarray) -> None:
        """Write one block of columns of all rows; ``values`` is (n_rows, n_columns)."""
        part = np.asarray(self._packed(values, columns), self._stored, order="C")
        if part.shape[1] < self.width:
            part = np.pad(part, ((0, 0), (0, self.width - part.shape[1])))
        with self.path.open("r+b") as file:
            block = columns.start // self.width
            file.seek(_data_offset(file) + part.nbytes * block)
            file.write(part.data)
            leave_no_cache(file)

    def columns(self) -> list[slice]:
        """Return the target columns of each block."""
        starts = range(0, self.targets, self.width)
        return [slice(s, min(s + self.width, self.targets)) for s in starts]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield ``(columns, values (n_rows, n_columns) float32)`` block by block, read once.

        The next block is read while the last one is worked on.
        """
        with Stretches(self.path) as file:
            stored = (self._read(file, block) for block in range(len(self.columns())))
            for columns, values in zip(self.columns(), ahead(stored), strict=True):
                yield columns, self._unpacked(values, columns)

    def block(self, number: int) -> tuple[slice, np.ndarray]:
        """Return what `blocks` yields at one place."""
        columns = self.columns()[number]
        with Stretches(self.path) as file:
            return columns, self._unpacked(self._read(file, number), columns)

    def rows(self, start: int = 0, stop: int | None = None) -> Latents:
        """Return latents of images ``start`` to ``stop`` in memory."""
        stored = load_array(self.path, mapped=True)[:, start:stop]
        values = np.empty((stored.shape[1], self.targets), np.float32)
        for block, columns in zip(stored, self.columns(), strict=True):
            values[:, columns] = self._unpacked(block, columns)
        return Latents(self.ids[start:stop], values, self.shapes)

    @property
    def _stored(self) -> np.dtype[Any]:
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def _units_path(self) -> Path:
        return self.path.with_name(f"{self.path.stem}_units.npy")

    @cached_property
    def _units(self) -> np.ndarray:
        return load_array(self._units_path)

    def _packed(self, values: np.ndarray, columns: slice) -> np.ndarray:
        if self.dtype == "float32":
            return values
        centre, unit = self._units[:, columns]
        small = (values - centre) / unit
        if np.abs(small).max(initial=0.0) > np.finfo(np.float16).max:
            column = columns.start + int(np.abs(small).max(axis=0).argmax())
            raise DataError(
                f"{self.path.name}: a latent in column {column} is too far from the others for "
                "float16. Write encode.dtype = 'float32'."
            )
        return small

    def _unpacked(self, values: np.ndarray, columns: slice) -> np.ndarray:
        values = values[:, : columns.stop - columns.start]
        if self.dtype == "float32":
            return values
        centre, unit = self._units[:, columns]
        return np.asarray(values, np.float32) * unit + centre

    @cached_property
    def _offset(self) -> int:
        with read_clearly(self.path), self.path.open("rb") as file:
            return _data_offset(file)

    def _read(self, file: Stretches, block: int) -> np.ndarray:
        shape = (len(self.ids), self.width)
        size = self._stored.itemsize * int(np.prod(shape))
        with read_clearly(self.path):
            values = file.read(self._offset + block * size, size)
        return values.view(self._stored).reshape(shape)


def _data_offset(file: Any) -> int:
    file.seek(0)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return int(file.tell())
