"""Save and load the nouns: betas, latents and images as files that open without being read.

Latents are cut into blocks of columns, ``(n_blocks, n_rows, width)`` in one ``.npy`` file, the
layout that is fast both to write image by image and to read target block by target block.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurodiffuse.errors import DataError, MissingDataError
from neurodiffuse.overlap import ahead
from neurodiffuse.reading import Stretches, leave_no_cache
from neurodiffuse.types import Betas, Latents, Shape

WIDTH = 2048
"""Targets in one block of columns."""

ROUNDING = 1e-6
"""Part of the mean below which a float32 column's deviation is rounding."""


def save_betas(folder: Path, name: str, betas: Betas) -> None:
    """Write ``name.npy`` (n_rows, n_voxels) float32 and the ids beside it."""
    np.save(folder / f"{name}.npy", np.asarray(betas.values, np.float32))
    (folder / f"{name}.json").write_text(json.dumps({"ids": betas.ids}), encoding="utf-8")


def create_betas(folder: Path, name: str, ids: Sequence[str], voxels: int) -> np.memmap:
    """Make the files of `save_betas` with all values 0 and return these, mapped, to be changed."""
    path = folder / f"{name}.npy"
    allocate(path, (len(ids), voxels), np.dtype(np.float32))
    (folder / f"{name}.json").write_text(json.dumps({"ids": tuple(ids)}), encoding="utf-8")
    return np.lib.format.open_memmap(path, "r+")


def allocate(path: Path, shape: Shape, dtype: np.dtype) -> None:
    """Make a ``.npy`` file of zeros at its full size, so that a full disk is told now."""
    head = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        start, size = file.tell(), dtype.itemsize * int(np.prod(shape))
        file.flush()
        if size:
            os.posix_fallocate(file.fileno(), start, size)


def save_triangle(path: Path, matrix: np.ndarray) -> None:
    """Write the lower triangle of a matrix (n, n) as ``.npy``, in Fortran order.

    What is above it is 0 and a hole in the file: it takes no room where file systems have holes.
    """
    head = {"descr": matrix.dtype.str, "fortran_order": True, "shape": matrix.shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, head)
        start, size = file.tell(), matrix.itemsize
        for k, column in enumerate(np.asfortranarray(matrix).T):
            file.seek(start + size * k * (len(matrix) + 1))
            file.write(column[k:].data)


def load_betas(folder: Path, name: str) -> Betas:
    """Return betas whose values are mapped, not read."""
    head = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return Betas(tuple(head["ids"]), np.load(folder / f"{name}.npy", mmap_mode="r"))


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
        MissingDataError
            If it is not there.
        """
        for file in (path.with_suffix(".json"), path):
            if not file.exists():
                raise MissingDataError(
                    f"{file}: these latents are gone. Give the decode command that began the run "
                    "again, with --from encode."
                )
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        shapes = tuple(tuple(s) for s in about["shapes"])
        return cls(path, tuple(about["ids"]), shapes, about.get("dtype", "float32"))

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
        stored = np.load(self.path, mmap_mode="r")[:, start:stop]
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
        return np.asarray(np.load(self._units_path))

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
        with self.path.open("rb") as file:
            return _data_offset(file)

    def _read(self, file: Stretches, block: int) -> np.ndarray:
        shape = (len(self.ids), self.width)
        size = self._stored.itemsize * int(np.prod(shape))
        try:
            values = file.read(self._offset + block * size, size)
        except EOFError as error:
            raise DataError(f"{self.path}: the file ends too early. Encode again.") from error
        return values.view(self._stored).reshape(shape)


def _data_offset(file: Any) -> int:
    file.seek(0)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return int(file.tell())


def labels(ids: Sequence[str]) -> tuple[str, ...]:
    """Return a distinct, alphanumeric BIDS label for each id.

    ``stim-nsd02951`` and ``nsd02951`` become ``nsd02951``; when ids differ only in characters
    that a label cannot hold, a piece of their hash keeps them apart.
    """
    plain = [re.sub(r"[^A-Za-z0-9]", "", i.removeprefix("stim-")) or "x" for i in ids]
    often = {p for p, count in Counter(plain).items() if count > 1}
    return tuple(
        p + hashlib.sha256(i.encode()).hexdigest()[:8] if p in often else p
        for p, i in zip(plain, ids, strict=True)
    )


def content(image: np.ndarray) -> str:
    """Return a name for what a picture holds: its shape and pixels, hashed to 128 bits."""
    digest = hashlib.blake2b(repr(image.shape).encode(), digest_size=16)
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()


def link_files(source: Path, target: Path) -> None:
    """Put the files of a folder into another one, sharing their space where the disk can."""
    for file in source.iterdir():
        try:
            os.link(file, target / file.name)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EMLINK):
                raise
            shutil.copyfile(file, target / file.name)


def seed_of(seed: int, image: str, sample: int = 0) -> int:
    """Return the seed of one image: the run's seed and the image's id, hashed to 63 bits.

    Samples after the first one (0) have seeds of their own.
    """
    said = f"{seed}/{image}" + (f"/sample-{sample + 1}" if sample else "")
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8], "big") >> 1


def sample_folder(stage: Path, sample: int) -> Path:
    """Return where a sample's pictures are: the first (0) in the stage's folder, others below."""
    return stage / f"sample-{sample + 1}" if sample else stage


def save_image(path: Path, values: np.ndarray) -> None:
    """Write uint8 (height, width, 3) as PNG, whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    Image.fromarray(values).save(beside, format="PNG")
    beside.replace(path)


def load_images(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Return uint8 (n_images, height, width, 3) of the files ``NAME.png``."""
    first = np.asarray(Image.open(folder / f"{names[0]}.png"))
    values = np.empty((len(names), *first.shape), first.dtype)
    for k, name in enumerate(names):
        values[k] = np.asarray(Image.open(folder / f"{name}.png"))
    return values
