"""The scenes that a model is trained on, drawn once and kept in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from neurodiffuse.progress import progress
from neurodiffuse.simulate.scenes import CATEGORIES, COLOURS, Combinations, scene

GRID = 4
"""Cells along a side in which ``cells`` says what is where."""


@dataclass(frozen=True, eq=False)
class Scenes:
    """``images`` uint8 (n, 64, 64, 3); per scene its captions and what is where.

    ``present`` bool (n, 8) categories, ``cells`` int (n, 16, 2) category and colour of the
    object in each cell of a 4 x 4 grid, -1 where there is none, ``count`` (n,) objects.
    """

    images: np.ndarray
    captions: tuple[tuple[str, ...], ...]
    present: np.ndarray
    cells: np.ndarray
    count: np.ndarray
    held_out: np.ndarray

    def __len__(self) -> int:
        return len(self.captions)


def scenes(
    n: int, *, seed: int, combinations: Combinations = "any", cache: Path | None = None
) -> Scenes:
    """Return scenes 0 to n-1 of a seed, from the cache where they are kept."""
    if cache is None:
        return _collect(list(_draw(range(n), seed, combinations)))
    folder = cache / f"scenes-{combinations}-{seed}-{n}"
    if not (folder / "labels.json").exists():
        _write(folder, n, seed, combinations)
    rows = json.loads((folder / "labels.json").read_text())
    images = np.load(folder / "images.npy", mmap_mode="r")
    return _labelled(images, rows)


def _draw(
    indices: range, seed: int, combinations: Combinations
) -> Iterator[tuple[np.ndarray, dict[str, object]]]:
    for index in indices:
        made = scene(index, seed=seed, combinations=combinations, spread=1.0)
        present = [CATEGORIES.index(o.category) for o in made.objects]
        cells = -np.ones((GRID * GRID, 2), dtype=int)
        for thing in made.objects:
            for y in range(GRID):
                for x in range(GRID):
                    gap = np.hypot(
                        (x + 0.5) / GRID - thing.centre[0], (y + 0.5) / GRID - thing.centre[1]
                    )
                    if gap < 0.85 * thing.radius:
                        cells[y * GRID + x] = (
                            CATEGORIES.index(thing.category),
                            COLOURS.index(thing.colour),
                        )
        yield (
            made.image,
            {
                "captions": made.captions,
                "present": present,
                "cells": cells.tolist(),
                "held_out": made.held_out,
            },
        )


def _part(indices: range, seed: int, combinations: Combinations) -> list[tuple]:  # type: ignore[type-arg]
    return list(_draw(indices, seed, combinations))


def _write(folder: Path, n: int, seed: int, combinations: Combinations) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    parts = [range(start, min(start + 500, n)) for start in range(0, n, 500)]
    images = np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
        folder / "images.npy", mode="w+", dtype=np.uint8, shape=(n, 64, 64, 3)
    )
    rows: list[dict[str, object]] = []
    with ProcessPoolExecutor(2) as pool:
        work = pool.map(partial(_part, seed=seed, combinations=combinations), parts)
        for part in progress(work, "scenes", total=len(parts)):
            for image, row in part:
                images[len(rows)] = image
                rows.append(row)
    images.flush()
    (folder / "labels.json").write_text(json.dumps(rows))


def _collect(drawn: list[tuple[np.ndarray, dict[str, object]]]) -> Scenes:
    return _labelled(np.stack([image for image, _ in drawn]), [row for _, row in drawn])


def _labelled(images: np.ndarray, rows: list[dict]) -> Scenes:  # type: ignore[type-arg]
    present = np.zeros((len(rows), len(CATEGORIES)), dtype=bool)
    for i, row in enumerate(rows):
        present[i, row["present"]] = True
    return Scenes(
        images=images,
        captions=tuple(tuple(row["captions"]) for row in rows),
        present=present,
        cells=np.asarray([row["cells"] for row in rows]),
        count=present.sum(axis=1),
        held_out=np.asarray([row["held_out"] for row in rows]),
    )
