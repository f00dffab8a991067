"""Tab-separated tables as BIDS has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from neurodiffuse.errors import DataError, MissingDataError, listing, near
from neurodiffuse.readers.noting import note_read
from neurodiffuse.readers.reach import check_file

MISSING = ("", "n/a", "N/A", "nan", "NaN")
"""How a table says that there is no value."""


@dataclass(frozen=True)
class Table:
    """Columns of texts, equally long; a missing value is an empty text."""

    path: Path
    columns: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __contains__(self, column: str) -> bool:
        return column in self.columns

    def __getitem__(self, column: str) -> tuple[str, ...]:
        """Return a column.

        Raises
        ------
        DataError
            If the table has none of that name.
        """
        if column not in self.columns:
            raise DataError(
                f"{self.path}: has no column {column!r}.{near(column, self.columns)} "
                f"Columns: {listing(self.columns)}."
            )
        return self.columns[column]

    def get(self, column: str) -> tuple[str, ...]:
        """Return a column, empty texts when there is none of that name."""
        return self.columns.get(column, ("",) * len(self))


def read_table(path: Path) -> Table:
    """Return a table with a header line.

    Raises
    ------
    MissingDataError
        If there is no such file.
    DataError
        If it is not text in UTF-8, has no header, no tabs between its columns, or a row with
        another number of fields.
    """
    note_read(path)
    check_file(path)
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except FileNotFoundError as error:
        raise MissingDataError(f"{path}: there is no such table.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a table in UTF-8 ({error}).") from error
    rows = [[_field(f) for f in line.split("\t")] for line in lines if line.strip("\r")]
    if not rows:
        raise DataError(f"{path}: is empty; a first line with the names of columns is needed.")
    header = rows[0]
    if len(header) == 1 and (found := _separated_by(rows)):
        raise DataError(
            f"{path}: its columns are separated by {found}; tabs are needed. Save it as text with "
            "tabs between the columns (.tsv)."
        )
    double = [name for name in header if header.count(name) > 1]
    if double:
        raise DataError(f"{path}: has the column {double[0]!r} twice.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise DataError(
                f"{path}: row {number} has {len(row)} fields where the first line names "
                f"{len(header)} columns; fields are separated by single tabs."
            )
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * len(header)
    return Table(path, dict(zip(header, columns, strict=True)))


def only_rows(table: Table, kept: Sequence[int]) -> Table:
    """Return a table with some of the rows."""
    chosen = {name: tuple(values[k] for k in kept) for name, values in table.columns.items()}
    return Table(table.path, chosen)


def _separated_by(rows: list[list[str]]) -> str:
    """Return what stands between columns in place of tabs: where every row splits as the first."""
    for mark, name in ((";", "semicolons"), (",", "commas"), ("|", "bars"), (None, "spaces")):
        columns = len(rows[0][0].split(mark))
        alike = all(len(row) == 1 and len(row[0].split(mark)) >= columns for row in rows[1:])
        if columns > 1 and alike and (mark or len(rows) > 1):
            return name
    return ""


def _field(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == '"':  # as spreadsheets and pandas quote
        text = text[1:-1].replace('""', '"')
    return "" if text in MISSING else text
