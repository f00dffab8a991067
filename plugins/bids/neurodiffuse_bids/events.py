"""Which stimulus each volume of betas belongs to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.tables import Table, only_rows, read_table
from neurodiffuse.types import Grid, Trials
from neurodiffuse_bids.index import BidsFile
from neurodiffuse_bids.series import Series
from neurodiffuse_bids.stimuli import Pictures, id_of_file

TABLES = ("trials", "events", "conditions")
"""The suffixes of tables of trials; where several fit a file equally, the first one counts."""

COLUMNS = ("stim_id", "stim_file", "image_filename", "ImgName", "stimulus", "condition")
"""The columns in which the stimulus is looked for, in this order."""

_APART = ("subject", "session", "task", "run", "acquisition", "direction", "echo", "part")


@dataclass(frozen=True)
class Row:
    """A trial: the volume it belongs to, its stimulus, and what the table says of it.

    ``split`` is None where the table has no such column.
    """

    volume: int
    stimulus: str
    split: str | None
    session: str
    run: str


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
        kept.append(Responses(part.series, part.grid, tuple(row for row, _ in inside)))
    return Trials(
        tuple(row.stimulus for row, _ in trials),
        tuple(side for _, side in trials),
        tuple(row.session for row, _ in trials),
        tuple(row.run for row, _ in trials),
    ), tuple(kept)


@dataclass(frozen=True)
class Tables:
    """The tables of one series of betas, and how to read the stimulus from them."""

    column: str
    pictures: Pictures

    def rows(self, series: Series, files: Sequence[BidsFile], volumes: int) -> tuple[Row, ...]:
        """Return the trials of a series in the order of its volumes.

        The table must have as many rows as the series has volumes: volume k is row k, and
        volumes of rows without a stimulus are left out. Where the counts differ, rows without
        a stimulus (fixation, responses) are dropped first.

        Raises
        ------
        MissingDataError
            If there is no table.
        DataError
            If the counts differ either way.
        """
        name = series.files[0].path.name
        found = tables_of(series.files[0], files)
        if not found:
            if series.trial_entity() == "stim":
                return self._by_name(series)
            raise MissingDataError(
                f"{series.files[0].path}: no table of its trials: looked for *_events.tsv, "
                f"*_trials.tsv and *_conditions.tsv with the subject, session and run of {name}."
            )
        rows = [row for file in found for row in self._of_table(series, file)]
        if series.trial_entity() in ("stim", "contrast"):
            return self._named(series, rows, found[0].path)
        shown = [row for row in rows if row.stimulus]
        if len(rows) != volumes and len(shown) == volumes:
            rows = shown
        if len(rows) != volumes:
            raise DataError(_counts(series, found, volumes, len(rows), len(shown)))
        numbered = enumerate(rows)
        return tuple(_at(row, k) for k, row in numbered if row.stimulus)

    def _of_table(self, series: Series, file: BidsFile) -> list[Row]:
        table = read_table(file.path)
        types = [_plain(text) for text in table.get("trial_type")]
        desc = _plain(series["desc"])
        if series["suffix"] == "betaseries" and desc in types:
            table = only_rows(table, [k for k, text in enumerate(types) if text == desc])
        runs, sessions = table.get("run"), table.get("session")
        names = self._stimuli(table)
        splits = table["split"] if "split" in table else (None,) * len(table)
        return [
            Row(
                -1,
                names[k],
                splits[k],
                series["session"] or file["session"] or sessions[k],
                series["run"] or file["run"] or runs[k],
            )
            for k in range(len(table))
        ]

    def _stimuli(self, table: Table) -> list[str]:
        """Return the id of each row's stimulus, empty where none was shown."""
        column = self.column or next((c for c in COLUMNS if c in table), "")
        if not column:
            raise DataError(
                f"{table.path}: no column names the stimulus ({', '.join(COLUMNS)}). Columns: "
                f"{listing(table.columns)}. Say which with --set datasets.bids.stimulus_column=…"
            )
        ids = list(table[column])
        if column == "stim_file":
            ids = [id_of_file(name) for name in ids]
        if column != "stim_id" and column != "stim_file" and "stim_file" not in table:
            return ids
        for stimulus, name in zip(ids, table.get("stim_file"), strict=True):
            if stimulus and name:
                self.pictures.name(stimulus, name, table.path)
        return ids

    def _by_name(self, series: Series) -> tuple[Row, ...]:
        """Return trials that the names of their files tell all about."""
        return tuple(
            Row(k, f"stim-{label}", None, series["session"], series["run"])
            for k, label in enumerate(series.trials())
        )

    def _named(self, series: Series, rows: Sequence[Row], table: Path) -> tuple[Row, ...]:
        """Return trials whose files carry the stimulus in their names, or a running number."""
        labels = series.trials()
        known = {_plain(row.stimulus): row for row in rows if row.stimulus}
        known |= {key.removeprefix("stim"): row for key, row in known.items()}
        if all(_plain(label) in known for label in labels):
            return tuple(_at(known[_plain(label)], k) for k, label in enumerate(labels))
        shown = [row for row in rows if row.stimulus]
        numbers = all(re.search(r"\d$", label) for label in labels)
        for some in (rows, shown):
            if series.trial_entity() == "contrast" and numbers and len(some) == len(labels):
                return tuple(_at(row, k) for k, row in enumerate(some) if row.stimulus)
        strange = next((label for label in labels if _plain(label) not in known), labels[0])
        raise DataError(
            f"{series.files[0].path}: {series.trial_entity()}-{strange} is no stimulus of "
            f"{table} ({len(shown)} stimulus rows for {len(labels)} files).{near(strange, known)}"
        )


