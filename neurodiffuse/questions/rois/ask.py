"""List a subject's regions and, where wanted, write them as a table, masks and a page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse import rois
from neurodiffuse.errors import DataError, RunError
from neurodiffuse.places import check_replaceable, replacing
from neurodiffuse.questions.rois import table
from neurodiffuse.questions.rois.pictures import Plate, plates
from neurodiffuse.report.cortex import too_coarse
from neurodiffuse.report.environment import filled
from neurodiffuse.report.template import on_template
from neurodiffuse.report.viewers import POLICY, shared
from neurodiffuse.types import Dataset, Subject

TABLE = "rois.tsv"
PAGE = "index.html"


@dataclass(frozen=True, eq=False)
class Listing:
    """A subject's regions with the mask they are counted in, bool (grid.size,)."""

    about: Subject
    expression: str
    mask: np.ndarray
    regions: list[table.Region]
    left_out: int = 0

    def __str__(self) -> str:
        return table.describe(self.about, self.expression, self.mask, self.regions, self.left_out)


def listing(
    dataset: Dataset,
    label: str,
    *,
    mask: str = "",
    expressions: Sequence[str] = (),
    detail: bool = False,
) -> Listing:
    """Return the regions of a subject, counted on its grid and inside a mask.

    Parameters
    ----------
    dataset, label
        The data set and the subject's label in it.
    mask
        ROI expression, in place of the data set's own mask.
    expressions
        ROI expressions to count in place of all that the data set lists.
    detail
        Also those that the data set marks as detail, such as halves of regions.

    Raises
    ------
    ConfigError
        If an expression cannot be read or names an unknown region.
    DataError
        If the mask is empty or the data set lists no region.
    """
    about = dataset.subject(label)
    expression = mask or about.mask
    given_by = "--mask" if mask else "the data set's own mask"
    voxels = table.inside(dataset, about, expression, given_by)
    if not voxels.any():
        raise DataError(f"{given_by} {expression!r}: no voxel of sub-{label} is in it.")
    found = table.regions(dataset, about, voxels, expressions, detail=detail)
    left_out = 0 if expressions else len(about.rois) - len(found)
    return Listing(about, expression, voxels, found, left_out)


def write(
    found: Listing, dataset: Dataset, name: str, out: Path, *, masks: bool, view: bool = False
) -> Path:
    """Write table, page and (``masks``) each region as ``mask-NAME.nii.gz``; return the page.

    With ``view`` the page has viewers to turn and to click through. The folder is replaced as a
    whole if it was made by this command.

    Raises
    ------
    RunError
        If the folder holds something else.
    """
    check_free(out)
    with replacing(out) as folder:
        table.write(folder / TABLE, found.regions)
        if masks:
            _write_masks(found, folder)
        drawn = plates(found.about, found.mask, found.regions, view=view)
        (folder / PAGE).write_text(_page(found, dataset, name, drawn), encoding="utf-8")
    return out / PAGE


def check_free(out: Path) -> None:
    """Raise `RunError` if the folder holds what this command did not make."""
    check_replaceable(out)
    if out.exists() and any(out.iterdir()) and not (out / TABLE).exists():
        raise RunError(
            f"--out: {out} is not empty and was not made by this command. Choose another folder; "
            "nothing was written."
        )


def _write_masks(found: Listing, folder: Path) -> None:
    for number, region in enumerate(found.regions, start=1):
        if region.values.dtype == bool:
            label = re.sub(r"[^A-Za-z0-9]+", "-", region.row.name).strip("-")
            image = rois.mask_image(region.values, found.about.grid)
            image.to_filename(folder / f"mask-{number}-{label}.nii.gz")


def _page(found: Listing, dataset: Dataset, name: str, drawn: Sequence[Plate]) -> str:
    explored = [plate for plate in drawn if plate.viewer]
    frames = shared([plate.viewer for plate in explored])
    return filled(
        "rois/page.html.j2",
        scripts=POLICY if explored else "",
        frames=frames,
        pieces=dict(zip((plate.title for plate in explored), frames.lists, strict=True)),
        dataset=dataset.about().get("name", name),
        found=found,
        rows=[region.row for region in found.regions],
        plates=drawn,
        mni=on_template(found.about.grid),
        remark=too_coarse(found.about.grid) or "No region has a voxel to draw.",
    )
