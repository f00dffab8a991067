"""Maps on the fsaverage surface, for data that are on it or in MNI space."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.questions.weights.statmaps import BrainValues, of_hemisphere, write_gifti
from neurodiffuse.report.cortex import HEMISPHERES, MESH, cortex_image
from neurodiffuse.report.template import on_cortex
from neurodiffuse.run import Run


def project(run: Run, made: BrainValues) -> Any:
    """Return the map on fsaverage5 as nilearn's SurfaceImage; NaN off the mask.

    Of data on fsaverage, the vertices that both meshes have; of data in MNI space, see
    `template.on_cortex`.
    """
    grid = run.subject(made.subject).grid
    volume = np.full(grid.size, np.nan)
    volume[made.inside] = made.values
    return cortex_image(volume) if grid.is_surface else on_cortex(volume, grid)


def write(folder: Path, made: BrainValues, surface: Any) -> None:
    """Write ``…_hemi-L_space-fsaverage5_stat-…_statmap.shape.gii`` for both hemispheres."""
    stem = re.sub(r"_space-[^_]*", f"_space-{MESH}", made.stem)
    for name in HEMISPHERES:
        file = folder / f"{of_hemisphere(stem, name)}_statmap.shape.gii"
        write_gifti(file, surface.data.parts[name], name, made.title)
