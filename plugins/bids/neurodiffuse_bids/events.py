"""Which stimulus each volume of betas belongs to."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.tables import Table, only_rows, read_table
from neurodiffuse.types import Grid, Remark, Trials
from neurodiffuse_bids.choice import Choice
from neurodiffuse_bids.identity import index
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.order import Sessions, presentation_order, session_of
from neurodiffuse_bids.series import Series
from neurodiffuse_bids.stimuli import id_of_file
from neurodiffuse_bids.tables import holds, tables_of

COLUMNS = ("stim_id", "stim_file", "image_filename", "ImgName", "stimulus", "condition")
"""The columns in which the stimulus is looked for, in this order."""

COUNTS = ("n_trials", "n_reps", "n_averaged")
"""The columns that say how many trials a row is the average of; the first one counts."""

_INHERITED = ("task", "acquisition", "direction", "reconstruction")


@dataclass(frozen=True)
class Row:
    """A trial: the volume it belongs to, its stimulus, and what the table says of it.

    ``split`` is None where the table has no such column, ``file`` empty where it names no
    picture, ``onset`` None where it has none. ``kept`` is false of a row that the user's choice
    leaves out, ``count`` how many trials the row is the average of.
    """

    volume: int
    stimulus: str
    split: str | None
    session: str
    run: str
    file: str = ""
    onset: float | None = None
    kept: bool = True
    count: int = 1
    table: Path | None = None


@dataclass(frozen=True)
class Responses:
    """The betas of a session or run and the trials they belong to."""

    series: Series
    grid: Grid
    rows: tuple[Row, ...]


def trials_of(
    responses: Sequence[Responses], sides: Sequence[str]
) -> tuple[Trials, tuple[Responses, ...]]:
    """Return all trials with their sides, and the responses without those of no side."""
    every = iter(sides)
    kept, trials = [], []
    for part in responses:
        inside = [(row, side) for row, side in zip(part.rows, every, strict=False) if side]
        trials += inside
        kept.append(replace(part, rows=tuple(row for row, _ in inside)))
    counts = tuple(row.count for row, _ in trials)
    return Trials(
        tuple(row.stimulus for row, _ in trials),
        tuple(side for _, side in trials),
        _one_label(row.session for row, _ in trials),
        _one_label(row.run for row, _ in trials),
        counts if any(count != 1 for count in counts) else (),
    ), tuple(kept)


def _one_label(labels: Iterable[str]) -> tuple[str, ...]:
    """Return labels of which two that are one index are one text, the first of them."""
    first: dict[str, str] = {}
    return tuple(first.setdefault(index(label), label) for label in labels)


@dataclass
class Tables:
    """The tables of trials of one subject, and how to read the stimulus from them.

    Parameters
    ----------
    files
        The tables.
    sessions
        The order of the sessions.
    column
        The column of the stimulus; empty: the first of `COLUMNS` that a table has.
    order
        What to do with rows whose onsets descend: refuse (empty), leave them (``file``), or sort
        them (``onset``).
    choice
        Which rows count.
    """

    files: Sequence[BidsFile]
    sessions: Sessions
    column: str
    order: str
    choice: Choice
    used: list[BidsFile] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    without_betas: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def rows(self, series: Series, volumes: int) -> tuple[Row, ...]:
        """Return the trials of a series in the order of its volumes.

        The table must have as many rows as the series has volumes: volume k is row k, and
        volumes of rows without a stimulus, or that the user's choice leaves out, are skipped.
        Where the counts differ, rows without a stimulus (fixation, responses) are dropped
        first, then those that were not chosen.

        Raises
        ------
        MissingDataError
            If there is no table.
        DataError
            If the counts differ all these ways, several sessions of unknown order are in one
            file, or rows are not in the order of their onsets.
        """
        image = series.files[0]
        found = tables_of(image, self.files, self.sessions)
        self.used += found
        if not found:
            if series.trial_entity() == "stim":
                return self._by_name(series)
            raise MissingDataError(
                f"{image.path}: no table of its trials: looked for *_events.tsv, *_trials.tsv "
                f"and *_conditions.tsv with the subject, session and run of {image.path.name}."
            )
        self._check_joined(image, found)
        parts = [self.of_table(series, file) for file in found]
        if series.trial_entity() in ("stim", "contrast"):
            return self._named(series, parts)
        fitting = [some for some in self._ways(parts) if _total(some) == volumes]
        if not fitting:
            raise DataError(_counts(series, found, volumes, parts))
        return self._numbered(fitting[0])

    def of_table(self, series: Series, file: BidsFile) -> list[Row]:
        """Return the rows of a table, in its order and of no volume yet."""
        table = read_table(file.path)
        types = [_plain(text) for text in table.get("trial_type")]
        desc = _plain(series["desc"])
        if series["suffix"] == "betaseries" and desc in types:
            table = only_rows(table, [k for k, text in enumerate(types) if text == desc])
        runs, sessions, files = table.get("run"), table.get("session"), table.get("stim_file")
        names, chosen = self._stimuli(table), self.choice.rows(table)
        own = [series["session"] or file["session"] or session for session in sessions]
        counts = self._averaged(table, names)
        splits = table["split"] if "split" in table else (None,) * len(table)
        onsets = table.get("onset")
        return [
            Row(
                -1,
                names[k],
                splits[k],
                own[k],
                series["run"] or file["run"] or runs[k],
                files[k],
                _onset(table, k, onsets[k]),
                chosen[k] and self.sessions.holds(own[k]),
                counts[k],
                table.path,
            )
            for k in range(len(table))
        ]

    def unused(self, every: Sequence[Series]) -> list[BidsFile]:
        """Return the tables of runs of which no series holds the betas.

        A table counts that shows stimuli, and whose task and the like are those of the tables
        that were used: rest and localisers do not.
        """
        like = {e: {file[e] for file in self.used} for e in _INHERITED}
        found = []
        for file in self.files:
            own = file["session"] or file["run"]
            if not own or any(file[e] not in like[e] for e in _INHERITED):
                continue
            if any(holds(one.files[0], file) for one in every) or not self.sessions.holds(
                file["session"]
            ):
                continue
            if any(row.stimulus and row.kept for row in self.of_table(every[0], file)):
                found.append(file)
        return found

    def _stimuli(self, table: Table) -> list[str]:
        """Return the name of each row's stimulus, empty where none was shown."""
        column = self.column or next((c for c in COLUMNS if c in table), "")
        if not column:
            raise DataError(
                f"{table.path}: no column names the stimulus ({', '.join(COLUMNS)}). Columns: "
                f"{listing(table.columns)}. Say which with --set datasets.bids.stimulus_column=…"
            )
        ids = list(table[column])
        return [id_of_file(name) for name in ids] if column == "stim_file" else ids

    def _averaged(self, table: Table, names: Sequence[str]) -> list[int]:
        """Return how many trials each row is the average of."""
        column = next((c for c in COUNTS if c in table), "")
        counts = []
        for name, text in zip(names, table.get(column), strict=True):
            number = _number(text) if column and name else 1
            if number is None or number < 1 or number != int(number):
                raise DataError(
                    f"{table.path}: {column} of the stimulus {name} is {text or 'n/a'!r}; it says "
                    "how many trials a row is the average of, and must be a whole number of 1 or "
                    "more. Rename the column if it says something else."
                )
            counts.append(int(number))
        if counts and max(counts) > 1:
            self.remarks.append(
                Remark(
                    f"{table.path.name}: rows are averages of {min(counts)} to {max(counts)} "
                    f"trials by their column {column}, and count as many."
                )
            )
        return counts

    def _check_joined(self, image: BidsFile, found: Sequence[BidsFile]) -> None:
        """Refuse tables of which nobody knows in which order they were joined; note a guess."""
        words = list(dict.fromkeys(file["session"] for file in found if file["session"]))
        if len(words) > 1 and not self.sessions.known:
            reason = self.sessions.why or "nothing says in which order"
            raise DataError(
                f"{image.path}: joins the sessions {listing(words)}, and {reason}. List them as "
                "they were measured, --set 'datasets.bids.sessions="
                """["FIRST", "SECOND", …]' with their names, or write acq_time as an ISO time, """
                f"another for each, into sub-{image['subject']}_sessions.tsv."
            )
        names = [str(file.path) for file in found]
        if names != sorted(names) and not self.sessions.chosen:
            parts = (("ses", "session"), ("run", "run"))
            each = [" ".join(f"{k}-{file[e]}" for k, e in parts if file[e]) for file in found]
            order = ", ".join(each)
            self.remarks.append(
                Remark(
                    f"{image.path.name}: its volumes are taken to be in the order {order}, which "
                    "is not that of the alphabet. If it was joined alphabetically, write one file "
                    "per run.",
                    "warning",
                )
            )

    def _ways(self, parts: Sequence[list[Row]]) -> Iterable[list[list[Row]]]:
        """Yield which rows may have a volume: all, those with a stimulus, those chosen."""
        yield list(parts)
        yield [[row for row in rows if row.stimulus] for rows in parts]
        if self.choice or self.sessions.chosen:
            yield [[row for row in rows if row.stimulus and row.kept] for rows in parts]

    def _numbered(self, parts: Sequence[list[Row]]) -> tuple[Row, ...]:
        """Return the rows that count with their volumes, volume k being row k."""
        rows = [row for some in parts for row in self._in_order(some)]
        return tuple(
            replace(row, volume=k) for k, row in enumerate(rows) if row.stimulus and row.kept
        )

    def _in_order(self, rows: list[Row]) -> list[Row]:
        """Return the rows of a table in order; refuse those whose onsets descend.

        Raises
        ------
        DataError
            If they do, or are to be sorted and have no onsets.
        """
        if self.order == "file":
            return rows
        place = self.sessions.places(row.session for row in rows)
        keys = [(place[session_of(row.session)], row.run, row.onset) for row in rows]
        if _says_nothing(keys) and rows[0].table and rows[0].table.name.endswith("_events.tsv"):
            self.unchecked.append(rows[0].table.name)
        order, wrong = presentation_order(keys)
        where = rows[0].table if rows else ""
        if self.order == "onset":
            if len(order) != len(rows):
                raise DataError(
                    f"{where}: datasets.bids.order=onset sorts rows by their onset, and "
                    f"{len(rows) - len(order)} of {len(rows)} rows have none."
                )
            return [rows[k] for k in order]
        if wrong is None:
            return rows
        late, early = rows[wrong[0]], rows[wrong[1]]
        raise DataError(
            f"{where}: rows are not in the order of their onsets: {_moment(early)} comes after "
            f"{_moment(late)}. Volume k of the betas belongs to row k: say whether the volumes are "
            "in the order of the rows, --set datasets.bids.order=file, or of time, --set "
            "datasets.bids.order=onset."
        )

    def _by_name(self, series: Series) -> tuple[Row, ...]:
        """Return trials that the names of their files tell all about."""
        return tuple(
            Row(k, f"stim-{label}", None, series["session"], series["run"])
            for k, label in enumerate(series.trials())
        )

    def _named(self, series: Series, parts: Sequence[list[Row]]) -> tuple[Row, ...]:
        """Return trials whose files carry the stimulus in their names, or a running number."""
        labels, path = series.trials(), series.files[0].path
        rows = [row for some in parts for row in some]
        table = rows[0].table if rows else "its table"
        known = {_plain(row.stimulus): row for row in rows if row.stimulus}
        known |= {key.removeprefix("stim"): row for key, row in known.items()}
        if all(_plain(label) in known for label in labels):
            named = [known[_plain(label)] for label in labels]
            absent = {row.stimulus for row in rows if row.stimulus and row.kept}
            absent -= {row.stimulus for row in named}
            if absent:
                self.without_betas.append(f"{table} ({listing(sorted(absent), most=3)})")
            return tuple(replace(row, volume=k) for k, row in enumerate(named) if row.kept)
        numbers = all(re.search(r"\d$", label) for label in labels)
        for some in list(self._ways(parts))[:2]:
            if series.trial_entity() == "contrast" and numbers and _total(some) == len(labels):
                return self._numbered(some)
        strange = next((label for label in labels if _plain(label) not in known), labels[0])
        shown = sum(bool(row.stimulus) for row in rows)
        raise DataError(
            f"{path}: {series.trial_entity()}-{strange} is no stimulus of "
            f"{table} ({shown} stimulus rows for {len(labels)} files).{near(strange, known)}"
        )


