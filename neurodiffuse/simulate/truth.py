"""Write what was planted, so that tests can ask whether it is recovered."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurodiffuse.simulate.brain import Brain
from neurodiffuse.simulate.channels import CHANNELS
from neurodiffuse.simulate.files import write_json, write_table
from neurodiffuse.simulate.regions import LABELS
from neurodiffuse.simulate.study import Study
from neurodiffuse.simulate.tuning import FIELD

README = """\
# What was planted

- `simulation.json`: the settings, with the seed, and each subject's noise.
- `stimuli.tsv`: how strongly each picture shows each label, and whether it is a test picture.
- `sub-*_voxels.tsv`: one row a voxel of `label-visual_mask`, in C order of the grid.

Columns of the voxels:

- `i`, `j`, `k`, `hemisphere`, `region`: where the voxel is.
- `prefers`: the label that drives it most, for category-selective regions.
- `x`, `y`, `eccentricity`, `size`: centre of the Gaussian receptive field (right, up), its
  distance from fixation, its standard deviation; degrees.
- `ncsnr`, `noiseceiling`: spread of the signal over that of one trial's noise; percent of a
  single trial's variance that is signal.
- `mean`, `noise`: mean response and spread of a trial's noise; percent signal change.
- `share`: of the signal's variance that labels drive; the channels have the rest.
- `label_*`, `channel_*`: weights of the labels, and of the picture's channels as the receptive
  field sees them.
"""


def write_truth(folder: Path, study: Study) -> None:
    """Write settings, labels of the pictures and tuning of the voxels of every subject."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(README, encoding="utf-8")
    given = study.settings
    write_json(
        folder / "simulation.json",
        {
            "seed": given.seed,
            "field_of_view_degrees": FIELD,
            "subjects": {
                brain.geometry.subject: {
                    "noise": given.noise[k % len(given.noise)],
                    "voxels": brain.geometry.n_voxels,
                    "trials": len(study.trials[k]),
                }
                for k, brain in enumerate(study.brains)
            },
            "settings": given.flags(),
        },
    )
    tests = set(study.album.test)
    write_table(
        folder / "stimuli.tsv",
        ("stim_id", "split", "held_out", *(f"label_{label}" for label in LABELS)),
        (
            (p.id, "test" if k in tests else "train", p.held_out, *map(float, p.labels))
            for k, p in enumerate(study.album.pictures)
        ),
    )
    for brain in study.brains:
        _write_voxels(folder / f"sub-{brain.geometry.subject}_voxels.tsv", brain)


def _write_voxels(path: Path, brain: Brain) -> None:
    geometry, planted = brain.geometry, brain.tuning
    at = np.stack(np.unravel_index(geometry.voxels, geometry.shape), axis=1)
    power = np.where(np.isfinite(planted.ncsnr), planted.ncsnr, 1000.0) ** 2
    numbers = np.column_stack(
        [
            planted.x,
            planted.y,
            planted.eccentricity,
            planted.size,
            np.sqrt(power),
            100 * power / (power + 1),
            planted.mean,
            planted.noise,
            planted.share,
            planted.labels,
            planted.channels,
        ]
    )
    rounded = np.round(numbers, 3).tolist()
    columns = (
        *("i", "j", "k", "hemisphere", "region", "prefers"),
        *("x", "y", "eccentricity", "size", "ncsnr", "noiseceiling", "mean", "noise", "share"),
        *(f"label_{label}" for label in LABELS),
        *(f"channel_{channel}" for channel in CHANNELS),
    )
    write_table(
        path,
        columns,
        (
            (*map(int, at[v]), str(geometry.hemisphere[v]), region.name, region.prefers, *row)
            for v, (region, row) in enumerate(zip(geometry.region, rounded, strict=True))
        ),
    )
