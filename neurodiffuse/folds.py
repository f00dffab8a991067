"""Which training rows of a subject are left out together: an image's, a session's or a cluster's.

Rows are left out when a penalty is chosen by ``loo`` and for ``predict.rescale = "train"``. An
image's own trials are always left out with it; sessions keep slow changes of the responses,
clusters keep like images, from being of help.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from neurodiffuse import maps, ridge
from neurodiffuse.config import LeaveOut
from neurodiffuse.errors import DataError
from neurodiffuse.run import Run


@dataclass(frozen=True, eq=False)
class Labels:
    """The group of each training row, intp (n_rows,) from 0, and the image of each.

    Both are None where every row is left out alone.
    """

    groups: np.ndarray | None
    images: np.ndarray | None


def labels_of(run: Run, subject: str, feature: str) -> Labels:
    """Return the labels that ``features.NAME.leave_out`` asks for.

    Raises
    ------
    DataError
        If they cannot be had of this subject's trials, in one line.
    """
    asked = LeaveOut.read(run.config.features[feature].leave_out)
    _, rows = maps.training_latents(run, subject, feature)
    images = rows if len(np.unique(rows)) < len(rows) else None
    if asked.by == "image":
        return Labels(images, None)
    where = f"sub-{subject}: features.{feature}.leave_out"
    if asked.by == "session":
        groups = _sessions(run, subject, where)
    else:
        groups = _clusters(run, subject, asked.feature or feature, asked.clusters, where)
    try:
        ridge.folds(groups, images)
    except DataError as error:
        raise DataError(
            f"{where}: a {asked.by} holds trials of all training images, so that nothing is left "
            "to predict it from. Write leave_out = 'image'."
        ) from error
    return Labels(groups, images)


def _sessions(run: Run, subject: str, where: str) -> np.ndarray:
    """Return the session of each training row."""
    trials = run.subject(subject).trials
    of_image: dict[str, set[str]] = {}
    single = []
    for image, session, split in zip(trials.stimulus, trials.session, trials.split, strict=True):
        if split == "train":
            of_image.setdefault(image, set()).add(session)
            single.append(session)
    if len(set(single)) < 2:
        said = f"the one session {single[0]!r}" if single and single[0] else "no session"
        raise DataError(
            f"{where}: 'session' needs two or more, and the training trials name {said}. Write "
            "leave_out = 'image' or 'cluster:20'."
        )
    if run.config.mask.repetitions == "single":
        return np.asarray(np.unique(single, return_inverse=True)[1], np.intp)
    for image, sessions in of_image.items():
        if len(sessions) > 1:
            raise DataError(
                f"{where}: 'session', and image {image!r} is an average of trials of sessions "
                f"{', '.join(sorted(sessions))}, so that none can be left out. Write "
                "mask.repetitions = 'single', or leave_out = 'image' or 'cluster:20'."
            )
    names = [next(iter(sessions)) for sessions in of_image.values()]
    return np.asarray(np.unique(names, return_inverse=True)[1], np.intp)


def _clusters(run: Run, subject: str, feature: str, count: int, where: str) -> np.ndarray:
    """Return the cluster of each training row's image, by k-means.

    The images are points in 32 random combinations of the feature's standardised targets, which
    keep their distances to each other nearly.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    latents, rows = maps.training_latents(run, subject, feature)
    if count > len(latents.ids):
        raise DataError(
            f"{where}: {count} clusters of {len(latents.ids)} training images; give at most as "
            "many as images."
        )
    points = ridge.sketch(latents.blocks(), latents.targets, run.config.seed)
    # one thread: several add up in any order, and a cluster's border may move with it
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than clusters
        found = KMeans(count, n_init=4, random_state=run.config.seed).fit_predict(points)
    groups = np.unique(found, return_inverse=True)[1][rows]
    if groups.max() == 0:
        raise DataError(
            f"{where}: the training images do not differ in {feature!r}, so that there are no "
            "clusters. Name another feature: 'cluster:20:NAME'."
        )
    return np.asarray(groups, np.intp)
