"""The activity that stands for a region, in units of each voxel's standard deviation."""

from __future__ import annotations

import numpy as np

from neurodiffuse.questions.roi_optimal.question import Question
from neurodiffuse.store import seed_of


def patterns_of(question: Question, key: str, inside: np.ndarray, seed: int) -> np.ndarray:
    """Return the patterns of a region, float32 (question.patterns, n_voxels), 0 outside of it.

    Parameters
    ----------
    question
        Its ``pattern`` is ``ones``, a single pattern, or ``signs``, one for each picture.
    key
        Of the region.
    inside
        Its voxels, bool (n_voxels,) over the mask.
    seed
        Of the subject; with the key and a picture's number the only source of its signs.

    Notes
    -----
    ``ones`` is the published pattern. Its latents are Σ_v w_v, w_v those of voxel v: where voxels
    prefer opposite things (one light, its neighbour dark) they cancel by chance. With signs
    s_v = ±1 drawn at random, E‖Σ_v s_v w_v‖² = Σ_v ‖w_v‖², whatever they prefer: the mean energy
    of such pictures says where the region's voxels look, each by itself (Hutchinson 1989,
    Communications in Statistics 18:1059, for the trace of a matrix).
    """
    if question.pattern == "ones":
        return inside[None].astype(np.float32)
    out = np.zeros((question.patterns, inside.size), np.float32)
    for k, row in enumerate(out):
        rng = np.random.default_rng(seed_of(seed, f"signs/{key}/{k}"))
        row[inside] = rng.choice(np.array([-1, 1], np.float32), int(inside.sum()))
    return out