def tables_of(image: BidsFile, files: Sequence[BidsFile]) -> list[BidsFile]:
    """Return the tables of an image's trials.

    It is the one with the most entities of the image's name among those that have no other
    entity; else, for an image of a whole session or subject, those of all its runs in order.
    """
    tables = [f for f in files if f["suffix"] in TABLES and f["extension"] == ".tsv"]
    own = []
    for table in tables:
        if table["run"] not in ("", image["run"]) or table["session"] not in ("", image["session"]):
            continue
        entities = {k: v for k, v in table.entities.items() if k not in ("suffix", "extension")}
        if image.fits(entities):
            own.append((-len(entities), TABLES.index(table["suffix"]), str(table.path), table))
    if own:
        return [min(own, key=lambda item: item[:3])[3]]
    fitting = [
        t
        for t in tables
        if t["subject"] == image["subject"]
        and all(t[e] == image[e] for e in _APART if t[e] and image[e])
        and all(t[e] for e in ("session", "run") if image[e])
    ]
    kind = min((TABLES.index(t["suffix"]) for t in fitting), default=0)
    of_runs = [t for t in fitting if t["suffix"] == TABLES[kind]]
    return sorted(of_runs, key=BidsFile.order)


def _at(row: Row, volume: int) -> Row:
    return Row(volume, row.stimulus, row.split, row.session, row.run)


def _counts(series: Series, tables: Sequence[BidsFile], volumes: int, rows: int, shown: int) -> str:
    """Return the message that betas and events are of different length."""
    image = series.files[0].path
    many = len(series.files)
    what = f"{image}: has {volumes} volumes" if many == 1 else (
        f"{image} and {many - 1} more: {volumes} volumes in all"
    )  # fmt: skip
    more = f" and {len(tables) - 1} more tables" if len(tables) > 1 else ""
    with_stimulus = f", {shown} of them with a stimulus" if shown != rows else ""
    return (
        f"{what}, but {tables[0].path}{more} {rows} rows{with_stimulus}; betas and events "
        "must be equally many."
    )


def _plain(text: str) -> str:
    """Return a text as a BIDS label could hold it: letters and digits, lower case."""
    return re.sub(r"[^a-z0-9]", "", text.lower())
