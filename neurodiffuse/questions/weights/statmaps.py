"""Maps as files: BIDS statmaps on the subject's own grid, and a table of what each one is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse import rois
from neurodiffuse.decoding import words_of
from neurodiffuse.files import write_json
from neurodiffuse.questions.weights.parts import Part
from neurodiffuse.run import Run
from neurodiffuse.store import labels
from neurodiffuse.types import Grid

HEMISPHERES = {"left": "L", "right": "R"}
"""Hemispheres and the value of the BIDS entity ``hemi``, in the order of a surface's vertices."""

STATS = {
    "l1": "weight",
    "percentile": "percentile",
    "pattern": "pattern",
    "explained": "explained",
}
"""Label of the BIDS entity ``stat`` for each measure."""

UNITS = {
    "l1": "latent units per standard deviation of the voxel",
    "percentile": "percentile of the voxels",
    "pattern": "standard deviations of the voxel per standard deviation of the decoded latent",
    "explained": "share of the voxel's variance",
}

FORMULAS = {
    "l1": ("sum over targets j of |W_vj|", "W_vj"),
    "percentile": (
        "100 (rank - 1/2) / voxels, of the sum of |W_vj|",
        "100 (rank - 1/2) / voxels, of |W_vj|",
    ),
    "pattern": (
        "sum over targets j of |cov(x_v, yhat_j)| / sd(yhat_j)",
        "cov(x_v, yhat_j) / sd(yhat_j)",
    ),
    "explained": (
        "R2 of x_v predicted from the latents y by ridge, in left-out training images",
        "R2 of x_v predicted from the latent y_j, in left-out training images",
    ),
}
"""Of a norm over several targets, and of a single component."""

COLUMNS = {
    "file": "Path of the map from this folder",
    "subject": "Subject label",
    "feature": "Feature of the recipe",
    "part": "all targets of the feature, one token (L1 norm over it), or one component (signed)",
    "stat": (
        "weight: see formula; percentile: of the weight; pattern: Haufe et al. 2014; explained: "
        "of a forward model"
    ),
    "formula": "What the value of voxel v is; W: weights, y: latents, yhat: those decoded",
    "units": "Units of the map",
    "targets": "Number of targets that the map sums up",
    "voxels": "Voxels that the feature is read from; every other voxel of the map is 0",
    "minimum": "Least value of those voxels",
    "median": "Their median",
    "maximum": "Greatest value of those voxels",
}


@dataclass(frozen=True, eq=False)
class BrainValues:
    """One map before it is a file: ``values`` (n_voxels,) of the voxels ``inside``, bool (grid).

    ``stem`` is the file's name without its end.
    """

    subject: str
    feature: str
    part: Part
    measure: str
    values: np.ndarray
    inside: np.ndarray
    stem: str

    @property
    def units(self) -> str:
        """Units of the values."""
        return UNITS[self.measure]

    @property
    def formula(self) -> str:
        """How the values are computed."""
        return FORMULAS[self.measure][self.part.signed]

    @property
    def title(self) -> str:
        """What the map shows, for a reader."""
        of = "" if self.part.kind == "all" else f", {self.part.name}"
        kind = {
            "l1": "weights" if self.part.signed else "L1 norm of weights",
            "percentile": "percentile of weights",
            "pattern": "Haufe pattern" if self.part.signed else "L1 norm of Haufe patterns",
            "explained": "explained variance",
        }
        return f"{self.feature}{of}: {kind[self.measure]}"


def stem_of(run: Run, subject: str, feature: str, part: Part, measure: str) -> str:
    """Return ``sub-01_task-T_space-S_stat-weight_desc-FEATURE`` (without empty entities)."""
    about = run.subject(subject)
    names = dict(zip(run.config.features, labels(tuple(run.config.features)), strict=True))
    space = f"_space-{about.grid.space}" if about.grid.space else ""
    return (
        f"sub-{subject}_task-{about.task or 'unknown'}{space}"
        f"_stat-{STATS[measure]}_desc-{names[feature]}{part.label}"
    )


