"""Make the README's picture from a run: ``python docs/readme_picture.py runs/demo``.

Rows: seen, then every stage. Columns: the twelve test images in the middle of the ranking by the
mean rank over the last stage's metrics; nobody picks them.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
from PIL import Image

from neurodiffuse import pipeline
from neurodiffuse.plugins import Registry
from neurodiffuse.run import Run
from neurodiffuse.store import labels, load_images

COLUMNS, SIDE, GAP = 12, 96, 6


def middle(run: Run, subject: str) -> list[int]:
    """Return the rows of the test images in the middle of the ranking, in test order."""
    stage = list(run.config.stages)[-1]
    values: dict[str, list[float]] = defaultdict(list)
    with (run.folder("score", subject) / "images.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t"):
            if (row["source"], row["stage"]) == ("decoded", stage):
                values[row["metric"]].append(float(row["value"]))
    ranks = [np.argsort(np.argsort(v)) for v in values.values()]
    order = np.argsort(np.mean(ranks, axis=0), kind="stable")
    start = max(0, (len(order) - COLUMNS) // 2)
    return sorted(int(k) for k in order[start : start + COLUMNS])


def main(path: Path, out: Path) -> None:
    """Write the picture of a run's first subject."""
    run = pipeline.reopen(path, Registry.installed())
    subject = run.config.subjects[0]
    ids = run.subject(subject).trials.images("test")
    chosen = middle(run, subject)
    names = labels(ids)
    seen = run.dataset.stimuli([ids[k] for k in chosen])
    rows = [list(seen.images)]
    for stage in run.config.stages:
        folder = run.folder("generate", subject) / "decoded" / stage
        rows.append(list(load_images(folder, [names[k] for k in chosen])))
    step = SIDE + GAP
    sheet = Image.new("RGB", (COLUMNS * step - GAP, len(rows) * step - GAP), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            large = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            sheet.paste(large, (x * step, y * step))
    sheet.save(out, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(__file__).with_name("_static") / "demo.png")