def _total(parts: Iterable[Sequence[Row]]) -> int:
    return sum(map(len, parts))


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _onset(table: Table, k: int, text: str) -> float | None:
    """Return an onset in seconds, None where the table has none.

    Raises
    ------
    DataError
        If it is something else than a number.
    """
    number = _number(text)
    if text and number is None:
        raise DataError(
            f"{table.path}: the onset {text!r} of row {k + 2} is no number of seconds. Write a "
            "number with a decimal point, or n/a; without it the order of the rows cannot be "
            "checked."
        )
    return number


def _says_nothing(keys: Sequence[tuple[int, str, float | None]]) -> bool:
    """Return whether all rows of a run, of two or more, have one onset or none."""
    runs: dict[tuple[int, str], list[float | None]] = {}
    for session, run, onset in keys:
        runs.setdefault((session, run), []).append(onset)
    return any(len(some) > 1 and len(set(some)) == 1 for some in runs.values())


def _moment(row: Row) -> str:
    return f"{row.stimulus or 'a row'} at {row.onset:g} s"


def _counts(
    series: Series, tables: Sequence[BidsFile], volumes: int, parts: Sequence[Sequence[Row]]
) -> str:
    """Return the message that betas and events are of different length."""
    image = series.files[0].path
    rows = _total(parts)
    shown = sum(bool(row.stimulus) for some in parts for row in some)
    many = len(series.files)
    what = f"{image}: has {volumes} volumes" if many == 1 else (
        f"{image} and {many - 1} more: {volumes} volumes in all"
    )  # fmt: skip
    others = len(tables) - 1
    more = f" and {others} more table{'s' if others > 1 else ''}" if others else ""
    have = "have" if others else "has"
    with_stimulus = f", {shown} of them with a stimulus" if shown != rows else ""
    return (
        f"{what}, but {tables[0].path}{more} {have} {rows} rows{with_stimulus}; betas and events "
        "must be equally many."
    )


def _plain(text: str) -> str:
    """Return a text as a BIDS label could hold it: letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
