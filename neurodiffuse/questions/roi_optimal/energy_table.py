"""The table of energies: a row a ring of the pictures of a region, subject and stage."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.questions.roi_optimal.energy import RESAMPLINGS, Energy

COLUMNS: Mapping[str, str] = {
    "group": "Preset that the region belongs to; n/a for an expression of the user's own",
    "region": "Region in words",
    "expression": "Region as it was evaluated; for the average in the first subject",
    "subject": "Subject label, or average: from the mean of the subjects' latents",
    "stage": "Stage of the recipe that made the pictures",
    "pictures": "Number of pictures, each of a pattern of random signs of its own",
    "ring": "Number of the ring around the picture's centre, from 0",
    "inner": "Inner radius of the ring, included",
    "outer": "Outer radius of the ring; n/a: to the corners",
    "unit": "Unit of the radii: degree of visual angle, or half-width of the picture where nobody "
    "said how many degrees that is",
    "pixels": "Pixels of the ring",
    "energy": "Squared difference from the mean training stimulus, in squared grey levels (0 to "
    "255), averaged over colour channels, the ring's pixels and the pictures",
    "standard_error": "Standard error of the energy over the pictures: how much other random signs "
    "would change it",
    "relative": "Energy over its mean over the group's regions in the same ring, subject and "
    "stage; n/a for a region alone",
    "peak": "Whether no other ring has more energy",
    "peak_share": f"Share of {RESAMPLINGS} resamplings of the pictures in which this ring has the "
    "most energy",
}


def write_energies(folder: Path, energies: Sequence[Energy]) -> None:
    """Write ``energy.tsv`` and what its columns mean."""
    lines = ["\t".join(COLUMNS)]
    others = relatives(energies)
    for energy, relative in zip(energies, others, strict=True):
        for ring in range(len(energy.rings.names)):
            cells = _cells(energy, ring, relative[ring])
            lines.append("\t".join(cells[name] for name in COLUMNS))
    (folder / "energy.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    about = {name: {"Description": text} for name, text in COLUMNS.items()}
    text = json.dumps(about, indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "energy.json").write_text(text + "\n", encoding="utf-8")


def relatives(energies: Sequence[Energy]) -> list[np.ndarray]:
    """Return each one's density over the mean of its group, row and stage; NaN when alone."""
    together: dict[tuple[str, str, str], list[np.ndarray]] = {}
    for one in energies:
        together.setdefault(_among(one), []).append(one.density)
    out = []
    for one in energies:
        those = together[_among(one)]
        alone = len(those) < 2
        out.append(np.full(one.density.shape, np.nan) if alone else one.density / np.mean(those, 0))
    return out


def _among(one: Energy) -> tuple[str, str, str]:
    return one.panel.region.group, one.panel.row.label, one.stage


def _cells(one: Energy, ring: int, relative: float) -> dict[str, str]:
    panel, (inner, outer) = one.panel, one.rings.ends[ring]
    inside = panel.row.inside[panel.region.key]
    return {
        "group": panel.region.group or "n/a",
        "region": panel.region.name,
        "expression": inside[panel.subjects[0]].expression,
        "subject": panel.row.label,
        "stage": one.stage,
        "pictures": str(len(one.densities)),
        "ring": str(ring),
        "inner": f"{inner:g}",
        "outer": _number(outer, "g"),
        "unit": one.rings.unit,
        "pixels": str(one.pixels[ring]),
        "energy": _number(one.density[ring], ".6g"),
        "standard_error": _number(one.error[ring], ".4g"),
        "relative": _number(relative, ".4f"),
        "peak": "true" if ring == one.peak else "false",
        "peak_share": _number(one.shares[ring], ".4f"),
    }


def _number(value: Any, how: str) -> str:
    return format(float(value), how) if math.isfinite(value) else "n/a"
