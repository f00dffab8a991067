"""
Real fMRI: handwritten digits
=============================

Bundled data are simulated; this script shows the toolbox on real responses. The data set of van
Gerven, de Lange & Heskes (2010, Neural Computation 22:3127) holds 100 handwritten sixes and nines
with the responses of 3,092 voxels of V1-V3 of one person. It is not ours to pass on: get
``digit69_28x28.mat`` from the repository `ChangdeDu/DGMM <https://github.com/ChangdeDu/DGMM>`_
and run::

    python examples/digits_from_real_fmri.py digit69_28x28.mat

The voxels' positions were not published, so they are laid out in a made-up grid: maps of this
run mean nothing, its pictures and scores do. Because the file is not bundled, the documentation
shows this script without running it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image
from scipy.io import loadmat

GRID = (20, 13, 12)


def write_derivative(mat: Path, root: Path) -> None:
    """Write the digits as a BIDS derivative: one run, a beta volume and an event a picture."""
    data = loadmat(mat)
    betas = np.vstack([data["fmriTrn"], data["fmriTest"]]).astype(np.float32)
    pictures = np.vstack([data["stimTrn"], data["stimTest"]]).reshape(-1, 28, 28)
    splits = ["train"] * len(data["fmriTrn"]) + ["test"] * len(data["fmriTest"])
    func, stimuli = root / "sub-01" / "func", root / "stimuli"
    for folder in (func, stimuli, root / "sub-01" / "anat"):
        folder.mkdir(parents=True)

    (root / "dataset_description.json").write_text(
        json.dumps(
            {
                "Name": "Handwritten sixes and nines",
                "BIDSVersion": "1.10.0",
                "DatasetType": "derivative",
                "GeneratedBy": [{"Name": Path(__file__).name}],
            }
        )
    )
    inside = np.zeros(GRID, bool)
    inside.flat[: betas.shape[1]] = True
    affine = np.diag([2.0, 2.0, 2.0, 1.0])

    def volume(values: np.ndarray) -> nib.Nifti1Image:
        image = nib.Nifti1Image(values, affine)
        image.header.set_xyzt_units("mm")
        return image

    stem = "sub-01_task-digits_run-01"
    responses = np.zeros((*GRID, len(betas)), np.float32)
    responses[inside] = betas.T
    volume(responses).to_filename(
        func / f"{stem}_space-made_stat-effect_desc-singletrial_statmap.nii.gz"
    )
    volume(inside.astype(np.uint8)).to_filename(
        root / "sub-01" / "anat" / "sub-01_space-made_label-visual_mask.nii.gz"
    )
    rows = ["onset\tduration\ttrial_type\tstim_id\tstim_file\tsplit"]
    for k, (picture, split) in enumerate(zip(pictures, splits, strict=True)):
        name = f"stim-digit{k:03d}"
        upright = np.repeat(picture.T[..., None], 3, axis=2)  # the file is in MATLAB's order
        Image.fromarray(np.ascontiguousarray(upright)).save(stimuli / f"{name}_image.png")
        rows.append(f"{12 * k}\t6\tstimulus\t{name}\t{name}_image.png\t{split}")
    (func / f"{stem}_events.tsv").write_text("\n".join(rows) + "\n")


def main(mat: Path, root: Path = Path("runs/digits-bids")) -> None:
    """Convert, decode with principal components of the pixels, say where the report is."""
    from neurodiffuse.cli import cli

    if not root.exists():
        write_derivative(mat, root)
    cli.main(
        [
            *("decode", "--dataset", "bids", "--root", str(root), "--sub", "01"),
            *("--recipe", "pixels", "--out", "runs/digits"),
            *("--set", "features.pixels.components=20", "--set", "features.pixels.size=28"),
        ],
        standalone_mode=False,
    )


if __name__ == "__main__":
    if len(sys.argv) > 1 and Path(sys.argv[1]).exists():
        main(Path(sys.argv[1]))
    else:
        print(__doc__)
