"""Made-up reports for the tests: drawn shapes, numbers that follow from the pictures."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np

from neurodiffuse.report import (
    BrainMap,
    Citation,
    FeatureRow,
    ReportData,
    RoiRow,
    ScoreRow,
    StepRow,
    SubjectReport,
)

STAGES = ("first-guess", "recon")
AFFINE = np.array([[2.0, 0, 0, -20], [0, 2.0, 0, -30], [0, 0, 2.0, -16], [0, 0, 0, 1]])


def discs(n: int, side: int = 16) -> np.ndarray:
    """Draw n coloured discs on coloured grounds, uint8 (n, side, side, 3)."""
    rng = np.random.default_rng(n)
    y, x = np.mgrid[:side, :side]
    pictures = np.empty((n, side, side, 3), np.uint8)
    for picture in pictures:
        centre, radius = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.15, 0.3) * side
        inside = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2
        picture[:] = np.where(inside[..., None], rng.integers(0, 256, 3), rng.integers(0, 256, 3))
    return pictures


def noisy(pictures: np.ndarray, amount: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, amount, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8)


def score(metric: str, stage: str, values: Any, **more: Any) -> ScoreRow:
    values = np.asarray(values, dtype=float)
    half = 2 * values.std() / np.sqrt(len(values))
    fields: dict[str, Any] = {
        "mean": values.mean(),
        "low": values.mean() - half,
        "high": values.mean() + half,
        "n": len(values),
        "p": 0.005,
        "chance": 0.5,
        "values": values,
    }
    return ScoreRow(metric, stage, **(fields | more))


def brain() -> tuple[nib.Nifti1Image, nib.Nifti1Image, nib.Nifti1Image]:
    """Return anatomy, mask and regions (1 and 2) on a grid of 20 x 24 x 18 voxels."""
    grid = np.stack(np.meshgrid(*[np.linspace(-1, 1, s) for s in (20, 24, 18)], indexing="ij"))
    radius = np.sqrt((grid**2).sum(0))
    anatomy = np.where(radius < 0.95, 200 - 100 * radius, 0).astype(np.float32)
    mask = ((radius < 0.8) & (grid[1] < -0.2)).astype(np.uint8)
    regions = (mask * np.where(grid[0] < 0, 1, 2)).astype(np.int16)
    images = (nib.Nifti1Image(part, AFFINE) for part in (anatomy, mask, regions))
    return tuple(images)  # type: ignore[return-value]


def subject(label: str = "01", n: int = 16, *, with_brain: bool = True, **more: Any) -> Any:
    """Return a subject with two stages, a ceiling, two metrics and, if asked, a brain."""
    rng = np.random.default_rng(7)
    seen = discs(n)
    made = {"first-guess": noisy(seen, 90), "recon": noisy(seen, 40)}
    scores = tuple(
        row
        for i, stage in enumerate(STAGES)
        for row in (
            score("Identification", stage, np.clip(rng.normal(0.7 + 0.1 * i, 0.1, n), 0, 1)),
            score(
                "Distance",
                stage,
                rng.normal(0.8 - 0.1 * i, 0.1, n),
                chance=None,
                null_mean=1.0,
                higher_is_better=False,
                note="One minus the correlation.",
            ),
        )
    )
    fields: dict[str, Any] = {
        "label": label,
        "n_train_images": 1200,
        "n_test_images": n,
        "n_train_trials": 3600,
        "n_test_trials": 3 * n,
        "n_voxels": 812,
        "mask_expression": "V1 | V2",
        "ids": tuple(f"disc{i:03d}" for i in range(n)),
        "captions": tuple(f"a disc number {i}" for i in range(n)),
        "seen": seen,
        "made": made,
        "scores": scores,
        "oracle": {"recon": noisy(seen, 5)},
        "oracle_scores": (score("Identification", "recon", np.full(n, 0.98)),),
        "features": (
            FeatureRow(
                "pca",
                "pca-pixels",
                50,
                "ridge, penalty 60 000",
                "V1",
                r2_mean=0.1,
                r2=np.linspace(-1, 1, 50),
            ),
        ),
        "rois": (RoiRow("V1", 500, 400, 1), RoiRow("V2", 450, 412, 2), RoiRow("FFA", 90, 0)),
        "facts": (("sessions", "4"),),
        "constant_voxels": 3,
    }
    if with_brain:
        anatomy, mask, regions = brain()
        signed = nib.Nifti1Image(np.asarray(regions.dataobj, np.float32) - 1.5, AFFINE)
        fields |= {"anatomy": anatomy, "mask_image": mask, "regions": regions}
        fields |= {"maps": (BrainMap("Weights", signed, "a.u."),)}
    return SubjectReport(**(fields | more))


def report(*subjects: SubjectReport, **more: Any) -> ReportData:
    """Return a complete report about these subjects, or about one made-up subject."""
    fields: dict[str, Any] = {
        "title": "Discs, decoded",
        "created": "1 May 2026",
        "recipe": "pixels",
        "version": "0.1.0",
        "dataset": {"name": "discs", "version": "2", "licence": "CC0-1.0", "cite": "Disc (2026)."},
        "command": "neurodiffuse decode --dataset bids --root discs --sub 01",
        "stages": STAGES,
        "subjects": subjects or (subject(),),
        "config": {"mask": "V1 | V2", "features": {"pca": {"alpha": 60000, "encoder": "pca"}}},
        "machine": {"processor": "two cores", "packages": {"numpy": "2.4"}, "seed": 0},
        "steps": (StepRow("mask", 1.5), StepRow("generate", 192.0, "resumed")),
        "warnings": ("Rescaled with the test set.",),
        "methods": ("Ridge regression was used (Disc, 2026).",),
        "citations": (Citation("Disc, D. (2026). Discs.", "https://doi.org/10.1/disc"),),
        "licences": (("weights", "MIT"),),
    }
    return ReportData(**(fields | more))
