"""The betas of a subject with the trials they belong to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from neurodiffuse.errors import MissingDataError, listing
from neurodiffuse.readers import volumes
from neurodiffuse.readers.tables import read_table
from neurodiffuse.types import Grid, Remark
from neurodiffuse_bids.choice import Choice, RowFilter
from neurodiffuse_bids.events import Responses, Tables
from neurodiffuse_bids.identity import index, is_absent, whole
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.order import Sessions, order_sessions
from neurodiffuse_bids.series import Series, find_series
from neurodiffuse_bids.stimuli import Pictures, Shown
from neurodiffuse_bids.tables import TABLES, tables_of


@dataclass(frozen=True)
class Wanted:
    """Which betas and trials count: options of the data set, by the same names.

    ``template`` is the place of files that have none.
    """

    betas_filter: Mapping[str, Any] = field(default_factory=dict)
    space: str = ""
    task: str = ""
    sessions: Sequence[str] = ()
    stimulus_column: str = ""
    order: str = ""
    trials_filter: RowFilter | None = None
    exclude: RowFilter | None = None
    missing: Literal["error", "skip"] = "error"
    template: Grid | None = None


def read_responses(
    label: str,
    files: Sequence[BidsFile],
    tables: Sequence[BidsFile],
    wanted: Wanted,
    pictures: Pictures,
    roots: tuple[Path, Path],
) -> tuple[tuple[Responses, ...], tuple[Remark, ...]]:
    """Return the betas of every session and run with their trials; headers and tables are read.

    Parameters
    ----------
    label
        The subject.
    files, tables
        Where the betas are, and where the tables of trials are; often the same files.
    wanted
        Which of them count.
    pictures
        What tells which picture a trial shows.
    roots
        The data set of the betas, and that of the tables.

    Raises
    ------
    NoBetasError
        If the subject has none.
    MissingDataError
        If a run's betas or table are not there.
    DataError
        If betas and tables do not fit together.
    """
    root, of_tables = roots
    who = f"{root}: sub-{label}"
    found = find_series(files, wanted.betas_filter, wanted.space, wanted.task, who)
    betas = [file for series in found for file in series.files]
    trials = [file for file in tables if file["suffix"] in TABLES]
    joined = {
        table.path
        for one in found
        for table in tables_of(one.files[0], trials)
        if not (one["session"] or table["session"])
    }
    in_rows = [s for path in sorted(joined) for s in read_table(path).get("session") if s]
    sessions = order_sessions(
        [*betas, *(file for file in trials if file["subject"])],
        [*tables, *files],
        in_rows,
        wanted.sessions,
        lambda session: _has_session(root, session) or _has_value(of_tables, "session", session),
        who,
    )
    series = [one for one in found if sessions.holds(one["session"])]
    series.sort(key=lambda one: sessions.rank(one["session"]))  # runs stay in order
    here, remarks = _present(series, wanted.missing, root)
    choice = Choice(wanted.trials_filter, wanted.exclude)
    reader = Tables(trials, sessions, wanted.stimulus_column, wanted.order, choice)
    parts = []
    for one in here:
        grid, count = volumes.grid_of(one.files[0].path, template=wanted.template)
        if len(one.files) > 1:  # the headers of the others are read with their data
            count = len(one.files)
        parts.append(Responses(one, grid, reader.rows(one, count)))
    choice.check(who, lambda column, value: _has_value(of_tables, column, value))
    limits = {e: v for e, v in wanted.betas_filter.items() if e in ("session", "run")}
    lost = [str(file.path) for file in reader.unused(series) if file.fits(limits)]
    remarks += _check_lost([*lost, *reader.without_betas], wanted.missing)
    remarks += _run_gaps(series)
    remarks += _unchecked(reader.unchecked)
    remarks += reader.remarks + _order_remarks(sessions, series, files, in_rows)
    named, about_names = _identified(parts, pictures)
    if wanted.missing == "skip":
        named, left_out = _with_pictures(named, pictures)
        remarks += left_out
    return tuple(named), tuple(dict.fromkeys([*remarks, *about_names]))


def _run_gaps(series: Sequence[Series]) -> list[Remark]:
    """Return a note for each session of which the numbers of the runs have a gap."""
    found: dict[str, set[int]] = {}
    for one in series:
        if one["run"].isdigit():
            found.setdefault(one["session"], set()).add(int(one["run"]))
    remarks = []
    for session, runs in found.items():
        lost = [str(k) for k in range(min(runs), max(runs)) if k not in runs]
        if lost:
            where = f"session {session}: " if session else ""
            text = f"{where}there are no betas of run {listing(lost, most=5)}, while there are of "
            remarks.append(Remark(f"{text}runs {min(runs)} and {max(runs)}."))
    return remarks


def _unchecked(tables: Sequence[str]) -> list[Remark]:
    """Return a note on tables of events whose onsets do not tell rows apart, if there are any."""
    if not tables:
        return []
    text = f"{listing(tables, most=3)}: all rows of a run have the same onset, or none"
    return [Remark(f"{text}; whether they are in the order of the volumes cannot be checked.")]


def _present(
    series: Sequence[Series], missing: str, root: Path
) -> tuple[list[Series], list[Remark]]:
    """Return the series whose files are there; refuse the others unless they may be missing."""
    here, remarks = [], []
    for one in series:
        absent = [file.path for file in one.files if is_absent(file.path)]
        if not absent:
            here.append(one)
            continue
        path = absent[0]
        what = "the link leads nowhere" if path.is_symlink() else "its content is not here"
        if missing != "skip":
            raise MissingDataError(
                f"{path}: {what}. Get it (datalad get {path.relative_to(root)}), or go on without "
                "the runs whose betas are missing: --set datasets.bids.missing=skip."
            )
        remarks.append(
            Remark(f"{path.name}: {what}; its run is left out (missing = skip).", "warning")
        )
    if not here:
        raise MissingDataError(f"{series[0].files[0].path}: no file of betas is there.")
    return here, remarks


def _check_lost(lost: Sequence[str], missing: str) -> list[Remark]:
    """Refuse runs of which betas are missing while their events are there, or remark on them."""
    if not lost:
        return []
    what = f"{listing(lost, most=3)}: there are no betas of these events"
    if missing != "skip":
        raise MissingDataError(
            f"{what}. Restore the betas, choose sessions with datasets.bids.sessions, or go on "
            "without: --set datasets.bids.missing=skip."
        )
    return [Remark(f"{what}; left out (missing = skip).", "warning")]


def _order_remarks(
    sessions: Sessions, series: Sequence[Series], files: Sequence[BidsFile], rows: Sequence[str]
) -> list[Remark]:
    """Return how sessions were chosen or ordered, where that is not plain."""
    remarks = []
    if not sessions.known:
        own = list(dict.fromkeys(one["session"] for one in series if one["session"]))
        if len(own) > 1:
            remarks.append(
                Remark(
                    f"sessions: {listing(own)} are taken in the order of the alphabet, since "
                    f"{sessions.why or 'nothing says when they were'}; only the order of rows "
                    "depends on it. datasets.bids.sessions gives another."
                )
            )
    if sessions.chosen:
        every = dict.fromkeys([*(f["session"] for f in files if f["session"]), *rows])
        gone = [label for label in every if sessions.rank(label) < 0]
        if gone:
            remarks.append(
                Remark(f"sessions {listing(gone)}: not in datasets.bids.sessions", "left out")
            )
    return remarks


def _identified(
    parts: Sequence[Responses], pictures: Pictures
) -> tuple[list[Responses], list[Remark]]:
    """Return the responses with one id for each picture, whatever the tables call it."""
    rows = [row for part in parts for row in part.rows]
    ids, remarks = pictures.identify([Shown(r.stimulus, r.file, r.table) for r in rows])
    every = iter(ids)
    named = [
        replace(part, rows=tuple(replace(row, stimulus=next(every)) for row in part.rows))
        for part in parts
    ]
    return named, remarks


def _with_pictures(
    parts: Sequence[Responses], pictures: Pictures
) -> tuple[list[Responses], list[Remark]]:
    """Return the responses without trials whose picture is not there; refuse to leave out all."""
    ids = dict.fromkeys(row.stimulus for part in parts for row in part.rows)
    absent = set(pictures.absent(ids))
    if not absent:
        return list(parts), []
    if len(absent) == len(ids):
        pictures.paths(list(ids))  # says that none is there, and where they were looked for
    kept = [
        replace(part, rows=tuple(row for row in part.rows if row.stimulus not in absent))
        for part in parts
    ]
    gone = sum(len(part.rows) for part in parts) - sum(len(part.rows) for part in kept)
    shown = listing((i for i in ids if i in absent), most=3)
    text = (
        f"stimuli: {gone} trials of {len(absent)} pictures that are not there are left out "
        f"(missing = skip): {shown}."
    )
    return kept, [Remark(text, "warning")]


def _has_session(root: Path, session: str) -> bool:
    """Return whether any subject has a session."""
    return any(
        index(folder.name.removeprefix("ses-")) == session for folder in root.glob("sub-*/ses-*")
    )


def _has_value(root: Path, column: str, value: str) -> bool:
    """Return whether any table of trials has a value."""
    for suffix in TABLES:
        for path in root.rglob(f"*_{suffix}.tsv"):
            if value in map(whole, read_table(path).get(column)):
                return True
    return False
