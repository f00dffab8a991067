"""Which picture each trial showed: ``nsd_expdesign.mat``, checked against ``responses.tsv``.

Indices in both files count from 1. A trial's picture has a number among the 10,000 of its
subject, of which 1 to 1,000 are the same for everybody, and one among all 73,000.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurodiffuse.errors import DataError
from neurodiffuse.readers.reach import check_file
from neurodiffuse.types import Trials
from neurodiffuse_nsd.hdf5 import open_hdf5
from neurodiffuse_nsd.matlab import check_frame
from neurodiffuse_nsd.tree import WrongFileError

SHARED = 1000
"""Pictures with a number up to this are shown to every subject: the test set."""

PICTURES = 73_000

_FIELDS = ("masterordering", "subjectim", "stimpattern")


@dataclass(frozen=True, eq=False)
class Design:
    """The order of presentation of all subjects.

    ``ordering`` (n_trials,) is the trial's number among the pictures of a subject, from 1;
    ``pictures`` (n_subjects, n_pictures) the number among all, from 1; ``shown`` (n_sessions,
    n_runs) how many trials a run has.
    """

    ordering: np.ndarray
    pictures: np.ndarray
    shown: np.ndarray

    @property
    def sessions(self) -> int:
        """Planned sessions."""
        return len(self.shown)

    def trials_in(self, session: int) -> int:
        """Return how many trials a session (from 1) has."""
        return int(self.shown[session - 1].sum())


def read_design(path: Path) -> Design:
    """Return the design, from a MATLAB file of any version.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a field, or its fields do not fit together.
    """
    content = _matlab(path)
    absent = [name for name in _FIELDS if name not in content]
    if absent:
        raise WrongFileError(
            f"{path}: is not the design of NSD: it has no field {absent[0]!r} (fields: "
            f"{', '.join(sorted(content)) or 'none'})."
        )
    ordering = content["masterordering"].ravel()
    pictures, pattern = content["subjectim"], content["stimpattern"]
    problem = ""
    if pattern.ndim != 3 or pictures.ndim != 2:
        problem = f"stimpattern is {pattern.shape}, subjectim {pictures.shape}"
    elif not all(np.issubdtype(a.dtype, np.number) for a in (ordering, pictures, pattern)):
        problem = "a field does not hold numbers"
    elif int((pattern > 0).sum()) != len(ordering):
        problem = f"{len(ordering)} trials are ordered and {int((pattern > 0).sum())} are planned"
    elif ordering.min() < 1 or ordering.max() > pictures.shape[1]:
        problem = f"masterordering is not within 1 to {pictures.shape[1]}"
    elif pictures.min() < 1 or pictures.max() > PICTURES:
        problem = f"subjectim is not within 1 to {PICTURES}"
    if problem:
        raise WrongFileError(f"{path}: is not the design of NSD: {problem}.")
    shown = (pattern > 0).sum(axis=2)
    return Design(ordering.astype(np.int64), pictures.astype(np.int64), shown.astype(np.int64))


def _matlab(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a MATLAB file; since version 7.3 it is HDF5, and transposed."""
    import h5py
    from scipy.io import loadmat

    check_file(path)
    try:
        if h5py.is_hdf5(path):
            with open_hdf5(path) as file:
                found: dict[str, Any] = {
                    name: item[()].T
                    for name, item in file.items()
                    if isinstance(item, h5py.Dataset)
                }
        else:
            check_frame(path)
            found = loadmat(path)
    except WrongFileError:
        raise
    except Exception as error:  # of what each library says of damages
        text = " ".join(str(error).split())
        raise WrongFileError(f"{path}: is not a MATLAB file, or a damaged one ({text}).") from error
    return {k: np.asarray(v) for k, v in found.items() if not k.startswith("__")}


def trials_of(design: Design, subject: str, sessions: int) -> Trials:
    """Return the trials of a subject's first sessions in the order of presentation.

    The test set are the shared pictures: ``masterordering <= 1000``. A picture is called
    ``nsd02951`` by its number among the 73,000, from 1, as in NSD's own file names.
    """
    row = int(subject) - 1
    if row >= len(design.pictures):
        raise WrongFileError(
            f"subj{subject}: the design has {len(design.pictures)} subjects; there is no such one."
        )
    counts = design.shown[:sessions]
    n = int(counts.sum())
    number = design.ordering[:n]
    picture = design.pictures[row][number - 1]
    session, run = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), counts.shape[1])
    return Trials(
        stimulus=tuple(name_of(p) for p in picture),
        split=tuple("test" if k <= SHARED else "train" for k in number),
        session=tuple(f"{s + 1:02d}" for s in session),
        run=tuple(f"{r + 1:02d}" for r in run),
    )


def name_of(picture: int) -> str:
    """Return the stimulus id of a picture's number among the 73,000, from 1."""
    return f"nsd{picture:05d}"


def number_of(stimulus: str) -> int:
    """Return a picture's number among the 73,000, from 1.

    Raises
    ------
    DataError
        If the id is none of NSD's.
    """
    text = stimulus.removeprefix("stim-").removeprefix("nsd")
    if not text.isdigit() or not 1 <= int(text) <= PICTURES:
        raise DataError(
            f"stimulus {stimulus!r}: is none of NSD's, which are called nsd00001 to nsd{PICTURES}."
        )
    return int(text)


def check_responses(path: Path, trials: Trials) -> None:
    """Compare the design with the table of button presses, which names the pictures too.

    Raises
    ------
    DataError
        If a trial shows another picture, or is in another session or run.
    """
    columns = ("SESSION", "RUN", "73KID")
    check_file(path)
    try:
        with path.open(encoding="utf-8") as file:
            header = file.readline().split()
            places = [header.index(name) for name in columns]
            table = np.loadtxt(file, usecols=places, ndmin=2, max_rows=len(trials))
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise WrongFileError(
            f"{path}: cannot be read as NSD's table of responses ({text})."
        ) from error
    if len(table) < len(trials):
        raise WrongFileError(
            f"{path}: has {len(table)} trials where {len(trials)} are needed. For fewer "
            "sessions: --set datasets.nsd.n_sessions=N."
        )
    wanted = np.array(
        [
            *zip(
                map(int, trials.session),
                map(int, trials.run),
                map(number_of, trials.stimulus),
                strict=True,
            )
        ]
    )
    wrong = np.flatnonzero((table != wanted).any(axis=1))
    if len(wrong):
        k = int(wrong[0])
        found, planned = (", ".join(f"{v:g}" for v in row[k]) for row in (table, wanted))
        raise WrongFileError(
            f"{path}: trial {k + 1} has session, run and picture {found} where nsd_expdesign.mat "
            f"says {planned}. One of the two files is not NSD's, or was changed."
        )
