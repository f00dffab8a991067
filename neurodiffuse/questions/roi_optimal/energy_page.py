"""What the page shows of energies: a figure and a table for each preset and stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse.questions.roi_optimal.energy import Energy
from neurodiffuse.questions.roi_optimal.energy_figure import in_words
from neurodiffuse.report import wording
from neurodiffuse.report.pictures import data_uri

SURE = 0.95
"""Share of resamplings of the pictures in which a peak must stay where it is."""


@dataclass(frozen=True)
class Shown:
    """What one stage's pictures of a preset say: a figure, and a line a region and row."""

    stage: str
    uri: str
    alt: str
    file: str
    lines: list[dict[str, str]]


def shown(
    folder: Path, energies: Sequence[Energy], drawn: Mapping[tuple[str, str], str]
) -> dict[str, list[Shown]]:
    """Return what is shown of each preset, stage by stage in the recipe's order."""
    out: dict[str, list[Shown]] = {}
    for (group, stage), file in drawn.items():
        those = [e for e in energies if (e.panel.region.group, e.stage) == (group, stage)]
        uri = data_uri((folder / file).read_bytes())
        lines = [_line(one) for one in those]
        part = Shown(wording.stage_label(stage), uri, in_words(those), file, lines)
        out.setdefault(group, []).append(part)
    return out


def unsure(energies: Sequence[Energy], stage: str) -> list[str]:
    """Return a sentence on peaks of a stage that other random signs might move, if any."""
    few = [one for one in energies if one.stage == stage]
    if few and len(few[0].densities) < 2:
        return [
            "One picture of random signs means nothing: where it differs from the mean stimulus is "
            "chance. Ask for many with --seeds, 512 for instance."
        ]
    moved = [
        f"{one.panel.row.name} {one.panel.region.name} ({one.shares[one.peak]:.0%})"
        for one in few
        if one.shares[one.peak] < SURE
    ]
    if not moved:
        return []
    n = len(few[0].densities)
    return [
        f"{n} pictures are too few to be sure of the ring with the most energy "
        f"({wording.stage_label(stage).lower()}): in fewer than {SURE:.0%} of resamplings of the "
        f"pictures it is the same for {wording.joined(moved)}. Ask for more with --seeds."
    ]


def _line(one: Energy) -> dict[str, str]:
    panel, peak = one.panel, one.peak
    inside = panel.row.inside[panel.region.key]
    error = one.error[peak]
    return {
        "region": panel.region.name,
        "expression": inside[panel.subjects[0]].expression,
        "subject": panel.row.name,
        "voxels": " + ".join(wording.count(int(s.voxels.sum())) for s in inside.values()),
        "pictures": wording.count(len(one.densities)),
        "peak": one.rings.names[peak],
        "energy": wording.number(one.density[peak], 0)
        + (f" ± {wording.number(error, 0)}" if np.isfinite(error) else ""),
        "sure": f"{one.shares[peak]:.0%}" if np.isfinite(error) else "–",
    }
