"""The grid of a subject's betas, and what is to be told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from neurodiffuse.errors import DataError
from neurodiffuse.readers.grids import NOTED, times, why_unplaced
from neurodiffuse.readers.remarks import Remarks
from neurodiffuse.readers.volumes import AFFINE_FROM, about_two_places, check_grid, grid_of
from neurodiffuse.types import Grid
from neurodiffuse_bids.events import Responses


def betas_grid(responses: Sequence[Responses], template: Grid | None, remarks: Remarks) -> Grid:
    """Return the grid of a subject's betas, that of the first file.

    Parameters
    ----------
    responses
        The betas by session and run.
    template
        The place of files without one, see `volumes.Target`.
    remarks
        Takes what is to be told.

    Raises
    ------
    DataError
        If a session or run is on another grid, or the template does not fit.
    """
    first = responses[0].series.files[0]
    grid = replace(responses[0].grid, space=first["space"])
    for part in responses:
        path = part.series.files[0].path
        way = check_grid(path, part.grid, grid, first.path)
        if said := about_two_places(path):
            remarks.add(path, said)
        if not way.is_plain:
            remarks.add(path, f"its axes are put in the order of those of {first.path.name}")
        if way.mm > NOTED:
            remarks.add(
                path,
                f"its voxels lie up to {way.mm:.2g} mm ({way.voxels:.2g} voxels) from those of "
                f"{first.path.name}, as rounding does, and are taken for the same",
            )
        if template is not None and not grid_of(path)[0].placed and part.grid.placed:
            remarks.add(path, f"has no place and takes that of {AFFINE_FROM}")
    if not grid.placed:
        if template is not None:
            raise DataError(
                f"{AFFINE_FROM}: its image has shape {times(template.shape)}, and the betas have "
                f"{times(grid.shape)} ({first.path}). Give an image of their shape."
            )
        remarks.add(
            first.path,
            f"has no place ({why_unplaced(grid)}): maps are written without one, and left and "
            f"right, and millimetres, mean nothing in pictures. --set {AFFINE_FROM}=FILE takes "
            "it from an image of the same voxels",
            "warning",
        )
    return grid