def write_map(run: Run, folder: Path, made: BrainValues) -> list[dict[str, str]]:
    """Write ``sub-XX/func/…_statmap.nii.gz`` and its sidecar; return its row of the table.

    Shape and affine are those of the betas; voxels outside are 0. A map on a surface becomes a
    GIFTI file, ``…_hemi-L_…_statmap.shape.gii``, and a row for each hemisphere.
    """
    func, grid = folder / f"sub-{made.subject}" / "func", run.subject(made.subject).grid
    func.mkdir(parents=True, exist_ok=True)
    if not grid.is_surface:
        file = func / f"{made.stem}_statmap.nii.gz"
        rois.to_image(made.values, made.inside, grid).to_filename(file)
        _write_sidecar(run, func / f"{made.stem}_statmap.json", made)
        return [_row(folder, file, made, made.values)]
    rows = []
    everywhere = np.zeros(grid.size, np.float32)
    everywhere[made.inside] = made.values
    halves = zip(HEMISPHERES, np.split(everywhere, 2), np.split(made.inside, 2), strict=True)
    for name, values, inside in halves:
        stem = of_hemisphere(made.stem, name)
        file = func / f"{stem}_statmap.shape.gii"
        write_gifti(file, values, name, made.title)
        _write_sidecar(run, func / f"{stem}_statmap.json", made)
        if inside.any():
            rows.append(_row(folder, file, made, values[inside]))
    return rows


def of_hemisphere(stem: str, name: str) -> str:
    """Return the name of a hemisphere's file: ``hemi`` comes before ``space`` and ``stat``."""
    return re.sub(r"(?=_space-|_stat-)", f"_hemi-{HEMISPHERES[name]}", stem, count=1)


def write_gifti(file: Path, values: np.ndarray, name: str, title: str) -> None:
    """Write one value a vertex of the ``left`` or ``right`` hemisphere, float32."""
    from nibabel.gifti.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

    data = np.asarray(values, np.float32)
    array = GiftiDataArray(data, "NIFTI_INTENT_SHAPE", "NIFTI_TYPE_FLOAT32")
    meta = GiftiMetaData(AnatomicalStructurePrimary=f"Cortex{name.title()}", Name=title)
    GiftiImage(darrays=[array], meta=meta).to_filename(file)


def _write_sidecar(run: Run, file: Path, made: BrainValues) -> None:
    targets = made.part.stop - made.part.start
    write_json(
        file,
        {
            "Description": made.title,
            "Units": made.units,
            "Formula": made.formula,
            "Feature": made.feature,
            "Encoder": run.config.features[made.feature].encoder,
            "Decoder": words_of(run, made.feature),
            "Targets": targets,
            "Part": made.part.name,
            "OutsideVoxels": 0,
            "SpatialReference": "the grid of the betas",
            "Sources": ["bids:betas:."],
        },
    )


def _row(folder: Path, file: Path, made: BrainValues, values: np.ndarray) -> dict[str, str]:
    return {
        "file": file.relative_to(folder).as_posix(),
        "subject": made.subject,
        "feature": made.feature,
        "part": made.part.name,
        "stat": STATS[made.measure],
        "formula": made.formula,
        "units": made.units,
        "targets": str(made.part.stop - made.part.start),
        "voxels": str(len(values)),
        "minimum": f"{values.min():.6g}",
        "median": f"{np.median(values):.6g}",
        "maximum": f"{values.max():.6g}",
    }


def write_table(
    folder: Path, name: str, columns: dict[str, str], rows: Sequence[dict[str, str]]
) -> None:
    """Write ``name.tsv`` and what its columns mean as ``name.json``."""
    lines = ["\t".join(columns), *("\t".join(row[c] for c in columns) for row in rows)]
    (folder / f"{name}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(folder / f"{name}.json", {c: {"Description": d} for c, d in columns.items()})


def within(grid: Grid, mask: np.ndarray, voxels: np.ndarray) -> np.ndarray:
    """Return the voxels of the grid, bool (grid.size,), that ``voxels`` of the mask are."""
    inside = np.zeros(grid.size, dtype=bool)
    inside[np.flatnonzero(mask)[voxels]] = True
    return inside
