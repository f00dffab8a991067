"""Save and load the nouns: betas, latents and images as files that open without being read.

Latents are cut into blocks of columns, ``(n_blocks, n_rows, width)`` in one ``.npy`` file, the
layout that is fast both to write image by image and to read target block by target block.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from neurodiffuse.types import Betas, Latents, Shape

WIDTH = 2048
"""Targets in one block of columns."""


def save_betas(folder: Path, name: str, betas: Betas) -> None:
    """Write ``name.npy`` (n_rows, n_voxels) float32 and the ids beside it."""
    np.save(folder / f"{name}.npy", np.asarray(betas.values, np.float32))
    (folder / f"{name}.json").write_text(json.dumps({"ids": betas.ids}), encoding="utf-8")


def load_betas(folder: Path, name: str) -> Betas:
    """Return betas whose values are mapped, not read."""
    head = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return Betas(tuple(head["ids"]), np.load(folder / f"{name}.npy", mmap_mode="r"))


@dataclass(frozen=True, eq=False)
class LatentFile:
    """Latents on disk: rows are written in batches, columns are read in blocks."""

    path: Path
    ids: tuple[str, ...]
    shapes: tuple[Shape, ...]

    @property
    def targets(self) -> int:
        """Number of targets (columns)."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    @property
    def width(self) -> int:
        """Columns in a block."""
        return min(WIDTH, max(self.targets, 1))

    @classmethod
    def create(cls, path: Path, ids: Sequence[str], shapes: Sequence[Sequence[int]]) -> LatentFile:
        """Make the file at its full size, so that a full disk is told now and not midway."""
        made = cls(path, tuple(ids), tuple(tuple(int(s) for s in shape) for shape in shapes))
        blocks = -(-made.targets // made.width)
        dimensions = (blocks, len(made.ids), made.width)
        head = {"descr": "<f4", "fortran_order": False, "shape": dimensions}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, head)
            start, size = file.tell(), 4 * int(np.prod(dimensions))
            file.flush()
            if size:
                os.posix_fallocate(file.fileno(), start, size)
        about = {"ids": made.ids, "shapes": made.shapes}
        path.with_suffix(".json").write_text(json.dumps(about), encoding="utf-8")
        return made

    @classmethod
    def open(cls, path: Path) -> LatentFile:
        """Return what was made by `create`."""
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return cls(path, tuple(about["ids"]), tuple(tuple(s) for s in about["shapes"]))

    def write(self, start: int, values: np.ndarray) -> None:
        """Write rows ``start`` onwards; ``values`` is (n, targets)."""
        with self.path.open("r+b") as file:
            offset = _data_offset(file)
            for block, columns in enumerate(self.columns()):
                part = np.zeros((len(values), self.width), "<f4")
                part[:, : columns.stop - columns.start] = values[:, columns]
                file.seek(offset + 4 * self.width * (block * len(self.ids) + start))
                file.write(part.tobytes())

    def write_columns(self, columns: slice, values: np.ndarray) -> None:
        """Write one block of columns of all rows; ``values`` is (n_rows, n_columns)."""
        part = np.zeros((len(self.ids), self.width), "<f4")
        part[:, : columns.stop - columns.start] = values
        with self.path.open("r+b") as file:
            block = columns.start // self.width
            file.seek(_data_offset(file) + 4 * self.width * block * len(self.ids))
            file.write(part.tobytes())

    def columns(self) -> list[slice]:
        """Return the target columns of each block."""
        starts = range(0, self.targets, self.width)
        return [slice(s, min(s + self.width, self.targets)) for s in starts]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield ``(columns, values (n_rows, n_columns) float32)`` block by block, read once."""
        stored = np.load(self.path, mmap_mode="r")
        for block, columns in zip(stored, self.columns(), strict=True):
            yield columns, np.asarray(block[:, : columns.stop - columns.start])

    def rows(self, start: int = 0, stop: int | None = None) -> Latents:
        """Return latents of images ``start`` to ``stop`` in memory."""
        stored = np.load(self.path, mmap_mode="r")[:, start:stop]
        values = np.concatenate(list(stored), axis=1)[:, : self.targets]
        return Latents(self.ids[start:stop], np.ascontiguousarray(values), self.shapes)


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


def seed_of(seed: int, image: str) -> int:
    """Return the seed of one image: the run's seed and the image's id, hashed to 63 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{image}".encode()).digest()[:8], "big") >> 1


def save_image(path: Path, values: np.ndarray) -> None:
    """Write uint8 (height, width, 3) as PNG, whole or not at all."""
    beside = path.with_name(path.name + ".partial")
    Image.fromarray(values).save(beside, format="PNG")
    beside.replace(path)


def load_images(folder: Path, names: Sequence[str]) -> np.ndarray:
    """Return uint8 (n_images, height, width, 3) of the files ``NAME.png``."""
    return np.stack([np.asarray(Image.open(folder / f"{name}.png")) for name in names])
