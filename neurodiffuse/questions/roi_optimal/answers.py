"""Send patterns through the fitted maps: what one subject's brain says a region stands for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurodiffuse import maps, ridge
from neurodiffuse.run import Run
from neurodiffuse.types import Shape


@dataclass(frozen=True, eq=False)
class Answer:
    """What the map of one feature says to each pattern.

    ``deviations`` float32 (n_patterns, t) are from ``mean`` (t,), ``sd`` (t,, ddof 0) is that of
    the training latents, both float64; ``norm`` is the mean Euclidean norm of the training
    latents. ``unread`` bool (n_patterns,) marks patterns without a voxel that the feature reads.
    """

    deviations: np.ndarray
    mean: np.ndarray
    sd: np.ndarray
    norm: float
    unread: np.ndarray
    shapes: tuple[Shape, ...]


def answer(run: Run, subject: str, feature: str, patterns: np.ndarray) -> Answer:
    """Return the latents that a feature's map predicts for patterns (n_patterns, n_voxels).

    The training latents are read once, block by block. Each pattern is multiplied on its own, so
    that its latents are the same bytes whatever else is asked for.
    """
    fitted = maps.open_map(run, subject, feature)
    hats = [fitted.hat(pattern[None].astype(np.float32)) for pattern in patterns]
    unread = np.logical_not(patterns[:, fitted.voxels].any(axis=1))
    t, squares = fitted.targets.targets, np.zeros(len(fitted.rows))
    deviations = np.zeros((len(hats), t), np.float32)
    mean, sd = np.zeros(t), np.zeros(t)
    for columns, block in _measured(fitted, squares):
        for row, hat in enumerate(hats):
            (said,) = ridge.predict_blocks(hat, [(columns, block)])
            deviations[row, columns] = 0.0 if unread[row] else said.deviation[0]
            mean[columns], sd[columns] = said.mean, said.sd
    norm = float(np.sqrt(squares).mean())
    return Answer(deviations, mean, sd, norm, unread, fitted.targets.shapes)


def _measured(fitted: maps.Map, squares: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield the map's blocks and add each row's squared length to ``squares`` (n_rows,)."""
    for columns, block in fitted.blocks():
        squares += np.einsum("ij,ij->i", block, block, dtype=np.float64)
        yield columns, block
