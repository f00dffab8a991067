"""The run folder as a BIDS derivative: names, sidecars and the files that describe the whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIDS_VERSION = "1.10.0"
IGNORED = (
    "*_image.png",
    "*_images.tsv",
    "*_images.json",
    "*_metrics.tsv",
    "*_metrics.json",
    "*_statmap.nii.gz",
    "*_statmap.json",
    "ablate*",
    "average",
    "branches",
    "compare*",
    "config.toml",
    "controls*",
    "latents",
    "logs",
    "roi-optimal*",
    "steps",
    "weights*",
    "*.html",
    "*.partial",
    ".lock",
)


@dataclass(frozen=True)
class Published:
    """What is laid out for one subject; ``pictures`` maps a stage to its folder of PNG files."""

    mask: Path
    space: str
    task: str
    names: Sequence[str]
    ids: Sequence[str]
    seeds: Sequence[int]
    pictures: Mapping[str, Path]
    scores: Sequence[Mapping[str, Any]]
    mask_expression: str


def publish(root: Path, subject: str, what: Published) -> None:
    """Write ``sub-LABEL/func`` with the decoded pictures, the scores and the voxels used.

    Pictures are hard links to those of the generate step where the file system allows it.
    """
    func = root / f"sub-{subject}" / "func.partial"
    if func.exists():
        shutil.rmtree(func)
    func.mkdir(parents=True)
    task = f"_task-{what.task}" if what.task else "_task-unknown"
    stem = f"sub-{subject}{task}"
    space = f"_space-{what.space}" if what.space else ""
    mask = f"{stem}{space}_desc-decoding_mask"
    _link(what.mask, func / f"{mask}.nii.gz")
    _sidecar(
        func / f"{mask}.json",
        Type="ROI",
        Sources=["bids:betas:."],
        Description=f"Voxels that were decoded from: {what.mask_expression}",
        **({"SpatialReference": "the grid of the betas"} if what.space else {}),
    )
    rows = ["stim_id\tstage\tseed\timage"]
    for stage, folder in what.pictures.items():
        desc = "".join(c for c in stage.title() if c.isalnum())
        desc = desc[:1].lower() + desc[1:]
        for name, image, seed in zip(what.names, what.ids, what.seeds, strict=True):
            file = f"{stem}_stim-{name}_desc-{desc}_image.png"
            _link(folder / f"{name}.png", func / file)
            rows.append(f"{image}\t{stage}\t{seed}\t{file}")
    _table(func / f"{stem}_desc-decoded_images.tsv", rows)
    columns = ("source", "stage", "metric", "n", "mean", "sem", "low", "high", "p", "chance")
    lines = ["\t".join(columns)]
    for row in what.scores:
        lines.append("\t".join(_cell(row.get(column)) for column in columns))
    _table(func / f"{stem}_desc-decoded_metrics.tsv", lines)
    _sidecar(func / f"{stem}_desc-decoded_metrics.json", **METRIC_COLUMNS)
    place = func.with_name("func")
    if place.exists():
        shutil.rmtree(place)
    func.rename(place)


METRIC_COLUMNS = {
    "source": {
        "Description": "decoded: latents predicted from the brain; oracle: ceiling (true latents)"
    },
    "stage": {"Description": "Generator stage of the recipe"},
    "metric": {"Description": "Metric of the recipe"},
    "n": {"Description": "Number of test images"},
    "mean": {"Description": "Mean over test images"},
    "sem": {"Description": "Standard error of the mean over test images"},
    "low": {"Description": "Lower end of the 95 % interval over images"},
    "high": {"Description": "Upper end of the 95 % interval over images"},
    "p": {"Description": "Permutation p-value, pairs of seen and made pictures shuffled"},
    "chance": {"Description": "Level expected by chance"},
}


def describe(
    root: Path,
    *,
    recipe: str,
    dataset: str,
    about: Mapping[str, str],
    version: str,
    subjects: Sequence[str],
    source: str,
) -> None:
    """Write the files that make the folder a BIDS derivative."""
    _sidecar(
        root / "dataset_description.json",
        Name=f"{recipe} on {about.get('name', dataset)}",
        BIDSVersion=BIDS_VERSION,
        DatasetType="derivative",
        License=about.get("licence", "see the source data set"),
        GeneratedBy=[{"Name": "neurodiffuse", "Version": version, "Description": recipe}],
        SourceDatasets=[{"URL": source, "Version": about.get("version", "unknown")}],
        DatasetLinks={"betas": source},
    )
    (root / ".bidsignore").write_text("\n".join(IGNORED) + "\n", encoding="utf-8")
    _table(root / "participants.tsv", ["participant_id", *(f"sub-{s}" for s in subjects)])
    _table(
        root / "descriptions.tsv",
        [
            "desc_id\tdescription",
            "desc-decoding\tvoxels that the decoder read",
            "desc-decoded\tpictures made from latents predicted from the brain, and their scores",
        ],
    )
    (root / "README.md").write_text(README, encoding="utf-8")


README = """# A run of neurodiffuse

`report.html` says what was decoded, how well and how. `config.toml` holds every setting.

| where | what |
|---|---|
| `sub-*/func` | decoded pictures, scores and the voxels used, under BIDS names |
| `steps/sub-*/mask` | standardised betas, the mask |
| `latents` | what the encoders made of the stimuli |
| `steps/sub-*/fit`, `predict` | the fitted maps and the latents they predict |
| `steps/sub-*/generate` | pictures by stage, `decoded` and `oracle`: ceiling (true latents) |
| `steps/sub-*/score` | scores and every image's values |
| `logs` | when each step ended and how long it took |
"""


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:
        shutil.copyfile(source, place)


def _cell(value: Any) -> str:
    if value is None:
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _table(path: Path, lines: Sequence[str]) -> None:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _sidecar(path: Path, **content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
