"""Write what was shown: design, responses, pictures and captions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from scipy.io import savemat

from neurodiffuse.progress import progress
from neurodiffuse.simulate.draws import Draw, stream
from neurodiffuse_nsd.captions import SPLITS
from neurodiffuse_nsd.design import PICTURES, SHARED
from neurodiffuse_nsd.pictures import NAME
from neurodiffuse_nsd.simulate.plan import SUBJECTS, Plan
from neurodiffuse_nsd.tree import Tree

COLUMNS = (
    "SUBJECT", "SESSION", "RUN", "TRIAL", "73KID", "10KID", "TIME", "ISOLD", "ISCORRECT", "RT",
    "CHANGEMIND", "MEMORYRECENT", "MEMORYFIRST", "ISOLDCURRENT", "ISCORRECTCURRENT", "TOTAL1",
    "TOTAL2", "BUTTON", "MISSINGDATA",
)  # fmt: skip
"""Of ``responses.tsv``."""

COCO = 1000
"""Added to a picture's row to make up the number of a COCO image."""


def write_design(tree: Tree, plan: Plan) -> None:
    """Write ``nsd_expdesign.mat``; every index in it counts from 1."""
    tree.design.parent.mkdir(parents=True, exist_ok=True)
    counts = np.zeros((3, len(plan.pattern)), np.uint16)
    for trial in plan.trials:
        counts[min(trial.repetition, 3) - 1, trial.session - 1] += 1
    savemat(
        tree.design,
        {
            "masterordering": plan.columns[None, :].astype(np.uint16),
            "subjectim": plan.pictures.astype(np.uint32),
            "sharedix": plan.pictures[:1, :SHARED].astype(np.uint32),
            "stimpattern": plan.pattern,
            "basiccnt": counts,
        },
        do_compression=True,
    )


def write_responses(tree: Tree, plan: Plan, subject: int) -> None:
    """Write ``responses.tsv``: a row a trial; nobody pressed a button."""
    path = tree.responses(f"{subject + 1:02d}")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["\t".join(COLUMNS)]
    place: dict[tuple[int, int], int] = {}
    for trial, column in zip(plan.study.trials[subject], plan.columns, strict=False):
        key = (trial.session, trial.run)
        place[key] = place.get(key, 0) + 1
        days = trial.session - 1 + (trial.run * 300 + trial.onset) / 86_400
        old = int(trial.repetition > 1)
        shown = (
            subject + 1,
            *key,
            place[key],
            int(plan.pictures[subject, column - 1]),
            int(column),
        )
        words = [*map(str, shown), f"{days:.8f}", str(old), *["NaN"] * 10, "1"]
        lines.append("\t".join(words))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_picture_table(tree: Tree, plan: Plan) -> None:
    """Write ``nsd_stim_info_merged.csv``: 73,000 rows, ``nsdId`` counting from 0."""
    subjects = range(1, SUBJECTS + 1)
    columns = ["", "cocoId", "cocoSplit", "cropBox", "loss", "nsdId", "flagged", "BOLD5000"]
    columns += ["shared1000", *(f"subject{s}" for s in subjects)]
    columns += [f"subject{s}_rep{r}" for s in subjects for r in range(3)]
    shown = _presentations(plan)
    shared = set((plan.pictures[0, :SHARED] - 1).tolist())
    of = [set((row - 1).tolist()) for row in plan.pictures]
    tree.picture_table.parent.mkdir(parents=True, exist_ok=True)
    with tree.picture_table.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(columns)
        for row in range(PICTURES):
            fixed = [row, row + COCO, SPLITS[row % 2], "(0.0, 0.0, 0.125, 0.125)", 0.0, row]
            seen = [int(row in members) for members in of]
            times = [t for part in shown for t in (*part.get(row, ()), 0, 0, 0)[:3]]
            out.writerow([*fixed, False, False, row in shared, *seen, *times])


def _presentations(plan: Plan) -> list[dict[int, list[int]]]:
    """Return for each subject the planned trials, from 1, that show a picture's row."""
    out: list[dict[int, list[int]]] = [{} for _ in range(SUBJECTS)]
    for k, column in enumerate(plan.columns, start=1):
        for subject in range(SUBJECTS):
            out[subject].setdefault(int(plan.pictures[subject, column - 1]) - 1, []).append(k)
    return out


def write_pictures(tree: Tree, plan: Plan, pixels: int, *, quiet: bool) -> None:
    """Write ``imgBrick`` uint8 (73000, pixels, pixels, 3); only shown rows take up space."""
    album, rows = plan.study.album.pictures, plan.rows()
    tree.pictures.parent.mkdir(parents=True, exist_ok=True)
    shape = (PICTURES, pixels, pixels, 3)
    with h5py.File(tree.pictures, "w") as file:
        data = file.create_dataset(
            NAME, shape, np.uint8, chunks=(1, *shape[1:]), compression="gzip", compression_opts=1,
            track_times=False,
        )  # fmt: skip
        for picture in progress(sorted(rows, key=rows.__getitem__), "write images", quiet=quiet):
            image = Image.fromarray(album[picture].image)
            resized = image.resize((pixels, pixels), Image.Resampling.BICUBIC)
            data[rows[picture]] = np.asarray(resized)


def write_captions(tree: Tree, plan: Plan) -> None:
    """Write the shown pictures' captions as COCO's two files, in an order of their own."""
    rows, album = plan.rows(), plan.study.album.pictures
    parts: dict[str, list[dict[str, object]]] = {split: [] for split in SPLITS}
    for picture, row in rows.items():
        for caption in album[picture].captions:
            parts[SPLITS[row % 2]].append({"image_id": row + COCO, "caption": caption})
    tree.annotations.mkdir(parents=True, exist_ok=True)
    for split, items in parts.items():
        order = stream(plan.study.settings.seed, Draw.IMAGES, SPLITS.index(split))
        shuffled = [items[k] for k in order.permutation(len(items))]
        content = {
            "info": {"description": "Simulated captions in COCO's format"},
            "annotations": [{**item, "id": k} for k, item in enumerate(shuffled, start=1)],
        }
        path = tree.annotations / f"captions_{split}.json"
        path.write_text(json.dumps(content), encoding="utf-8")


def write_readme(root: Path, command: str) -> None:
    """Write that none of this is NSD."""
    (root / "README.md").write_text(README.format(command=command), encoding="utf-8")


README = """\
# A simulated brain in the layout of the Natural Scenes Dataset

**This is not the Natural Scenes Dataset, and nothing of it is in here.** Folders, names, types and
labels are those of NSD; the pictures were drawn and every response was computed from them by
neurodiffuse. Nobody was scanned. It serves to try software out and says nothing about brains.

Made by

    {command}

`simulated_truth/` holds what was planted in each voxel.
"""
