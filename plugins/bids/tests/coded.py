"""Studies of which every volume says which picture it is of, and every picture says which it is.

Volume k of picture i is ``i`` times a pattern, picture i is of the one colour ``i``: whatever
names, files and orders are between them, a trial is right when the two numbers agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from neurodiffuse_bids.dataset import BidsDataset

from .conftest import BETAS, SHAPE, Tree

PATTERN = np.random.default_rng(5).normal(2, 1, SHAPE).astype(np.float32)
ALL = np.ones(np.prod(SHAPE), bool)


def draw(tree: Tree, name: str, number: int, size: int = 4) -> Path:
    """Write a picture in the colour of a number."""
    path = tree.path(name)
    Image.new("RGB", (size, size), (number, 255 - number, 9)).save(path)
    return path


def volumes(numbers: Sequence[float]) -> np.ndarray:
    return np.stack([PATTERN * np.float32(n) for n in numbers], axis=-1)


def write_run(
    tree: Tree,
    stem: str,
    numbers: Sequence[int],
    rows: Sequence[Mapping[str, object]],
    times: float = 1,
) -> None:
    """Write the betas of a run, volumes in the order of ``numbers``, and a table of ``rows``."""
    tree.image(f"{stem}{BETAS}", volumes(numbers) * np.float32(times))
    events(tree, f"{stem}_events.tsv", rows)


def events(tree: Tree, name: str, rows: Sequence[Mapping[str, object]]) -> None:
    lines = ["\t".join(rows[0]), *("\t".join(map(str, row.values())) for row in rows)]
    tree.path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def rows_of(numbers: Sequence[int], **columns: object) -> list[dict[str, object]]:
    """Return a row for each number in order of time: even pictures train, odd ones test."""
    return [
        {
            "onset": 4 * k,
            "duration": 3,
            "stim_id": f"stim-{n}",
            "stim_file": f"stim-{n}_image.png",
            "split": ("train", "test")[n % 2],
            **columns,
        }
        for k, n in enumerate(numbers)
    ]


def plain(tree: Tree, runs: Sequence[Sequence[int]] = ((2, 3, 4, 5), (6, 7, 2, 3))) -> list[str]:
    """Write a study of one session; return the stems of its runs."""
    stems = []
    for k, numbers in enumerate(runs, 1):
        stems.append(f"sub-01/ses-01/func/sub-01_ses-01_task-look_run-{k:02d}")
        write_run(tree, stems[-1], numbers, rows_of(numbers))
        for n in numbers:
            draw(tree, f"stimuli/stim-{n}_image.png", n)
    return stems


def seen(data: BidsDataset, label: str = "01") -> list[int]:
    """Return which picture each trial shows, after checking that its volume is of that picture."""
    trials = data.subject(label).trials
    images = [int(image[0, 0, 0]) for image in data.stimuli(trials.stimulus).images]
    betas = np.vstack(list(data.betas(label, ALL)))
    np.testing.assert_array_equal(
        betas, np.stack([PATTERN.ravel() * np.float32(i) for i in images])
    )
    return images


def remarks(data: BidsDataset, label: str = "01") -> str:
    return "\n".join(remark.words for remark in data.subject(label).remarks)
