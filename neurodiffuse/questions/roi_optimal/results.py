"""What came out: one entry a painted picture, and the table of them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.questions.roi_optimal.display import Display
from neurodiffuse.questions.roi_optimal.regions import Region
from neurodiffuse.store import load_images

COLUMNS = {
    "group": "Preset that the region belongs to; n/a for an expression of the user's own",
    "region": "Region in words",
    "expression": "Region as it was evaluated; for the average in the first subject",
    "subject": "Subject label, or average: from the mean of the subjects' latents",
    "sample": "Number of the picture of this region, from 0",
    "seed": "Seed of the generators",
    "voxels": "Voxels of the region in the mask; for the average those of each subject, a+b",
    "predicted_activation": (
        "Response that a forward model, image latents to voxels, fitted on the training images, "
        "predicts for the picture: mean of the region less mean of the rest of the mask, in "
        "standard deviations of a voxel's training betas"
    ),
    "model_r2": "Share of the variance of that response explained in left-out training images",
    "rank": "Rank of the picture by predicted activation among those of its region, from 1",
    "kept": "Whether the picture was written",
    "file": "The picture as the last stage made it",
}


@dataclass(frozen=True, eq=False)
class Made:
    """A painted picture, which is a file of ``folder`` called ``name``, empty if it is not kept.

    ``activation`` and ``r2`` are NaN where no forward model could be fitted; ``norms`` are the
    Euclidean norms of the latents by feature.
    """

    region: Region
    subject: str
    sample: int
    seed: int
    expression: str
    voxels: tuple[int, ...]
    norms: dict[str, float]
    activation: float
    r2: float
    rank: int
    folder: str
    name: str
    display: Display

    @property
    def kept(self) -> bool:
        """Whether it is among the pictures that are shown."""
        return bool(self.name)

    @property
    def file(self) -> str:
        """The picture as the last stage made it, if it is kept."""
        return f"{self.folder}/{self.name}.png" if self.kept else ""

    @property
    def shown(self) -> str:
        """The picture for display, if it is kept."""
        display = "" if self.display == "none" else f"_display-{self.display}"
        return f"{self.folder}/{self.name}{display}.png" if self.kept else ""


def shown_in(folder: Path, one: Made) -> np.ndarray:
    """Return a kept picture as it is displayed, uint8 (height, width, 3), from the results."""
    (picture,) = load_images(folder, [one.shown.removesuffix(".png")])
    return np.asarray(picture)


def write_table(folder: Path, made: Sequence[Made]) -> None:
    """Write ``images.tsv``, a row a painted picture, and what its columns mean."""
    features = list(made[0].norms)
    names = [*COLUMNS]
    at = names.index("predicted_activation")
    names[at:at] = [f"norm_{feature}" for feature in features]
    lines = ["\t".join(names)]
    for one in made:
        cells = {
            "group": one.region.group or "n/a",
            "region": one.region.name,
            "expression": one.expression,
            "subject": one.subject,
            "sample": str(one.sample),
            "seed": str(one.seed),
            "voxels": "+".join(map(str, one.voxels)),
            **{f"norm_{f}": f"{norm:.5g}" for f, norm in one.norms.items()},
            "predicted_activation": _number(one.activation),
            "model_r2": _number(one.r2),
            "rank": str(one.rank) if math.isfinite(one.activation) else "n/a",
            "kept": "true" if one.kept else "false",
            "file": one.file or "n/a",
        }
        lines.append("\t".join(cells[name] for name in names))
    (folder / "images.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {name: {"Description": text} for name, text in COLUMNS.items()}
    for feature in features:
        text = f"Euclidean norm of the latents of {feature} that were painted"
        about[f"norm_{feature}"] = {"Description": text}
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "images.json").write_text(text + "\n", encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:.4f}" if math.isfinite(value) else "n/a"
