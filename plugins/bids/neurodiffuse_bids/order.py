"""In which order sessions came, and rows of a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from neurodiffuse.errors import DataError, listing, near
from neurodiffuse.readers.tables import read_table
from neurodiffuse_bids.identity import index
from neurodiffuse_bids.index import BidsFile, natural

_NUMBERED = re.compile(r"([^0-9]*)[0-9]+([^0-9]*)")


@dataclass(frozen=True)
class Sessions:
    """The sessions of a subject in order, as `index` has their labels.

    ``known`` is false where the order is that of the alphabet for want of anything better, and
    ``chosen`` true where the user named the sessions: others are left out. ``every`` are all
    sessions in their own order, empty where nothing says it. ``why`` says what is wrong with the
    times that the tables have of sessions of unknown order, empty where there are none.
    """

    labels: tuple[str, ...]
    known: bool = True
    chosen: bool = False
    every: tuple[str, ...] = ()
    why: str = ""

    def order(self, file: BidsFile) -> tuple[Any, ...]:
        """Return what sorts files by session, run and name."""
        return self.rank(file["session"]), natural(index(file["run"])), natural(file.path.name)

    def rank(self, label: str) -> int:
        """Return the place of a session, -1 of none."""
        own = session_of(label)
        return self.labels.index(own) if own in self.labels else -1

    def places(self, labels: Iterable[str]) -> Mapping[str, int]:
        """Return in which order the sessions of a table came, by `session_of` of their labels.

        Sessions whose order nothing says are taken as they first appear.
        """
        own = dict.fromkeys(map(session_of, labels))
        ways = (self.labels if self.known else (), self.every, tuple(own))
        order = next(way for way in ways if own.keys() <= set(way))
        return {label: place for place, label in enumerate(order)}

    def holds(self, label: str) -> bool:
        """Return whether a session counts; what is of no session does."""
        return not (self.chosen and label) or self.rank(label) >= 0


def session_of(label: str) -> str:
    """Return what a session's label stands for, with or without ``ses-``."""
    return index(label.removeprefix("ses-"))


def order_sessions(
    files: Iterable[BidsFile],
    tables: Iterable[BidsFile],
    rows: Iterable[str],
    asked: Sequence[str],
    elsewhere: Callable[[str], bool],
    who: str,
) -> Sessions:
    """Return the sessions that files, or rows of tables, have in order.

    The order is the one that was asked for; else that of the numbers in the labels; else of
    ``acq_time`` in ``sessions.tsv``, or ``scans.tsv``, where each session has one; else that of
    the rows.

    Parameters
    ----------
    files
        Images and tables of a subject.
    tables
        Where ``sessions.tsv`` and ``scans.tsv`` are.
    rows
        The sessions of rows of tables that are of no session by their names.
    asked
        Labels of sessions, with or without ``ses-``.
    elsewhere
        Returns whether another subject has a session that this one lacks.
    who
        For the message.

    Raises
    ------
    DataError
        If no subject has a session that was asked for, or this one has none of them.
    """
    named = {session_of(label): label for label in rows}
    written = {**named, **{index(f["session"]): f["session"] for f in files if f["session"]}}
    whole = _own_order(written, tables, tuple(named))
    if asked:
        wanted = [session_of(label) for label in asked]
        unknown = [label for label in wanted if label not in written and not elsewhere(label)]
        kept = tuple(dict.fromkeys(label for label in wanted if label in written))
        if unknown or not kept:
            strange = (unknown or wanted)[0]
            raise DataError(
                f"datasets.bids.sessions: {who} has no session {strange!r}."
                f"{near(strange, written.values())} Sessions: {listing(written.values())}."
            )
        return replace(whole, labels=kept, known=True, chosen=True)
    return whole


def _own_order(
    written: Mapping[str, str], tables: Iterable[BidsFile], named: tuple[str, ...]
) -> Sessions:
    """Return all sessions in the order that their numbers, their times or rows say."""
    labels = tuple(sorted(written, key=lambda label: natural(written[label])))
    shapes = {m.groups() if (m := _NUMBERED.fullmatch(label)) else label for label in labels}
    if len(labels) < 2 or (len(shapes) == 1 and isinstance(next(iter(shapes)), tuple)):
        return Sessions(labels, every=labels)
    times = _times(tables)
    if not (why := _useless(times, {label: written[label] for label in labels})):
        labels = tuple(sorted(labels, key=lambda label: times[label][0]))
        return Sessions(labels, every=labels)
    if len(named) == len(labels):
        return Sessions(named, every=named)
    return Sessions(labels, known=False, why=why if times else "")


def _times(tables: Iterable[BidsFile]) -> Mapping[str, tuple[datetime | str, str]]:
    """Return when sessions began and which table says so, of those of which one does.

    A text in place of a time is what is none, where no other row has one.
    """
    found: dict[str, tuple[datetime | str, str]] = {}
    for file in sorted(tables, key=lambda f: f["suffix"] != "sessions"):
        if file["suffix"] not in ("sessions", "scans"):
            continue
        table = read_table(file.path)
        of_rows = [name.removeprefix("ses-") for name in table.get("session_id")]
        scans = file["suffix"] == "scans"
        before = {k for k, (time, _) in found.items() if scans and isinstance(time, datetime)}
        for label, text in zip(of_rows, table.get("acq_time"), strict=True):
            own = index(label or file["session"])
            if text and own not in before:
                time, earlier = _time(text), found.get(own, (None, ""))[0]
                if isinstance(time, datetime) and isinstance(earlier, datetime):
                    time = min(time, earlier)
                if isinstance(time, datetime) or not earlier:
                    found[own] = time, file.path.name
    return found


def _time(text: str) -> datetime | str:
    """Return an ISO time as its clock shows it, and what is none as it is written."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        return text


def _useless(times: Mapping[str, tuple[datetime | str, str]], written: Mapping[str, str]) -> str:
    """Return why times do not say the order of sessions, empty where they do."""
    seen: dict[datetime, str] = {}
    for label, name in written.items():
        time, table = times.get(label, (None, ""))
        if time is None:
            others = listing(dict.fromkeys(table for _, table in times.values()))
            return f"{others} has no acq_time of session {name}"
        if isinstance(time, str):
            return (
                f"{table}: acq_time {time!r} of session {name} is no ISO time such as "
                "2020-03-31T10:15:00"
            )
        if time in seen:
            return f"{table}: sessions {seen[time]} and {name} have the same acq_time, {time}"
        seen[time] = name
    return ""


def presentation_order(
    keys: Sequence[tuple[int, str, float | None]],
) -> tuple[list[int], tuple[int, int] | None]:
    """Return the rows of a table in the order of presentation, and two that are not in it.

    ``keys`` are the place of the session, the run and the onset of the rows; None is an onset
    that the table lacks. Onsets are compared within a run.
    Rows without one are not compared. The order is stable.
    """
    known = [k for k, (_, _, onset) in enumerate(keys) if onset is not None]
    ranks = {k: (keys[k][0], natural(index(keys[k][1])), keys[k][2]) for k in known}
    wrong = next(((a, b) for a, b in pairwise(known) if ranks[b] < ranks[a]), None)
    return sorted(known, key=ranks.__getitem__), wrong
