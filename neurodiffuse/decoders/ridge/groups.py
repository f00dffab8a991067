"""Which training rows of a subject are left out together: an image's, a session's or a cluster's.

Rows are left out when a penalty is chosen by ``loo`` and for ``predict.rescale = "train"``. An
image's own trials are always left out with it; sessions keep slow changes of the responses,
clusters keep like images, from being of help.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from neurodiffuse.config.ridge import LeaveOut
from neurodiffuse.decoders.ridge.folds import folds
from neurodiffuse.decoders.ridge.selection import sketch
from neurodiffuse.errors import DataError
from neurodiffuse.types import Responses, Targets


@dataclass(frozen=True, eq=False)
class Labels:
    """The group of each training row, intp (n_rows,) from 0, and the image of each.

    Both are None where every row is left out alone.
    """

    groups: np.ndarray | None
    images: np.ndarray | None


def image_labels(responses: Responses) -> np.ndarray:
    """Return the image of each training row as a number, intp (n_rows,)."""
    return np.asarray(np.unique(responses.images, return_inverse=True)[1], np.intp)


def labels_of(responses: Responses, feature: str, leave_out: str, where: str, seed: int) -> Labels:
    """Return the labels of training rows that ``leave_out`` asks for.

    ``where`` is the option that it was given by, with the subject.

    Raises
    ------
    DataError
        If they cannot be had of this subject's trials, in one line.
    """
    asked = LeaveOut.read(leave_out)
    of_row = image_labels(responses)
    images = of_row if of_row.max() + 1 < len(of_row) else None
    if asked.by == "image":
        return Labels(images, None)
    if asked.by == "session":
        groups = _sessions(responses, where)
    else:
        targets = responses.targets[asked.feature or feature]
        groups = _clusters(targets, of_row, asked.feature or feature, asked.clusters, where, seed)
    try:
        folds(groups, images)
    except DataError as error:
        raise DataError(
            f"{where}: a {asked.by} holds trials of all training images, so that nothing is left "
            "to predict it from. Write leave_out = 'image'."
        ) from error
    return Labels(groups, images)


def _sessions(responses: Responses, where: str) -> np.ndarray:
    """Return the session of each training row."""
    named = {session for sessions in responses.sessions for session in sessions}
    if len(named) < 2:
        said = f"the one session {next(iter(named))!r}" if named else "no session"
        raise DataError(
            f"{where}: 'session' needs two or more, and the training trials name {said}. Write "
            "leave_out = 'image' or 'cluster:20'."
        )
    for image, sessions in zip(responses.images, responses.sessions, strict=True):
        if len(sessions) > 1:
            raise DataError(
                f"{where}: 'session', and image {image!r} is an average of trials of sessions "
                f"{', '.join(sorted(sessions))}, so that none can be left out. Write "
                "mask.repetitions = 'single', or leave_out = 'image' or 'cluster:20'."
            )
    names = [sessions[0] for sessions in responses.sessions]
    return np.asarray(np.unique(names, return_inverse=True)[1], np.intp)


def _clusters(
    targets: Targets, of_row: np.ndarray, feature: str, count: int, where: str, seed: int
) -> np.ndarray:
    """Return the cluster of each training row's image, by k-means.

    The images are points in 32 random combinations of the feature's standardised targets, which
    keep their distances to each other nearly.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    first = np.unique(of_row, return_index=True)[1]
    if count > len(first):
        raise DataError(
            f"{where}: {count} clusters of {len(first)} training images; give at most as "
            "many as images."
        )
    points = sketch(_rows(targets, first), targets.size, seed)
    # one thread: several add up in any order, and a cluster's border may move with it
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct images than clusters
        found = KMeans(count, n_init=4, random_state=seed).fit_predict(points)
    groups = np.unique(found, return_inverse=True)[1][of_row]
    if groups.max() == 0:
        raise DataError(
            f"{where}: the training images do not differ in {feature!r}, so that there are no "
            "clusters. Name another feature: 'cluster:20:NAME'."
        )
    return np.asarray(groups, np.intp)


def _rows(targets: Targets, rows: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    for columns, values in targets.blocks():
        yield columns, values[rows]
