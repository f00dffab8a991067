"""Write what a simulated data set says of itself: description, README, participants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurodiffuse.simulate.files import write_json, write_table
from neurodiffuse.simulate.study import Study
from neurodiffuse.simulate.tuning import FIELD

VERSION = "2"
"""Of the simulation: another one whenever the same settings give other bytes."""

CONTENT = "drawn scenes"
"""What the simulator's own pictures are, in the words of recipes' ``domain``."""

RECIPE = "demo"
"""What was trained on the simulator's scenes, and is taken for them where no recipe is named."""

IGNORE = """\
*_statmap.nii.gz
*_statmap.json
"""

README = """\
# A simulated brain

{subjects} simulated subjects looked at {pictures} pictures ({source}). **Nobody was scanned:**
every response was computed from the picture by a model that is written down, so it is known what
each voxel stands for. It serves to try software out and says nothing about real brains.

Made by

    {command}

which writes the same bytes again.

- `stimuli/`: the pictures, `stimuli.tsv` and `captions.tsv`.
- `sub-*/ses-*/func/`: single-trial responses of each run (`stat-effect_desc-singletrial_statmap`,
  percent signal change; volume k belongs to row k of the events). `split` in the events tells
  training from test pictures.
- `sub-*/anat/`: `label-visual_mask` (all voxels with responses), regions as `dseg` with lookup
  tables, receptive fields (`stat-eccentricity_desc-prf_statmap` and others), the noise-ceiling
  signal-to-noise ratio (`stat-ncsnr_desc-singletrial_statmap`), and a background to draw maps on.
- `sourcedata/truth/`: what was planted in each voxel; see the README there.

V1, V2, V3 and hV4 see luminance, two colour axes and oriented contrast through receptive fields
that grow with eccentricity. Face, word, place and body regions and LO respond to what is in the
picture, wherever it is, and a little to its layout. Some voxels respond to nothing. Noise differs
from voxel to voxel and subject to subject, partly in common among neighbours, and sessions differ
in gain and offset.
"""


def write_description(root: Path, study: Study) -> None:
    """Write the files at the root of the data set."""
    scenes = study.settings.images is None
    description: dict[str, Any] = {
        "Name": "Simulated responses to drawn scenes"
        if scenes
        else "Simulated responses to photographs",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "neurodiffuse simulate",
                "Version": VERSION,
                "Description": "Simulated brain responses with known answers",
            }
        ],
        "Authors": ["The neurodiffuse developers"],
        "StimulusWidthDegrees": FIELD,
    }
    if scenes:
        description |= {"License": "CC0-1.0", "StimulusContent": CONTENT, "Recipe": RECIPE}
    write_json(root / "dataset_description.json", description)
    (root / ".bidsignore").write_text(IGNORE, encoding="utf-8")
    (root / "README.md").write_text(_readme(study), encoding="utf-8")
    _write_participants(root, study)
    _write_columns(root)


def _readme(study: Study) -> str:
    scenes = study.settings.images is None
    return README.format(
        subjects=len(study.brains),
        pictures=len(study.album.pictures),
        source="scenes drawn by the simulator" if scenes else "photographs from a folder",
        command=study.settings.command(),
    )


def _write_participants(root: Path, study: Study) -> None:
    noise = study.settings.noise
    write_table(
        root / "participants.tsv",
        ("participant_id", "noise", "voxels"),
        (
            (f"sub-{b.geometry.subject}", float(noise[k % len(noise)]), b.geometry.n_voxels)
            for k, b in enumerate(study.brains)
        ),
    )
    write_json(
        root / "participants.json",
        {
            "noise": {
                "Description": "Spread of a single trial's noise over that of the signal, in the "
                "median responsive voxel"
            },
            "voxels": {"Description": "Voxels with responses"},
        },
    )


def _write_columns(root: Path) -> None:
    """Write the tables of descriptions and what the columns of the events mean."""
    write_table(
        root / "descriptions.tsv",
        ("desc_id", "description"),
        (
            ("desc-preproc", "A background to draw maps on"),
            ("desc-prf", "Properties of receptive fields"),
            ("desc-singletrial", "Of single trials: responses, and their signal-to-noise ratio"),
        ),
    )
    write_json(
        root / "task-viewing_events.json",
        {
            "trial_type": {"Description": "What is shown", "Levels": {"image": "A picture"}},
            "stim_file": {"Description": "The picture's file in stimuli/"},
            "stim_id": {"Description": "The picture in stimuli/stimuli.tsv"},
            "repetition": {"Description": "How often the picture has been shown, counting this"},
            "split": {
                "Description": "What the trial is for",
                "Levels": {"train": "Fitting a decoder", "test": "Testing it"},
            },
        },
    )
