"""Send patterns through the fitted maps: what one subject's brain says a region stands for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurodiffuse import maps, ridge
from neurodiffuse.run import Run
from neurodiffuse.store import LatentFile


@dataclass(frozen=True, eq=False)
class Answer:
    """What the map of one feature says to each pattern.

    ``latents`` is a file with a row a pattern: deviations, float32 (n_patterns, t), from ``mean``
    (t,). ``sd`` (t,, ddof 0) is that of the training latents, both float64; ``norm`` is the mean
    Euclidean norm of the training latents. ``unread`` bool (n_patterns,) marks patterns without a
    voxel that the feature reads.
    """

    latents: LatentFile
    mean: np.ndarray
    sd: np.ndarray
    norm: float
    unread: np.ndarray


def answer(
    run: Run, subject: str, feature: str, patterns: Iterable[np.ndarray], place: Path
) -> Answer:
    """Write the latents that a feature's map predicts for patterns (n_voxels,) into a file.

    The training latents are read once, block by block. Each pattern is multiplied on its own, so
    that its latents are the same bytes whatever else is asked for. ``place`` is a ``.npy`` file.
    """
    fitted = maps.open_map(run, subject, feature)
    hats, blind = [], []
    for pattern in patterns:
        hats.append(fitted.hat(pattern[None].astype(np.float32)))
        blind.append(not pattern[fitted.voxels].any())
    unread = np.array(blind, bool)
    names = tuple(map(str, range(len(hats))))
    latents = LatentFile.create(place, names, fitted.targets.shapes)
    t, squares = latents.targets, np.zeros(len(fitted.rows))
    mean, sd = np.zeros(t), np.zeros(t)
    for columns, block in _measured(fitted, squares):
        deviations = np.zeros((len(hats), block.shape[1]), np.float32)
        for row, hat in enumerate(hats):
            (said,) = ridge.predict_blocks(hat, [(columns, block)])
            deviations[row] = 0.0 if unread[row] else said.deviation[0]
            mean[columns], sd[columns] = said.mean, said.sd
        latents.write_columns(columns, deviations)
    return Answer(latents, mean, sd, float(np.sqrt(squares).mean()), unread)


def _measured(fitted: maps.Map, squares: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the map's blocks and add each row's squared length to ``squares`` (n_rows,)."""
    for columns, block in fitted.blocks():
        squares += np.einsum("ij,ij->i", block, block, dtype=np.float64)
        yield columns, block
