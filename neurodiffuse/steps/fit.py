"""Fit: solve the ridge problem of each set of voxels and each penalty, once."""

from __future__ import annotations

import numpy as np

from neurodiffuse import maps, ridge
from neurodiffuse.progress import progress
from neurodiffuse.run import Run, write_json


def fit(run: Run, subject: str) -> None:
    """Write the ridge factors of a subject; see `neurodiffuse.ridge` for the equations.

    Features that read the same voxels share one Gram matrix, and those with the same penalty
    one factor, however many targets they have. ``fit.json`` says which feature uses which.
    """
    groups: dict[bytes, list[str]] = {}
    for feature in run.config.features:
        voxels = maps.feature_voxels(run, subject, feature)
        groups.setdefault(voxels.tobytes(), []).append(feature)
    about: dict[str, dict[str, object]] = {}
    work = progress(groups.items(), f"sub-{subject} fit", total=len(groups), quiet=run.quiet)
    with run.writing(run.folder("fit", subject)) as folder:
        for number, (key, features) in enumerate(work):
            voxels = np.frombuffer(key, np.intp)
            np.save(folder / f"voxels{number}.npy", voxels)
            gram = ridge.gram(maps.training_betas(run, subject, voxels))
            alphas = sorted({float(run.config.features[f].alpha) for f in features})
            for k, alpha in enumerate(alphas):
                maps.save_factor(folder, f"factor{number}-{k}", ridge.factorise(gram, alpha))
            for feature in features:
                alpha = float(run.config.features[feature].alpha)
                about[feature] = {
                    "voxels": f"voxels{number}",
                    "factor": f"factor{number}-{alphas.index(alpha)}",
                    "alpha": alpha,
                    "n_voxels": len(voxels),
                    "n_rows": len(gram.x),
                }
        write_json(folder / "fit.json", about)
