"""The regions of a subject as a table: what they are, where they come from, how many voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np

from neurodiffuse import rois
from neurodiffuse.errors import ConfigError, DataError, listing
from neurodiffuse.report.angles import arc, period
from neurodiffuse.types import Dataset, Roi, Subject


@dataclass(frozen=True)
class Row:
    """One region, map or expression of a subject.

    ``voxels`` counts those of the mask, or of a map those with a finite value; ``inside`` those
    of them that are in the subject's mask. ``low`` and ``high`` are a map's 5th and 95th
    percentile inside, in ``units``; of angles they are where the shortest arc that holds 90 % of
    them begins and ends.
    """

    name: str
    kind: str
    atlas: str
    voxels: int
    inside: int
    low: float | None
    high: float | None
    units: str
    source: str


@dataclass(frozen=True, eq=False)
class Region:
    """A row with its voxels, bool (grid.size,), or its values, float32 (grid.size,).

    ``turn`` is after how much values that are angles begin again, 0 of any other region.
    """

    row: Row
    values: np.ndarray
    turn: float = 0.0


def inside(dataset: Dataset, about: Subject, expression: str, where: str) -> np.ndarray:
    """Return the voxels that an expression names, bool (grid.size,).

    Raises
    ------
    ConfigError
        If it cannot be read or names an unknown region; ``where`` is the option it came from.
    """
    try:
        parsed = rois.parse_for(about, expression)
        return rois.evaluate(parsed, lambda n: dataset.roi(about.label, n), about.grid.size)
    except ConfigError as error:
        raise ConfigError(f"{where} {expression!r}, sub-{about.label}: {error}") from error


def regions(
    dataset: Dataset,
    about: Subject,
    mask: np.ndarray,
    expressions: Sequence[str],
    *,
    detail: bool = False,
) -> list[Region]:
    """Return the regions that the data set lists, or those that expressions name.

    Those of `Roi.detail`, which expressions know too, are left out unless asked for.

    Raises
    ------
    DataError
        If the data set lists none for this subject.
    """
    if expressions:
        return [
            _region(Roi(text, "expression"), inside(dataset, about, text, "--roi"), mask)
            for text in expressions
        ]
    if not about.rois:
        lost = [remark.words for remark in about.remarks if remark.kind == "left out"]
        raise DataError(
            f"sub-{about.label}: the data set has no region of this subject; its mask is "
            f"{about.mask!r}. {'; '.join(lost) or 'Add segmentations or masks to the data set'}."
        )
    listed = [roi for roi in about.rois if detail or not roi.detail]
    return [_region(roi, dataset.roi(about.label, roi.name), mask) for roi in listed]


def _region(roi: Roi, values: np.ndarray, mask: np.ndarray) -> Region:
    there = values if values.dtype == bool else np.isfinite(values)
    low, high, turn = None, None, 0.0
    if values.dtype != bool and (there & mask).any():
        turn = period(roi.name, roi.units, values[there & mask])
        low, high = _spread(values[there & mask], turn)
    counts = int(there.sum()), int((there & mask).sum())
    return Region(
        Row(roi.name, roi.kind, roi.atlas, *counts, low, high, roi.units, roi.source), values, turn
    )


def _spread(values: np.ndarray, turn: float) -> tuple[float, float]:
    if turn:
        return arc(values, turn)
    low, high = np.percentile(values, (5, 95))
    return float(low), float(high)


def write(path: Path, found: Sequence[Region]) -> None:
    """Write the rows as a table; ``n/a`` stands where there is nothing, as BIDS wants it."""
    lines = ["\t".join(field.name for field in fields(Row))]
    lines += ["\t".join(_cell(value) for value in astuple(region.row)) for region in found]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "n/a" if value in (None, "") else str(value)


def describe(
    about: Subject, expression: str, mask: np.ndarray, found: Sequence[Region], left_out: int = 0
) -> str:
    """Return the table as text for the terminal; ``left_out`` regions are not in it."""
    shape = " x ".join(str(length) for length in about.grid.shape)
    space = f", space {about.grid.space}" if about.grid.space else ""
    lines = [
        f"sub-{about.label}: grid {shape}{space}; mask {expression}: {int(mask.sum()):,} voxels"
    ]
    cells = [("region", "kind", "from", "voxels", "in mask", "")]
    for row in (region.row for region in found):
        cells.append(
            (row.name, row.kind, row.atlas, f"{row.voxels:,}", f"{row.inside:,}", _remark(row))
        )
    widths = [max(len(line[k]) for line in cells) for k in range(5)]
    for line in cells:
        words = [line[k].ljust(widths[k]) for k in range(3)]
        words += [line[k].rjust(widths[k]) for k in (3, 4)]
        lines.append("  ".join([*words, line[5]]).rstrip())
    nowhere = [r.row.name for r in found if not r.row.voxels]
    outside = [r.row.name for r in found if r.row.voxels and not r.row.inside]
    for what, names in (("no voxel at all", nowhere), ("not in the mask", outside)):
        if names:
            lines.append(f"{what}: {listing(names, most=12)}")
    if left_out:
        lines.append(f"and {left_out:,} more in detail: --all lists them")
    kinds = ("warning", "note", "left out")
    lines += [r.words for r in sorted(about.remarks, key=lambda r: kinds.index(r.kind))]
    return "\n".join(lines)


def _remark(row: Row) -> str:
    spread = "" if row.low is None else f"{row.low:.3g} to {row.high:.3g} {row.units}".strip()
    return "  ".join(part for part in (spread, row.source) if part)
